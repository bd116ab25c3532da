"""What a strategy is worth, measured on crystals whose Tc is known: hide the labels, reveal what is chosen."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from invdesflow.errors import LearningError
from invdesflow.learning.acquisition import AcquisitionSettings, choose
from invdesflow.learning.labelled_sets import LabelledSet
from invdesflow.learning.pool import Pool
from invdesflow.learning.surrogate import SurrogateSettings, TreeSurrogate

__all__ = ["ReplayResult", "ReplaySettings", "calculations_for_share", "replay"]


class ReplaySettings(BaseModel):
    """One replay but for its strategy."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    threshold_k: float = Field(15.0, ge=0, description="a crystal with a Tc above it counts as found")
    initial: int = Field(50, ge=1, description="random calculations before the first choice")
    budget: int | None = Field(None, ge=1, description="largest number of calculations; by default all")
    surrogate: SurrogateSettings = SurrogateSettings()

    @model_validator(mode="after")
    def _budget_covers_start(self) -> Self:
        if self.budget is not None and self.budget < self.initial:
            raise ValueError("the budget is smaller than the initial set")
        return self


@dataclass(frozen=True, eq=False)
class ReplayResult:
    """What one strategy found with one seed.

    Parameters
    ----------
    strategy
        Its name.
    seed
        Of the initial set, of the surrogate and of random choices.
    order
        Rows of the labelled set in the order in which they were calculated.
    calculations
        Calculations spent after the initial set and after each round, shape (rounds + 1,).
    found
        Crystals above the threshold among them, shape (rounds + 1,).
    positives
        Crystals above the threshold in the whole set.
    """

    strategy: str
    seed: int
    order: tuple[int, ...]
    calculations: NDArray[np.intp]
    found: NDArray[np.intp]
    positives: int


def replay(
    data: LabelledSet,
    settings: ReplaySettings,
    acquisition: AcquisitionSettings,
    seed: int,
    *,
    strategy: str | None = None,
    report: Callable[[int], object] = lambda _: None,
) -> ReplayResult:
    """Search a labelled set as if nobody knew its labels.

    A random set comes first, the same for every strategy of one seed. Then, round by round, a committee of trees is
    fitted to what was revealed, predicts the rest, and a batch of it is chosen and revealed. Every crystal of the set
    is stable and every calculation costs 1.

    Parameters
    ----------
    data
        Crystals with their Tc.
    settings
        Threshold, start, budget and surrogate.
    acquisition
        Strategy and size of a batch; its seed is replaced.
    seed
        Of everything random.
    strategy
        Name of the result; by default that of the strategy.
    report
        Is told the number of calculations after every round.

    Raises
    ------
    LearningError
        If no Tc is above the threshold, or the set is not larger than the initial one.
    """
    positive = data.tc_k > settings.threshold_k
    if not positive.any() or len(data) <= settings.initial:
        raise LearningError(
            f"of {len(data)} crystals {positive.sum()} are above {settings.threshold_k:g} K: nothing to search for.",
            "Use a larger set, a lower threshold or a smaller initial set.",
        )
    order = np.random.default_rng(seed).permutation(len(data))[: settings.initial].tolist()
    spent = [len(order)]
    budget = min(settings.budget or len(data), len(data))
    while len(order) < budget:
        batch = acquisition.model_copy(
            update={"batch": min(acquisition.batch, budget - len(order)), "seed": seed + len(order)}
        )
        revealed = _Revealed(order, data.tc_k[order])
        order += _choose_rows(data.names, data.features, revealed, settings.surrogate, batch)
        spent.append(len(order))
        report(len(order))
    found = np.cumsum(positive[order])[np.array(spent) - 1]
    name = acquisition.strategy if strategy is None else strategy
    return ReplayResult(name, seed, tuple(order), np.array(spent), found, int(positive.sum()))


@dataclass(frozen=True, eq=False)
class _Revealed:
    """All that a strategy may know of the labels: rows, and Tc (K) of these rows."""

    rows: list[int]
    tc_k: NDArray[np.float64]


def _choose_rows(
    names: tuple[str, ...],
    features: NDArray[np.float64],
    revealed: _Revealed,
    surrogate: SurrogateSettings,
    acquisition: AcquisitionSettings,
) -> list[int]:
    """Choose rows that were not revealed; of the labels only those that were revealed come in here."""
    hidden = np.setdiff1d(np.arange(len(names)), revealed.rows)
    if acquisition.strategy == "random":
        committee = np.zeros((len(hidden), 1))  # the control looks at no prediction: none is made
    else:
        model = TreeSurrogate.fit(features[revealed.rows], revealed.tc_k, surrogate, acquisition.seed)
        committee = model.predict(features[hidden])
    ones = np.ones(len(hidden))
    pool = Pool(
        names=tuple(names[row] for row in hidden),
        tc_mean_k=committee.mean(axis=1),
        tc_std_k=committee.std(axis=1),
        p_stable=ones,
        cost_core_hours=ones,
        features=features[hidden],
        committee=committee,
    )
    return [int(hidden[choice.index]) for choice in choose(pool, acquisition, float(revealed.tc_k.max()))]


def calculations_for_share(result: ReplayResult, share: float) -> int | None:
    """Return how many calculations were spent when a share of the positives had been found.

    A round counts whole, because its calculations run at the same time.

    Parameters
    ----------
    result
        A replay.
    share
        Of the positives, above 0 and at most 1.

    Returns
    -------
    int or None
        None where the budget did not suffice.

    Raises
    ------
    LearningError
        If `share` is no share.
    """
    if not 0 < share <= 1:
        raise LearningError(f"{share} is no share of the positives.", "Give a number above 0 and at most 1.")
    enough = np.flatnonzero(result.found >= share * result.positives)
    return int(result.calculations[enough[0]]) if len(enough) else None
