"""The published protocol of perov_5, carbon_24 and mp_20 in one call."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import Field
from pymatgen.core import Structure

from invdesflow.errors import CampaignError
from invdesflow.generation.evaluation.coverage import THRESHOLDS, Coverage, coverage
from invdesflow.generation.evaluation.distributions import Distances, distribution_distances
from invdesflow.generation.evaluation.fingerprints import fingerprints
from invdesflow.generation.evaluation.shares import Metrics
from invdesflow.generation.evaluation.validity import (
    Validity,
    assess_validity,
    compositionally_valid,
    structurally_valid,
)
from invdesflow.progress import track

__all__ = ["BenchmarkResult", "evaluate_benchmark"]

VALID_SAMPLES = 1000
"""Valid crystals whose distributions are compared, as published."""


class BenchmarkResult(Metrics):
    """Everything that is published of a benchmark."""

    benchmark: str
    generated: int = Field(description="crystals that were generated")
    fingerprinted: int = Field(description="generated crystals that the coverage is computed with")
    seed: int = Field(description="seed of the choice of the valid ones, and of the fingerprinted ones")
    validity: Validity
    coverage: Coverage
    distances: Distances


def evaluate_benchmark(
    benchmark: str,
    generated: Sequence[Structure],
    reference: Sequence[Structure],
    *,
    seed: int = 0,
    valid_samples: int = VALID_SAMPLES,
    fingerprinted: int | None = None,
    cache_folder: Path | None = None,
    processes: int = 1,
) -> BenchmarkResult:
    """Evaluate generated crystals as published for a benchmark.

    Parameters
    ----------
    benchmark
        ``perov_5``, ``carbon_24`` or ``mp_20``.
    generated
        All generated crystals, valid or not; 10,000 as published.
    reference
        The test set.
    seed
        Seed of the random choices.
    valid_samples
        Valid crystals whose density and number of elements are compared; all valid ones if there are fewer.
    fingerprinted
        Generated crystals, drawn at random, that the coverage is computed with; None takes all, as published. Fewer
        can only lower the recall.
    cache_folder
        Where the fingerprints are kept, see `invdesflow.generation.evaluation.fingerprints.fingerprints`.
    processes
        Worker processes that make the fingerprints.

    Raises
    ------
    CampaignError
        If the benchmark is unknown, or there are no crystals or no valid ones.
    ConfigurationError
        If SMACT is not installed.
    """
    if benchmark not in THRESHOLDS:
        raise CampaignError(f"There is no benchmark {benchmark!r}.", f"Take one of {', '.join(THRESHOLDS)}.")
    rng = np.random.default_rng(seed)
    valid = [structure for structure in generated if _valid(structure)]
    compared = _drawn(valid, valid_samples, rng)
    chosen = _drawn(generated, len(generated) if fingerprinted is None else fingerprinted, rng)
    known = fingerprints(reference, cache_folder, processes=processes, description="test set")
    drawn = fingerprints(chosen, cache_folder, processes=processes)
    return BenchmarkResult(
        benchmark=benchmark,
        generated=len(generated),
        fingerprinted=len(chosen),
        seed=seed,
        validity=assess_validity(track(generated, "validity", len(generated))),
        coverage=coverage(drawn, known, THRESHOLDS[benchmark]),
        distances=distribution_distances(compared, reference),
    )


def _valid(structure: Structure) -> bool:
    return structurally_valid(structure) and compositionally_valid(structure.composition.reduced_formula)


def _drawn(structures: Sequence[Structure], most: int, rng: np.random.Generator) -> Sequence[Structure]:
    if len(structures) <= most:
        return structures
    return [structures[int(index)] for index in np.sort(rng.choice(len(structures), most, replace=False))]
