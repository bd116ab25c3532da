"""Coverage of a test set by generated crystals, in structure and composition."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.spatial.distance import cdist

from invdesflow.errors import CampaignError
from invdesflow.generation.evaluation.composition_scale import load_scale
from invdesflow.generation.evaluation.fingerprints import Fingerprints
from invdesflow.generation.evaluation.shares import Metrics, Share

__all__ = ["THRESHOLDS", "Coverage", "Thresholds", "coverage"]

FloatArray = NDArray[np.float64]

CHUNK = 500
"""Rows of a distance matrix that are held at once."""


@dataclass(frozen=True)
class Thresholds:
    """Distances below which two crystals count as alike.

    Attributes
    ----------
    structure
        Euclidean distance of the structure fingerprints.
    composition
        Euclidean distance of the standardised composition fingerprints.
    """

    structure: float
    composition: float


THRESHOLDS = {
    "perov_5": Thresholds(0.2, 4.0),
    "carbon_24": Thresholds(0.2, 4.0),
    "mp_20": Thresholds(0.4, 10.0),
}
"""By benchmark, as in the published evaluation of CDVAE and DiffCSP."""


class Coverage(Metrics):
    """How much of each set has something alike in the other."""

    recall: Share = Field(description="crystals of the test set that a generated one is like (COV-R)")
    precision: Share = Field(description="generated crystals that one of the test set is like (COV-P)")
    mean_structure_distance_recall: float = Field(description="mean distance to the nearest, from the test set")
    mean_structure_distance_precision: float = Field(description="mean distance to the nearest, from the generated")
    mean_composition_distance_recall: float
    mean_composition_distance_precision: float


def coverage(generated: Fingerprints, reference: Fingerprints, thresholds: Thresholds) -> Coverage:
    """Compare generated crystals with a test set.

    Parameters
    ----------
    generated
        Fingerprints of the generated crystals; one that could not be made counts against the precision.
    reference
        Fingerprints of the test set; those that could not be made are left out.
    thresholds
        What counts as alike.

    Raises
    ------
    CampaignError
        If there is no complete fingerprint in one of the sets.

    Notes
    -----
    Xie et al., ICLR 2022 (CDVAE), after Xu et al. (2021) and Ganea et al. (2021). As published, the nearest structure
    and the nearest composition may be two crystals. Compositions are measured in standard deviations over the
    Materials Project (`invdesflow.generation.evaluation.composition_scale`).
    """
    drawn, known = generated.rows(generated.complete), reference.rows(reference.complete)
    if not len(drawn) or not len(known):
        raise CampaignError("There are no fingerprints to compare.", "Generate more, or give a test set.")
    structure = _nearest(drawn.structure, known.structure)
    scale = load_scale()
    composition = _nearest(drawn.composition / scale, known.composition / scale)
    alike = [
        (near <= thresholds.structure) & (close <= thresholds.composition)
        for near, close in zip(structure, composition, strict=True)
    ]
    return Coverage(
        precision=Share(count=int(alike[0].sum()), total=len(generated)),
        recall=Share.of(alike[1]),
        mean_structure_distance_precision=float(structure[0].mean()),
        mean_structure_distance_recall=float(structure[1].mean()),
        mean_composition_distance_precision=float(composition[0].mean()),
        mean_composition_distance_recall=float(composition[1].mean()),
    )


def _nearest(first: FloatArray, second: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the distance to the nearest row of the other set, for each row of both."""
    to_second = np.empty(len(first))
    to_first = np.full(len(second), np.inf)
    for start in range(0, len(first), CHUNK):
        distances = cdist(first[start : start + CHUNK], second)
        to_second[start : start + CHUNK] = distances.min(axis=1)
        np.minimum(to_first, distances.min(axis=0), out=to_first)
    return to_second, to_first
