"""Candidates to choose from: what the models say of each."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from invdesflow.errors import LearningError

__all__ = ["Pool"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pool:
    """Candidates with their predictions, one row each.

    Parameters
    ----------
    names
        Identifiers, each once.
    tc_mean_k, tc_std_k
        Predicted Tc and the standard deviation of the prediction, K, shape (candidates,).
    p_stable
        Probability that the calculation ends with a Tc: of stability, and of a superconductor, shape (candidates,).
    cost_core_hours
        Estimated cost of the calculation, core-hours, shape (candidates,).
    features
        Numbers in which candidates can be near or far, any scale, shape (candidates, features).
    committee
        Tc by each member of a committee, K, shape (candidates, members); None where the model is not one.

    Raises
    ------
    LearningError
        If there is no candidate, a name occurs twice, shapes differ, or a number is not finite or out of its range.
    """

    names: tuple[str, ...]
    tc_mean_k: FloatArray
    tc_std_k: FloatArray
    p_stable: FloatArray
    cost_core_hours: FloatArray
    features: FloatArray
    committee: FloatArray | None = None

    def __post_init__(self) -> None:
        if not self.names:
            raise LearningError("there is no candidate to choose from.", "Generate more, or widen the gates.")
        if len(set(self.names)) < len(self.names):
            raise LearningError("a candidate is twice in the pool.", "Give every candidate once.")
        for name, dimensions in _DIMENSIONS.items():
            self._refuse_malformed(name, dimensions)
        for name, (valid, range_) in _RANGES.items():
            self._refuse(name, valid(getattr(self, name)), f"is not {range_}")

    def __len__(self) -> int:
        return len(self.names)

    def _refuse_malformed(self, name: str, dimensions: int) -> None:
        values = getattr(self, name)
        if values is None and name == "committee":
            return
        if values.ndim != dimensions or len(values) != len(self):
            raise LearningError(
                f"{name} of the pool has the shape {values.shape} for {len(self)} candidates.",
                f"It needs {dimensions} dimension{'s' * (dimensions > 1)}, and a row for each candidate.",
            )
        self._refuse(name, np.isfinite(values).reshape(len(self), -1).all(axis=1), "is not finite")

    def _refuse(self, name: str, valid: NDArray[np.bool_], problem: str) -> None:
        if not valid.all():
            first = self.names[int(np.argmin(valid))]
            raise LearningError(
                f"{name} {problem} for {np.count_nonzero(~valid)} of {len(self)} candidates, the first is {first}.",
                "Leave out what has no prediction.",
            )


_DIMENSIONS: dict[str, int] = {
    "tc_mean_k": 1,
    "tc_std_k": 1,
    "p_stable": 1,
    "cost_core_hours": 1,
    "features": 2,
    "committee": 2,
}
_RANGES: dict[str, tuple[Callable[[FloatArray], NDArray[np.bool_]], str]] = {
    "tc_mean_k": (lambda values: values >= 0, "at least 0 K"),
    "tc_std_k": (lambda values: values >= 0, "at least 0 K"),
    "p_stable": (lambda values: (values >= 0) & (values <= 1), "a probability"),
    "cost_core_hours": (lambda values: values > 0, "above 0 core-hours"),
}
