"""Rediscovery: how often known crystals are found again when their composition is asked for."""

from collections.abc import Iterable, Sequence
from functools import cache
from statistics import fmean

from pydantic import Field
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure

from invdesflow.generation.evaluation.shares import Metrics, Share
from invdesflow.generation.evaluation.validity import structurally_valid

__all__ = ["Rediscovery", "assess_rediscovery", "normalised_rmse"]


class Rediscovery(Metrics):
    """How many targets were found again, and how well."""

    match_rate: Share = Field(description="targets that at least one of their samples matches")
    samples: int = Field(ge=0, description="most samples of one target; the best match counts")
    mean_normalised_rmse: float | None = Field(
        description="over the matched targets, in units of the cube root of the volume per atom; None without a match"
    )


def normalised_rmse(sample: Structure, target: Structure) -> float | None:
    """Return the distance of a sample from its target, or None if it does not match.

    Parameters
    ----------
    sample
        Generated crystal.
    target
        Crystal that was to be found.

    Returns
    -------
    float or None
        Root mean square displacement of the atoms over the cube root of the volume per atom (dimensionless).

    Notes
    -----
    pymatgen's StructureMatcher with sites 0.5, angles 10 degrees, lengths 0.3, as Xie et al., ICLR 2022 (CDVAE), and
    Jiao et al., NeurIPS 2023 (DiffCSP), use it. A sample with overlapping atoms matches nothing.
    """
    if not structurally_valid(sample):
        return None
    distances = _matcher().get_rms_dist(sample, target)
    return None if distances is None else float(distances[0])


def assess_rediscovery(pairs: Iterable[tuple[Structure, Sequence[Structure]]]) -> Rediscovery:
    """Compare every target with its samples.

    Parameters
    ----------
    pairs
        A target and what was generated for its composition; a progress bar around them shows how far we are.
    """
    best: list[float | None] = []
    samples = 0
    for target, drawn in pairs:
        samples = max(samples, len(drawn))
        found = [distance for sample in drawn if (distance := normalised_rmse(sample, target)) is not None]
        best.append(min(found, default=None))
    matched = [distance for distance in best if distance is not None]
    return Rediscovery(
        match_rate=Share(count=len(matched), total=len(best)),
        samples=samples,
        mean_normalised_rmse=fmean(matched) if matched else None,
    )


@cache
def _matcher() -> StructureMatcher:
    return StructureMatcher(stol=0.5, angle_tol=10, ltol=0.3)
