"""Which candidates to calculate next: one interface to all strategies."""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from invdesflow.errors import LearningError
from invdesflow.learning.diversity import determinantal, farthest_points, similarity, standardise
from invdesflow.learning.pool import Pool
from invdesflow.learning.utilities import (
    log_committee_spread,
    log_expected_gradient,
    log_expected_improvement,
    log_of,
    log_upper_confidence_bound,
)

__all__ = ["AcquisitionSettings", "Choice", "Diversity", "Strategy", "choose"]

Strategy = Literal["expected_improvement", "upper_confidence_bound", "committee", "expected_model_change", "random"]
Diversity = Literal["none", "farthest_point", "determinantal"]
FloatArray = NDArray[np.float64]


class AcquisitionSettings(BaseModel):
    """How a batch is chosen."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    strategy: Strategy = Field("upper_confidence_bound", description="what a calculation is worth")
    batch: int = Field(20, ge=1, description="candidates of a round; a smaller pool is taken whole")
    kappa: float = Field(1.0, ge=0, description="upper confidence bound: mean + kappa standard deviations")
    xi: float = Field(0.0, ge=0, description="expected improvement: margin (K) over the Tc to beat")
    target_tc_k: float | None = Field(
        None, ge=0, description="expected improvement: Tc (K) to beat; by default the best one known"
    )
    diversity: Diversity = Field("none", description="how the members of a batch are kept apart in feature space")
    diversity_weight: float = Field(
        1.0, gt=0, description="determinantal: what unlikeness counts against the score, as an exponent"
    )
    shortlist: int = Field(
        5, ge=1, description="with diversity, so many times the batch, by score, are those to choose from"
    )
    cost_exponent: float = Field(1.0, ge=0, description="scores are divided by core-hours to this power")
    seed: int = Field(0, ge=0, description="of the random choice")

    @model_validator(mode="after")
    def _control_is_plain(self) -> Self:
        if self.strategy == "random" and self.diversity != "none":
            raise ValueError("random is the control and takes no diversity")
        return self


@dataclass(frozen=True)
class Choice:
    """One candidate of a batch.

    Parameters
    ----------
    name, index
        Its name and its row in the pool.
    score
        Utility times probability of stability over cost^exponent; the random number where the choice was random.
    terms
        What the score is made of: ``utility`` (K; of expected model change the norm of the gradient; of the random
        choice its number), ``log_score`` where it is finite, ``tc_mean_k``, ``tc_std_k``, ``p_stable``,
        ``cost_core_hours``; with diversity ``distance`` to the nearest member chosen before, or ``variance`` left.
    rank
        Place in the batch, from 0; with diversity it is not that of the score.
    """

    name: str
    index: int
    score: float
    terms: dict[str, float]
    rank: int


def choose(pool: Pool, settings: AcquisitionSettings, best_tc_k: float) -> list[Choice]:
    """Choose a batch; the same pool, in any order, and the same settings give the same batch.

    Candidates of equal score come in the order of their names.

    Parameters
    ----------
    pool
        Candidates that were not calculated yet.
    settings
        How to choose.
    best_tc_k
        Highest Tc found so far, K; 0 where there is none.

    Returns
    -------
    list of Choice
        The first is the one to calculate first; fewer than a batch where the pool is smaller.

    Raises
    ------
    LearningError
        If the best Tc is no temperature, the strategy needs a committee of two and there is none, or diversity is
        asked for and there are no features.
    """
    if not (np.isfinite(best_tc_k) and best_tc_k >= 0):
        raise LearningError(f"the best Tc so far cannot be {best_tc_k} K.", "Give 0 where there is none.")
    order = np.argsort(np.array(pool.names), kind="stable")
    if settings.strategy == "random":
        draws = np.empty(len(pool))
        draws[order] = np.random.default_rng(settings.seed).random(len(pool))
        log_utility = log_score = log_of(draws)
    else:
        log_utility = _log_utility(pool, settings, best_tc_k)
        log_score = log_utility + log_of(pool.p_stable) - settings.cost_exponent * log_of(pool.cost_core_hours)
    ranked = order[np.argsort(-log_score[order], kind="stable")]
    picked = _pick(pool, settings, ranked, log_score)
    return [
        Choice(
            name=pool.names[index],
            index=index,
            score=float(np.exp(log_score[index])),
            terms=_terms(pool, index, float(log_utility[index]), float(log_score[index])) | apart,
            rank=rank,
        )
        for rank, (index, apart) in enumerate(picked)
    ]


def _log_utility(pool: Pool, settings: AcquisitionSettings, best_tc_k: float) -> FloatArray:
    mean, std = pool.tc_mean_k, pool.tc_std_k
    if settings.strategy == "expected_improvement":
        to_beat = best_tc_k if settings.target_tc_k is None else settings.target_tc_k
        return log_expected_improvement(mean, std, to_beat, settings.xi)
    if settings.strategy == "upper_confidence_bound":
        return log_upper_confidence_bound(mean, std, settings.kappa)
    if settings.strategy == "expected_model_change":
        return log_expected_gradient(std, standardise(pool.features))
    if pool.committee is None or pool.committee.shape[1] < 2:
        raise LearningError(
            "query by committee needs the predictions of at least two members.",
            "Screen with a model that is an ensemble, or use another strategy.",
        )
    return log_committee_spread(pool.committee)


def _pick(
    pool: Pool, settings: AcquisitionSettings, ranked: NDArray[np.intp], log_score: FloatArray
) -> list[tuple[int, dict[str, float]]]:
    """Return the rows of the batch and how far each is from those before it; `ranked` has the best score first."""
    count = min(settings.batch, len(ranked))
    if settings.diversity == "none":
        return [(int(index), {}) for index in ranked[:count]]
    if pool.features.shape[1] == 0:
        raise LearningError("diversity needs features, and the pool has none.", "Give features, or diversity 'none'.")
    listed = ranked[: settings.shortlist * count]
    points = standardise(pool.features)[listed]
    if settings.diversity == "farthest_point":
        far = farthest_points(points, count)
        return [(int(listed[k]), {"distance": gap} if np.isfinite(gap) else {}) for k, gap in far]
    unlike = determinantal(log_score[listed], similarity(points), count, settings.diversity_weight)
    return [(int(listed[k]), {"variance": left}) for k, left in unlike]


def _terms(pool: Pool, index: int, log_utility: float, log_score: float) -> dict[str, float]:
    terms = {
        "utility": float(np.exp(log_utility)),
        "tc_mean_k": float(pool.tc_mean_k[index]),
        "tc_std_k": float(pool.tc_std_k[index]),
        "p_stable": float(pool.p_stable[index]),
        "cost_core_hours": float(pool.cost_core_hours[index]),
    }
    return terms | ({"log_score": log_score} if np.isfinite(log_score) else {})
