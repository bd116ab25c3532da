"""Fine-tuning the classifier: networks and trees of every member, on new rows and replayed old ones."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score

from invdesflow.errors import LearningError
from invdesflow.learning.retraining import Lesson, Measured, Retrained, require_numbers
from invdesflow.learning.training_sets import TrainingRow
from invdesflow.model_files import read_model
from invdesflow.screening.classifier import KIND, VERSION, Classifier
from invdesflow.screening.training.classifier_tuning import Balance, Examples, tune_member
from invdesflow.screening.training.descriptions import describe_set
from invdesflow.screening.training.splits import FOLDS, fold_of

__all__ = ["retrain_classifier"]


def retrain_classifier(lesson: Lesson) -> Retrained:
    """Fine-tune the members of the parent; the one of a fold still does not see that fold.

    Networks learn from new and replayed rows, trees count the new rows in the leaves that these fall into. The law
    that joins them stays that of the parent.

    Raises
    ------
    LearningError
        If the model can read no new row, or one of the two classes is missing.
    TrainingError
        If training diverges.
    """
    arrays, card = read_model(lesson.parent, KIND, VERSION)
    parent = Classifier(arrays, card)
    new = _read(lesson.new, parent, lesson, new=True)
    replay, held_out = (_read(rows, parent, lesson, new=False) for rows in (lesson.replay, lesson.held_out))
    if not len(new):
        raise LearningError(
            "The classifier can read none of the new crystals: elements that it does not know, or isolated atoms.",
            "Train a new one: python -m invdesflow.screening.training.classifier.",
        )
    taught = new + replay
    if not taught.has_both_classes:
        raise LearningError(
            "There are superconductors only, or none, among the crystals to learn from.",
            "Import published calculations to replay: invdesflow import.",
        )
    balance, folds = _balance(card), np.array([fold_of(formula) for formula in taught.formulas])
    arrays = dict(arrays)
    for number, member in enumerate(parent.members):
        seen = taught.only(folds != number % FOLDS)
        if seen.has_both_classes:
            checkpoints = lesson.folder / f"classifier-{number}"
            tuned = tune_member(member, seen, balance, lesson.settings.tuning(number), checkpoints=checkpoints)
            arrays |= {f"member{number}.{name}": array for name, array in tuned.to_arrays().items()}
    require_numbers(arrays, (".network", ".forest.values"))
    recipe = card["recipe"] | {"fine_tuning": lesson.settings.model_dump()}
    measured = _measured(parent, Classifier(arrays, card), held_out)
    return Retrained(arrays, card | {"recipe": recipe}, measured, len(new), len(replay))


def _read(rows: Sequence[TrainingRow], model: Classifier, lesson: Lesson, *, new: bool) -> Examples:
    """Return the rows that a model can read."""
    described = describe_set([row.structure for row in rows], lesson.folder) if rows else []
    seen = [model.read(row.structure, description) for row, description in zip(rows, described, strict=True)]
    kept = [(row, crystal) for row, crystal in zip(rows, seen, strict=True) if not isinstance(crystal, str)]
    truth = np.array([row.labels["positive"] > 0.5 for row, _ in kept], dtype=bool)
    crystals = [crystal for _, crystal in kept]
    return Examples([row.formula for row, _ in kept], crystals, truth, np.full(len(kept), new))


def _balance(card: Mapping[str, Any]) -> Balance:
    """Weigh the classes as they were when the trees were grown."""
    kinds = [one["kinds"] for one in card["training_sets"] if "kinds" in one]
    superconductors = sum(counts["superconductor"] for counts in kinds)
    others = sum(counts[kind] for counts in kinds for kind in ("metal", "insulator", "magnet"))
    return Balance.of(superconductors, others, card["forest"]["leaf"])


def _measured(parent: Classifier, child: Classifier, held_out: Examples) -> Measured:
    loss = "cross-entropy of the class"
    if not len(held_out):
        return Measured(loss, [], np.empty(0), np.empty(0), {})
    logits = [model.law.logits(model.logits(held_out.crystals).mean(axis=0)) for model in (parent, child)]
    before, after = (np.logaddexp(0.0, np.where(held_out.truth, -said, said)) for said in logits)
    metrics = {"AP": float(average_precision_score(held_out.truth, logits[1]))} if held_out.truth.any() else {}
    return Measured(loss, held_out.formulas, before, after, metrics)
