"""What every retraining has in common: lessons, what comes of them, and whether it is better than before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import ndtr, stdtrit

from invdesflow.errors import LearningError, TrainingError
from invdesflow.learning.retraining_documents import Comparison
from invdesflow.learning.training_set_documents import Kind
from invdesflow.learning.training_sets import TrainingRow
from invdesflow.screening.training.splits import formulas_digest

if TYPE_CHECKING:
    from invdesflow.screening.training.tuning import Tuning

__all__ = [
    "RETRAINERS",
    "Lesson",
    "Measured",
    "Retrained",
    "Retrainer",
    "RetrainingRule",
    "RetrainingSettings",
    "compare",
    "require_numbers",
    "require_retrainable",
    "retrainer",
    "verdict",
]

FloatArray = NDArray[np.float64]


class RetrainingSettings(BaseModel):
    """How a model is fine-tuned, and when what came of it is good enough."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int = Field(8, ge=1, description="passes over new and replayed rows")
    learning_rate: float = Field(5e-4, gt=0, description="its height")
    batch: int = Field(32, ge=1, description="rows in a batch")
    replay: float = Field(4.0, ge=0, description="old rows that are shown again for each new one")
    least_replay: int = Field(200, ge=0, description="but at least so many, as far as there are any")
    anchor: float = Field(
        0.02, ge=0, description="weight of the squared distance from the parent's weights in the loss"
    )
    confidence: float = Field(
        0.9, gt=0, lt=1, description="of the two-sided interval of the gain, at the first attempt on a parent"
    )
    resamples: int = Field(2000, ge=100, description="of the bootstrap")
    least_held_out: int = Field(10, ge=2, description="held-out formulas without which nothing is promoted")
    seed: int = Field(0, ge=0, description="of everything random")

    def replayed(self, old: Sequence[TrainingRow], new: int) -> list[TrainingRow]:
        """Draw the old rows that are shown again, in the order that they came in."""
        wanted = min(len(old), max(self.least_replay, round(self.replay * new)))
        chosen = np.random.default_rng(self.seed).permutation(len(old))[:wanted]
        return [old[index] for index in np.sort(chosen)]

    def tuning(self, member: int) -> "Tuning":
        """Return how the weights of one member are moved."""
        from invdesflow.screening.training.tuning import Tuning

        return Tuning(self.epochs, self.learning_rate, self.anchor, batch=self.batch, seed=self.seed + member)


