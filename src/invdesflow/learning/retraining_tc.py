"""Fine-tuning the Tc model: networks and perceptrons of every member, on new rows and replayed old ones."""

from collections.abc import Sequence
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invdesflow.errors import LearningError
from invdesflow.learning.retraining import Lesson, Measured, Retrained, require_numbers
from invdesflow.learning.training_sets import TrainingRow
from invdesflow.model_files import read_model
from invdesflow.screening.domain import TrainingDomain
from invdesflow.screening.tc_alignn import KIND, PARTS, VERSION, Member, TcEnsemble, combine
from invdesflow.screening.training.alignn_data import AlignnData
from invdesflow.screening.training.alignn_tuning import tune_member
from invdesflow.screening.training.electron_phonon_data import Compound
from invdesflow.screening.training.evaluation import OutOfFold, calibrate, log_figures, tc_figures, tc_from_logs

__all__ = ["retrain_tc"]

_FEWEST_FOR_CALIBRATION = 200
"""Rows that no member has seen, below which the intervals stay those of the parent."""


def retrain_tc(lesson: Lesson) -> Retrained:
    """Fine-tune the members of the parent; the one of a fold still does not see that fold.

    The trees stay. Crystals that are new extend the domain. The intervals are calibrated anew if there are enough rows
    that a member has not seen.

    Raises
    ------
    LearningError
        If the model can read no new row.
    TrainingError
        If training diverges.
    """
    arrays, card = read_model(lesson.parent, KIND, VERSION)
    parent = TcEnsemble(arrays, card)
    new, replay, held_out = (_read(rows, parent, lesson) for rows in (lesson.new, lesson.replay, lesson.held_out))
    if new is None:
        raise LearningError(
            "The Tc model can read none of the new crystals: elements that it does not know, or isolated atoms.",
            "Train a new one: python -m invdesflow.screening.training.tc_alignn.",
        )
    taught = new if replay is None else _joined(new, replay)
    tuned = [_tuned(number, member, parent, taught, lesson) for number, member in enumerate(parent.members)]
    arrays = dict(arrays)
    for number, member in enumerate(tuned):
        arrays |= {f"member{number}.{name}": array for name, array in member.to_arrays().items()}
    require_numbers(arrays, (".network.", ".perceptrons."))
    arrays |= {f"domain.{name}": array for name, array in _extended(parent, new).items()}
    settings = lesson.settings
    changes: dict[str, Any] = {"recipe": card["recipe"] | {"fine_tuning": settings.model_dump()}}
    if len(taught) >= _FEWEST_FOR_CALIBRATION:
        changes["calibration"] = _calibrated([member.stored() for member in tuned], parent, taught, card)
    child = TcEnsemble(arrays, card | changes)
    measured = _measured(parent, child, held_out)
    return Retrained(arrays, card | changes, measured, len(new), 0 if replay is None else len(replay))


def _read(rows: Sequence[TrainingRow], model: TcEnsemble, lesson: Lesson) -> AlignnData | None:
    """Return the rows that a model can read; None if there are none."""
    compounds = [
        Compound(
            row.structure,
            row.labels["lambda_"],
            row.labels["omega_log_mev"],
            row.labels["tc_k"],
            row.labels.get("dos_per_atom", nan),
        )
        for row in rows
        if all(element.Z in model.featuriser.elements for element in row.structure.elements)
    ]
    if not compounds:
        return None
    data = AlignnData.of([compounds], model.featuriser, lesson.folder)
    return data if len(data) else None


def _joined(first: AlignnData, second: AlignnData) -> AlignnData:
    names = ("formulas", "targets", "tc_k", "folds", "held_out", "benchmark")
    arrays: dict[str, NDArray[Any]] = {
        name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in names
    }
    return AlignnData(inputs=[*first.inputs, *second.inputs], **arrays)


def _tuned(number: int, member: Member, parent: TcEnsemble, taught: AlignnData, lesson: Lesson) -> Member:
    rows = taught.rows(taught.folds != number)
    if not len(rows):
        return member
    checkpoint = lesson.folder / f"tc-{number}.pt"
    return tune_member(member, rows, parent.elements, lesson.settings.tuning(number), checkpoint=checkpoint)


def _extended(parent: TcEnsemble, new: AlignnData) -> dict[str, NDArray[Any]]:
    """Add the new crystals to the centres of the domain."""
    domain = parent.domain
    inside = (parent.standardised(new.inputs) - domain.mean) @ domain.projection
    centres = np.concatenate([domain.centres, inside.astype(np.float32)])
    return TrainingDomain(domain.mean, domain.projection, centres, domain.unit).to_arrays()


def _calibrated(
    members: Sequence[Member], parent: TcEnsemble, taught: AlignnData, card: dict[str, Any]
) -> dict[str, float]:
    """Calibrate the intervals on what each member has not seen."""
    shares = [float(card["shares"][part]) for part in PARTS]
    mean, spread = np.empty((len(taught), taught.targets.shape[1])), np.empty(len(taught))
    for fold, member in enumerate(members):
        unseen = taught.folds == fold
        if unseen.any():
            outputs = member.predict(taught.rows(unseen).inputs, parent.elements)
            mean[unseen], spread[unseen] = combine(outputs, shares)
    everything = np.ones(len(taught), dtype=bool)
    labels = (taught.tc_k, taught.targets, taught.folds, taught.benchmark, everything)
    return calibrate(OutOfFold(*labels, {}, mean, spread, np.zeros(len(taught))))


def _measured(parent: TcEnsemble, child: TcEnsemble, held_out: AlignnData | None) -> Measured:
    loss = "absolute error of Tc (K)"
    if held_out is None:
        return Measured(loss, [], np.empty(0), np.empty(0), {})
    before, _, _ = parent.average(parent.outputs(held_out.inputs))
    after, _, _ = child.average(child.outputs(held_out.inputs))
    old, new = (np.abs(tc_from_logs(mean) - held_out.tc_k) for mean in (before, after))
    metrics = tc_figures(held_out.tc_k, tc_from_logs(after)) | log_figures(held_out.targets, after)
    return Measured(loss, held_out.formulas.tolist(), old, new, metrics)
