"""Distances and volumes of a crystal, measured against what its elements usually take."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from ase.data import covalent_radii
from numpy.typing import NDArray
from pymatgen.core import Structure
from pymatgen.optimization.neighbors import find_points_in_spheres

from invdesflow.errors import StructureError

__all__ = ["Contact", "closest_contact", "neighbours", "usual_volume", "volume_per_atom", "volume_ratio"]

MAX_IMAGES = 200_000
"""Periodic images that a search may visit; a sound cell of 1000 atoms needs a tenth, a degenerate one gigabytes."""
DENSEST_PACKING = 2 ** (1 / 6)
"""Nearest-neighbour distance of the densest packing of spheres at one atom per unit volume: no crystal has more."""


@dataclass(frozen=True)
class Contact:
    """The closest pair of atoms, measured by the sum of the covalent radii.

    Attributes
    ----------
    ratio
        Distance over the sum of the covalent radii of the two elements.
    distance
        Distance in Angstrom.
    elements
        Symbols of the two elements, in alphabetical order.
    """

    ratio: float
    distance: float
    elements: tuple[str, str]


def neighbours(
    lattice: NDArray[np.float64], positions: NDArray[np.float64], radius: float
) -> tuple[NDArray[np.int_], NDArray[np.int_], NDArray[np.float64]]:
    """List all pairs of atoms of a periodic crystal within a distance.

    Parameters
    ----------
    lattice
        Rows are the cell vectors in Angstrom; shape (3, 3).
    positions
        Cartesian positions in Angstrom; shape (n_atoms, 3).
    radius
        Largest distance in Angstrom.

    Returns
    -------
    tuple
        Index of the centre, index of the neighbour, distance in Angstrom; each of shape (n_pairs,). An atom is not its
        own neighbour, its images are.

    Raises
    ------
    StructureError
        If the cell is so flat or so small that the search would not end in reasonable memory.
    """
    try:
        inverse = np.linalg.inv(lattice)
    except np.linalg.LinAlgError:
        inverse = np.full((3, 3), np.inf)
    images = len(positions) * np.prod(2 * radius * np.linalg.norm(inverse, axis=0) + 1)
    if not images < MAX_IMAGES:
        raise StructureError("The cell of the structure is degenerate.", "Check its lattice vectors.")
    # The search reserves memory for the box that holds all positions: none may be many cells away.
    near = np.ascontiguousarray(positions - np.trunc(positions @ inverse) @ lattice, dtype=float)
    centres, points, shifts, distances = find_points_in_spheres(
        near,
        near,
        r=float(radius),
        pbc=np.ones(3, dtype=np.int64),
        lattice=np.ascontiguousarray(lattice, dtype=float),
    )
    other = (centres != points) | (shifts != 0).any(axis=1)
    return centres[other], points[other], distances[other]


def closest_contact(structure: Structure) -> Contact:
    """Find the pair of atoms that is closest in terms of the sum of its covalent radii.

    Parameters
    ----------
    structure
        Ordered crystal.

    Raises
    ------
    StructureError
        If the cell is degenerate.

    Notes
    -----
    Covalent radii of Cordero et al., Dalton Trans. 2832 (2008), as ASE holds them.
    """
    numbers = np.array([site.specie.Z for site in structure])
    radii = covalent_radii[numbers]
    reach = DENSEST_PACKING * volume_per_atom(structure) ** (1 / 3) * (1 + 1e-6)
    ratio = np.inf
    # Within the first reach there is a pair for certain; a second search covers pairs of larger atoms further apart.
    while True:
        centres, points, distances = neighbours(structure.lattice.matrix, structure.cart_coords, reach)
        ratios = distances / (radii[centres] + radii[points])
        closest = int(np.argmin(ratios))
        ratio = float(ratios[closest])
        needed = ratio * 2 * float(radii.max())
        if needed <= reach:
            break
        reach = needed * (1 + 1e-6)
    pair = sorted(structure[int(i)].specie.symbol for i in (centres[closest], points[closest]))
    return Contact(ratio, float(distances[closest]), (pair[0], pair[1]))


def volume_per_atom(structure: Structure) -> float:
    """Return the volume per atom in cubic Angstrom."""
    return float(structure.volume) / len(structure)


def volume_ratio(structure: Structure) -> float:
    """Return the volume of the cell over the volume that its elements usually take (dimensionless).

    Half of the crystals near the hull lie within 6 % of one, nine tenths within 17 %; far above one is empty, far
    below is compressed.

    Raises
    ------
    StructureError
        If no usual volume is known for an element.
    """
    return float(structure.volume) / sum(usual_volume(site.specie.symbol) for site in structure)


def usual_volume(symbol: str) -> float:
    """Return the volume in cubic Angstrom that an atom of an element takes in crystals at ambient pressure.

    Fitted on the Materials Project (CC BY 4.0) by ``benchmarks/atomic_volumes.py``.

    Raises
    ------
    StructureError
        If too few crystals of the element were there to fit it.
    """
    try:
        return _usual_volumes()[symbol]
    except KeyError:
        raise StructureError(f"No usual atomic volume is known for {symbol}.", "Exclude the element.") from None


@cache
def _usual_volumes() -> dict[str, float]:
    table = json.loads(files("invdesflow.crystals").joinpath("atomic_volumes.json").read_text(encoding="utf-8"))
    return {"D": table["volumes"]["H"], **table["volumes"]}