class RetrainingRule(BaseModel):
    """When enough is new since a model was made: any of these is enough."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: int | None = Field(20, ge=1, description="so many new rows; none: their number does not matter")
    share: float | None = Field(None, gt=0, description="so many new rows for each that the model has seen")
    days: float | None = Field(None, gt=0, description="a model of this age, if anything is new")

    def is_met(self, new: int, old: int, age_days: float | None) -> bool:
        """Tell whether a model is to be retrained.

        Parameters
        ----------
        new, old
            Rows that it has not seen and that it has.
        age_days
            Its age; None for a model that ships, which has none here.
        """
        many = self.count is not None and new >= self.count
        much = self.share is not None and new >= self.share * old
        aged = self.days is not None and age_days is not None and age_days >= self.days
        return new > 0 and (many or much or aged)


@dataclass(frozen=True)
class Lesson:
    """What a retrainer is given.

    Attributes
    ----------
    parent
        Weights file of the model to start from.
    new, replay
        Rows to learn from: those that the parent has not seen, and some that it has.
    held_out
        Rows to measure parent and child on; neither has seen them.
    settings
        How.
    folder
        For checkpoints and what is slow to compute; the same lesson gets the same folder.
    """

    parent: Path
    new: Sequence[TrainingRow]
    replay: Sequence[TrainingRow]
    held_out: Sequence[TrainingRow]
    settings: RetrainingSettings
    folder: Path


@dataclass(frozen=True)
class Measured:
    """Parent and child on the held-out rows that both know.

    Attributes
    ----------
    loss
        What the numbers are.
    formulas
        Of the rows, shape (rows,).
    parent, child
        One number for each row, less is better, shape (rows,).
    metrics
        Figures of the child, by the names that the registry compares.
    """

    loss: str
    formulas: Sequence[str]
    parent: FloatArray
    child: FloatArray
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Retrained:
    """What a retrainer gives back.

    Attributes
    ----------
    arrays, card
        Of the child; the card still lacks its name and what is said of the comparison.
    measured
        On the held-out rows.
    learned, replayed
        Rows that it could learn from.
    """

    arrays: Mapping[str, NDArray[Any]]
    card: Mapping[str, Any]
    measured: Measured
    learned: int
    replayed: int


class Retrainer(Protocol):
    """Fine-tunes models of one kind."""

    def __call__(self, lesson: Lesson) -> Retrained:
        """Fine-tune, and measure parent and child.

        Raises
        ------
        LearningError
            If no new row can be read by the model.
        TrainingError
            If training diverges.
        """


RETRAINERS: Mapping[Kind, str] = {
    "tc": "invdesflow.learning.retraining_tc:retrain_tc",
    "classifier": "invdesflow.learning.retraining_classifier:retrain_classifier",
    "formation-energy": "invdesflow.learning.retraining_formation_energy:retrain_formation_energy",
    "generator": "invdesflow.learning.retraining_generator:retrain_generator",
}
"""Kind -> its retrainer; named, not imported, because training needs packages that screening does not."""


def retrainer(kind: Kind) -> Retrainer:
    """Import the retrainer of a kind.

    Raises
    ------
    LearningError
        If a package is missing.
    """
    module, _, name = RETRAINERS[kind].partition(":")
    try:
        found: Retrainer = getattr(import_module(module), name)
    except ImportError as error:
        raise LearningError(f"Training needs {error.name}.", "Run: pip install 'invdesflow[train]'.") from error
    return found


def require_retrainable(kind: Kind) -> None:
    """Refuse a kind that is not fine-tuned from a training set.

    Raises
    ------
    LearningError
        If it is the potential, which learns from forces, and those stand in the folders of the tasks.
    """
    if kind not in RETRAINERS:
        raise LearningError(
            f"A {kind} learns from forces, which a training set does not hold.",
            "Fine-tune it with `invdesflow potential finetune`, then `invdesflow potential pack` and `models import`.",
        )


def require_numbers(arrays: Mapping[str, NDArray[Any]], parts: Sequence[str]) -> None:
    """Refuse weights that are not numbers, as a training leaves them that diverged in its last step.

    Parameters
    ----------
    arrays
        Of a model, by name.
    parts
        What the names of trained weights contain.

    Raises
    ------
    TrainingError
        If one is not finite.
    """
    for name, array in arrays.items():
        if any(part in name for part in parts) and not np.isfinite(array).all():
            raise TrainingError(f"Training diverged: {name} is not finite.", "Lower the learning rate.")


def compare(measured: Measured, settings: RetrainingSettings, earlier: int = 0) -> Comparison:
    """Compare parent and child row by row, with the noise of which formulas happen to be held out.

    The bootstrap draws formulas, not rows, because polymorphs err together. The interval is that of the percentiles,
    expanded to the width of Student's t, without which it is too narrow for few formulas (Hesterberg, The American
    Statistician 69, 371 (2015), section 5.1). All children of a parent are judged on the same rows: so that a child is
    not promoted for being the luckiest of many, the tail is shared among them (Bonferroni).

    Parameters
    ----------
    measured
        Parent and child on the held-out rows.
    settings
        Confidence and size of the bootstrap.
    earlier
        Other models that were fine-tuned from the same parent before.

    Raises
    ------
    LearningError
        If a loss is not a number.
    """
    gains = measured.parent - measured.child
    if not np.isfinite(gains).all():
        raise LearningError("A retrained model answers with what is not a number.", "Lower the learning rate.")
    tail = (1.0 - settings.confidence) / 2.0 / (1 + earlier)
    formulas, row_of = np.unique(np.array(measured.formulas, dtype=str), return_inverse=True)
    low = high = None
    if len(formulas) > 1:
        sums = np.bincount(row_of, gains).astype(np.float64)
        counts = np.bincount(row_of)
        low, high = _interval(sums, counts, tail, settings)
    return Comparison(
        loss=measured.loss,
        rows=len(gains),
        formulas=len(formulas),
        formulas_digest=formulas_digest(list(measured.formulas)),
        parent=float(measured.parent.mean()) if len(gains) else None,
        child=float(measured.child.mean()) if len(gains) else None,
        gain=float(gains.mean()) if len(gains) else None,
        gain_low=low,
        gain_high=high,
        confidence=1.0 - 2.0 * tail,
        earlier=earlier,
    )


def _interval(
    sums: FloatArray, counts: NDArray[np.intp], tail: float, settings: RetrainingSettings
) -> tuple[float, float]:
    """Return the interval of the mean gain of rows from sums and numbers of rows of each formula, both (formulas,)."""
    number = len(sums)
    expanded = ndtr(np.sqrt(number / (number - 1)) * stdtrit(number - 1, tail))
    random = np.random.default_rng(settings.seed)
    drawn = random.integers(number, size=(settings.resamples, number))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [expanded, 1.0 - expanded])
    return float(low), float(high)


def verdict(comparison: Comparison, settings: RetrainingSettings) -> str:
    """Return why a child is not to be promoted; empty if it beats its parent by more than noise."""
    low, high, gain = comparison.gain_low, comparison.gain_high, comparison.gain
    if low is None or high is None or (comparison.formulas or 0) < settings.least_held_out:
        return (
            f"there are {comparison.formulas} held-out formulas to compare on; "
            f"{max(2, settings.least_held_out)} are needed"
        )
    if low > 0.0:
        return ""
    word = "it is worse" if high < 0.0 else "the gain is within noise"
    return (
        f"{word}: {comparison.loss} falls by {gain:.4g}, between {low:.4g} and {high:.4g}, "
        f"on {comparison.formulas} formulas"
    )
