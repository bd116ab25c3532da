"""Drawn crystals as proposals of a campaign."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from pymatgen.core import Structure

from invdesflow.crystals.identity import candidate_id
from invdesflow.errors import StructureError
from invdesflow.generation.diffusion.encoding import decode
from invdesflow.generation.diffusion.orbits import OrbitCrystal
from invdesflow.generation.diffusion.sampling import Sampler

__all__ = ["DrawnCrystal", "draw_crystals"]


@dataclass(frozen=True, eq=False)
class DrawnCrystal:
    """A crystal that the generator drew.

    Attributes
    ----------
    index
        Position in the sequence of the sampler.
    candidate_id
        Identifier of the crystal.
    structure
        The crystal in its primitive cell.
    orbits
        The same as Wyckoff orbits.
    """

    index: int
    candidate_id: str
    structure: Structure
    orbits: OrbitCrystal

    @property
    def intended_space_group(self) -> int:
        """Number of the space group that the crystal was drawn in."""
        return self.orbits.template.space_group


def draw_crystals(sampler: Sampler, seed: int, most: int) -> Iterator[DrawnCrystal]:
    """Yield crystals.

    Parameters
    ----------
    sampler
        What draws.
    seed
        Seed of its sequence.
    most
        Drawings after which it ends, whatever came of them.

    Notes
    -----
    Drawings that did not stay finite, and those whose atoms lie on top of each other so that no symmetry and hence no
    identifier exists, are passed over; their places in the sequence stay empty, so that `index` counts them.
    """
    for index, orbits in enumerate(islice(sampler.draw(seed), most)):
        if orbits is None:
            continue
        structure = decode(orbits)
        try:
            identifier = candidate_id(structure)
        except StructureError:
            continue
        yield DrawnCrystal(index, identifier, structure, orbits)
