"""How far the density and the number of elements of generated crystals are from those of a test set."""

from collections.abc import Sequence

from pydantic import Field
from pymatgen.core import Structure
from scipy.stats import wasserstein_distance

from invdesflow.errors import CampaignError
from invdesflow.generation.evaluation.shares import Metrics

__all__ = ["Distances", "distribution_distances"]


class Distances(Metrics):
    """Wasserstein distances between two sets of crystals; 0 for equal distributions."""

    density_g_per_cm3: float = Field(ge=0, description="of the mass densities (g/cm^3)")
    elements: float = Field(ge=0, description="of the numbers of different elements")
    generated: int = Field(ge=1, description="crystals compared")
    reference: int = Field(ge=1, description="crystals that they are compared with")


def distribution_distances(generated: Sequence[Structure], reference: Sequence[Structure]) -> Distances:
    """Compare two sets of crystals.

    Parameters
    ----------
    generated
        Valid generated crystals.
    reference
        Crystals of the test set.

    Raises
    ------
    CampaignError
        If one of the sets is empty.

    Notes
    -----
    Xie et al., ICLR 2022 (CDVAE), who take 1,000 valid ones of 10,000 generated crystals.
    """
    if not generated or not reference:
        raise CampaignError("There are no crystals to compare.", "Generate more, or give a test set.")
    densities = [[float(structure.density) for structure in part] for part in (generated, reference)]
    elements = [[len(structure.composition.elements) for structure in part] for part in (generated, reference)]
    return Distances(
        density_g_per_cm3=float(wasserstein_distance(*densities)),
        elements=float(wasserstein_distance(*elements)),
        generated=len(generated),
        reference=len(reference),
    )
