"""Every strategy against random on one labelled set, over seeds."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from invdesflow.errors import LearningError
from invdesflow.learning.acquisition import AcquisitionSettings
from invdesflow.learning.bias import bias_log
from invdesflow.learning.labelled_sets import LabelledSet
from invdesflow.learning.replay import ReplayResult, ReplaySettings, calculations_for_share, replay

__all__ = ["CONTROL", "ReplayStudy", "StudyRow", "bias_table", "replay_study", "standard_strategies", "study_table"]

CONTROL = "random"
"""Name of the strategy that all others are compared with."""
_NAMED = 6
"""Over-represented names that a table shows."""


def standard_strategies(threshold_k: float, batch: int = 20) -> dict[str, AcquisitionSettings]:
    """Return what the benchmark compares, by name.

    Parameters
    ----------
    threshold_k
        Tc (K) above which a crystal counts as found: one strategy tries to exceed it rather than the best so far.
    batch
        Calculations of a round.
    """
    improvement = AcquisitionSettings(strategy="expected_improvement", batch=batch)
    bound = AcquisitionSettings(strategy="upper_confidence_bound", batch=batch)
    return {
        CONTROL: AcquisitionSettings(strategy="random", batch=batch),
        "expected improvement": improvement,
        f"expected improvement over {threshold_k:g} K": improvement.model_copy(update={"target_tc_k": threshold_k}),
        "upper confidence bound": bound,
        "upper confidence bound, farthest points": bound.model_copy(update={"diversity": "farthest_point"}),
        "upper confidence bound, determinantal": bound.model_copy(update={"diversity": "determinantal"}),
        "committee": AcquisitionSettings(strategy="committee", batch=batch),
        "expected model change": AcquisitionSettings(strategy="expected_model_change", batch=batch),
    }


@dataclass(frozen=True)
class StudyRow:
    """One strategy in numbers.

    Parameters
    ----------
    strategy
        Its name.
    calculations
        Calculations spent when the share of the positives was found, one for each seed; None where the budget did not
        suffice.
    ratios
        Calculations of random over those of the strategy, with the same seed; None where either is.
    """

    strategy: str
    calculations: tuple[int | None, ...]
    ratios: tuple[float | None, ...]


@dataclass(frozen=True)
class ReplayStudy:
    """Replays of several strategies.

    Parameters
    ----------
    crystals, positives
        Size of the labelled set, and how many of them have a Tc above the threshold.
    settings
        What all replays share.
    results
        Name of the strategy -> one result for each seed.
    """

    crystals: int
    positives: int
    settings: ReplaySettings
    results: Mapping[str, Sequence[ReplayResult]]

    def rows(self, share: float) -> list[StudyRow]:
        """Compare the strategies at the point where a share of the positives was found."""
        spent = {
            name: tuple(calculations_for_share(result, share) for result in results)
            for name, results in self.results.items()
        }
        return [StudyRow(name, own, _ratios(spent[CONTROL], own)) for name, own in spent.items()]


def replay_study(
    data: LabelledSet,
    settings: ReplaySettings,
    strategies: Mapping[str, AcquisitionSettings],
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    report: Callable[[str, int, int], object] = lambda *_: None,
) -> ReplayStudy:
    """Replay every strategy with every seed.

    Parameters
    ----------
    data
        Crystals with their Tc.
    settings
        Threshold, start, budget and surrogate. The budget does not bind the random control, which costs nothing.
    strategies
        Name -> how it chooses. `CONTROL` must be among them and be random.
    seeds
        One replay each; strategies of the same seed begin with the same crystals.
    report
        Is told strategy, seed and number of calculations after every round.

    Raises
    ------
    LearningError
        If the control or seeds are missing, or the set has nothing to search for.
    """
    if CONTROL not in strategies or strategies[CONTROL].strategy != "random" or not seeds:
        raise LearningError(f"a study needs the control {CONTROL!r} and at least one seed.")
    results: dict[str, list[ReplayResult]] = {}
    for name, acquisition in strategies.items():
        own = settings.model_copy(update={"budget": None}) if acquisition.strategy == "random" else settings
        results[name] = [
            replay(
                data,
                own,
                acquisition,
                seed,
                strategy=name,
                report=lambda spent, name=name, seed=seed: report(name, seed, spent),  # type: ignore[misc]
            )
            for seed in seeds
        ]
    return ReplayStudy(len(data), results[CONTROL][0].positives, settings, results)


def study_table(study: ReplayStudy, share: float = 0.5) -> str:
    """Write the comparison as a Markdown table: median over the seeds, range in brackets."""
    beyond = f"over {study.settings.budget}"
    lines = [
        f"| strategy | calculations for {share:.0%} of {study.positives} | fewer than random by a factor of |",
        "| --- | --- | --- |",
    ]
    for row in study.rows(share):
        calculations = [math.inf if value is None else float(value) for value in row.calculations]
        ratios = [-math.inf if value is None else value for value in row.ratios]
        lines.append(f"| {row.strategy} | {_summary(calculations, 0, beyond)} | {_summary(ratios, 1, 'unknown')} |")
    return "\n".join(lines)


def bias_table(study: ReplayStudy, data: LabelledSet) -> str:
    """Write as a Markdown table where each strategy drifted to in its first seed, from the initial set to the budget.

    The first row is where a search that knew all labels would go: it tells drift from what there is to be found.

    Parameters
    ----------
    study
        Replays of the strategies.
    data
        The set that they searched.
    """
    searched = slice(study.settings.initial, study.settings.budget)
    threshold = study.settings.threshold_k
    rows = {f"all above {threshold:g} K": np.flatnonzero(data.tc_k > threshold).tolist()}
    rows |= {name: list(results[0].order[searched]) for name, results in study.results.items()}
    lines = [
        "| crystals | divergence of the elements (bit; by chance) | more often than chance explains |",
        "| --- | --- | --- |",
    ]
    for name, chosen in rows.items():
        log = bias_log(data.kinds, chosen)
        named = ", ".join(log.over_represented[:_NAMED]) + ", ..." * (len(log.over_represented) > _NAMED)
        divergence = f"{log.element_divergence:.3f} ({log.element_divergence_by_chance:.3f})"
        lines.append(f"| {name} | {divergence} | {named or 'nothing'} |")
    return "\n".join(lines)


def _ratios(control: Sequence[int | None], own: Sequence[int | None]) -> tuple[float | None, ...]:
    return tuple(a / b if a is not None and b is not None else None for a, b in zip(control, own, strict=True))


def _summary(values: Sequence[float], digits: int, otherwise: str) -> str:
    """Write median and range; infinite ones are not known."""
    median, low, high = (
        f"{value:.{digits}f}" if math.isfinite(value) else otherwise
        for value in (statistics.median_low(values), min(values), max(values))
    )
    return median if low == high else f"{median} ({low} to {high})"
