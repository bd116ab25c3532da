"""Fine-tuning the formation energy model on new rows and replayed old ones."""

from collections.abc import Sequence

import numpy as np

from invdesflow.errors import LearningError
from invdesflow.learning.retraining import Lesson, Measured, Retrained, require_numbers
from invdesflow.learning.training_sets import TrainingRow
from invdesflow.model_files import read_model
from invdesflow.screening.formation_energy import KIND, VERSION, FormationEnergy
from invdesflow.screening.training.descriptions import describe_set
from invdesflow.screening.training.formation_energy_data import EnergyRow, EnergySet, energy_set
from invdesflow.screening.training.formation_energy_fitting import tune_network
from invdesflow.screening.training.splits import FOLDS, formulas_digest

__all__ = ["retrain_formation_energy"]


def retrain_formation_energy(lesson: Lesson) -> Retrained:
    """Fine-tune the networks of the parent; the one without a fold still does not see that fold.

    The elemental corrections and the intervals stay those of the parent.

    Raises
    ------
    LearningError
        If the model can read no new row.
    TrainingError
        If training diverges.
    """
    arrays, card = read_model(lesson.parent, KIND, VERSION)
    parent = FormationEnergy(arrays, card)
    new, replay, held_out = (_read(rows, parent, lesson) for rows in (lesson.new, lesson.replay, lesson.held_out))
    if not len(new):
        raise LearningError(
            "The formation energy model can read none of the new crystals.",
            "Train a new one: python -m invdesflow.screening.training.formation_energy.",
        )
    taught = _joined(new, replay)
    arrays = dict(arrays)
    for number, (network, inputs) in enumerate(parent.members):
        seen = taught.rows(taught.folds != number % FOLDS)
        if len(seen):
            tuned = tune_network(
                network,
                seen.sights,
                seen.energies,
                inputs,
                lesson.settings.tuning(number),
                checkpoint=lesson.folder / f"formation-energy-{number}.pt",
                identity=f"{formulas_digest(list(seen.formulas))} {len(seen)}",
            )
            state = tuned.state_dict().items()
            arrays |= {f"{number}.network.{name}": value.numpy().astype(np.float16) for name, value in state}
    require_numbers(arrays, (".network.",))
    child = FormationEnergy(arrays, card)
    recipe = card["recipe"] | {"fine_tuning": lesson.settings.model_dump()}
    return Retrained(arrays, card | {"recipe": recipe}, _measured(parent, child, held_out), len(new), len(replay))


def _read(rows: Sequence[TrainingRow], model: FormationEnergy, lesson: Lesson) -> EnergySet:
    """Return the rows that a model can read."""
    found = [EnergyRow(row.formula, row.structure, row.labels["formation_energy_ev_per_atom"], False) for row in rows]
    described = describe_set([row.structure for row in rows], lesson.folder) if rows else []
    crystals = energy_set(found, described, model.bonds)
    return crystals.rows(np.array([model.knows(sight) for sight in crystals.sights], dtype=bool))


def _joined(first: EnergySet, second: EnergySet) -> EnergySet:
    return EnergySet(
        first.formulas + second.formulas,
        first.sights + second.sights,
        *(
            np.concatenate([getattr(first, name), getattr(second, name)])
            for name in ("energies", "folds", "held_out", "legacy")
        ),
    )


def _measured(parent: FormationEnergy, child: FormationEnergy, held_out: EnergySet) -> Measured:
    loss = "absolute error of the formation energy (eV/atom)"
    if not len(held_out):
        return Measured(loss, [], np.empty(0), np.empty(0), {})
    before, after = (np.abs(model.energies(held_out.sights)[0] - held_out.energies) for model in (parent, child))
    metrics = {"MAE (eV/atom)": float(after.mean()), "median (eV/atom)": float(np.median(after))}
    return Measured(loss, held_out.formulas, before, after, metrics)
