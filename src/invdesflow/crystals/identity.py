"""When are two crystals the same candidate: an isometry-invariant fingerprint and the identifier made of it."""

from typing import Any

import numpy as np
from pymatgen.core import Structure

from invdesflow.crystals.geometry import neighbours
from invdesflow.crystals.symmetry import Symmetry, symmetry_of
from invdesflow.database.documents import content_hash

__all__ = ["candidate_id", "enantiomorphs", "fingerprint", "pair_distances"]

RADIUS_STEP = 0.01
"""Resolution in Angstrom of the cube root of the volume per atom."""
DISTANCE_STEP = 0.005
"""Resolution of the pair distances, in units of the cube root of the volume per atom."""
SOFTNESS = 0.3
"""Decay length of the soft minimum, in the same units: the nearest shell dominates, the next two still count."""
CUTOFF = 4.0
"""Range of the soft minimum, in the same units; its weight goes to zero smoothly there, so that no shell is cut."""
FLOOR = 1e-5
"""Weight added to every soft minimum, so that a pair beyond the range has a finite distance."""
OFFSET = 0.618033988749895
"""Shift of the bins, so that the round numbers that people type do not lie on a boundary."""

_ENANTIOMORPHS = {78: 76, 95: 91, 96: 92, 145: 144, 153: 151, 154: 152} | {
    170: 169,
    172: 171,
    179: 178,
    181: 180,
    213: 212,
}
"""The mirror image's space group, to the lower number: hands do not make a different candidate."""


def enantiomorphs(number: int) -> tuple[int, ...]:
    """Return the numbers of a space group and of its mirror image, the lower first; one where they are the same."""
    lower = _ENANTIOMORPHS.get(number, number)
    return (lower, *(higher for higher, other in _ENANTIOMORPHS.items() if other == lower))


def fingerprint(structure: Structure) -> dict[str, Any]:
    """Describe a crystal by what does not depend on how it is written down.

    The description does not change under rotation, reflection, shift of the origin, order of the atoms and choice of
    the cell. It holds the space group (the lower number of an enantiomorphic pair), the crystallographic orbits, and,
    on a grid, the cube root of the volume per atom and one distance for every ordered pair of elements: the soft
    minimum ``-s ln(sum_j exp(-d_ij / s) f(d_ij))`` over the neighbours j of one element, averaged over the atoms i of
    the other. A distance from this mean moves no further than the atoms do, so that noise of 1e-6 A crosses a bin
    boundary in fewer than one crystal of a thousand.

    Parameters
    ----------
    structure
        Ordered crystal in any cell.

    Returns
    -------
    dict
        ``space_group``; ``orbits``: sorted ``[Z, atoms per primitive cell]``; ``radius``: bin of width 0.01 A;
        ``distances``: ``[Z_i, Z_j, bin]`` with bins 0.005 radii wide.

    Raises
    ------
    StructureError
        If the structure is disordered or its symmetry cannot be found (atoms on top of each other).

    Notes
    -----
    A reduced form of the pointwise distance distribution (Widdowson & Kurlin, NeurIPS 2022, "Resolving the data
    ambiguity for periodic crystals"): averaged by element and smooth at the cut, because a bin of every single
    distance would make the identifier depend on the last digits of the coordinates.
    """
    symmetry = symmetry_of(structure)
    atoms = symmetry.primitive_atoms
    numbers = np.array([structure[int(atom)].specie.Z for atom in atoms])
    radius = (abs(np.linalg.det(symmetry.primitive_lattice)) / len(atoms)) ** (1 / 3)
    _, first, counts = np.unique(symmetry.orbits[atoms], return_index=True, return_counts=True)
    distances = _pair_distances(structure, symmetry)
    return {
        "space_group": enantiomorphs(symmetry.number)[0],
        "orbits": sorted([int(number), int(count)] for number, count in zip(numbers[first], counts, strict=True)),
        "radius": _bin(radius / RADIUS_STEP),
        "distances": [[*pair, _bin(distance / DISTANCE_STEP)] for pair, distance in distances.items()],
    }


def candidate_id(structure: Structure) -> str:
    """Return the identifier of a crystal: equal for equal fingerprints.

    Raises
    ------
    StructureError
        As `fingerprint`.
    """
    return content_hash("cand", fingerprint(structure))


def pair_distances(structure: Structure) -> dict[tuple[int, int], float]:
    """Return the soft minimum distance of `fingerprint` for every ordered pair of elements.

    Parameters
    ----------
    structure
        Ordered crystal in any cell.

    Returns
    -------
    dict
        (Z_i, Z_j) -> distance in units of the cube root of the volume per atom.

    Raises
    ------
    StructureError
        As `fingerprint`.
    """
    return _pair_distances(structure, symmetry_of(structure))


def _pair_distances(structure: Structure, symmetry: Symmetry) -> dict[tuple[int, int], float]:
    atoms = symmetry.primitive_atoms
    lattice = np.ascontiguousarray(symmetry.primitive_lattice)
    positions = np.ascontiguousarray(structure.cart_coords[atoms], dtype=float)
    numbers = np.array([structure[int(atom)].specie.Z for atom in atoms])
    radius = (abs(np.linalg.det(lattice)) / len(atoms)) ** (1 / 3)
    centres, points, distances = neighbours(lattice, positions, CUTOFF * radius)
    reduced = distances / radius
    weights = np.exp(-reduced / SOFTNESS) * (1 - (reduced / CUTOFF) ** 2) ** 2
    elements, kinds = np.unique(numbers, return_inverse=True)
    sums = np.zeros((len(numbers), len(elements)))
    np.add.at(sums, (centres, kinds[points]), weights)
    soft_minima = -SOFTNESS * np.log(sums + FLOOR)
    return {
        (int(elements[i]), int(elements[j])): float(soft_minima[kinds == i, j].mean())
        for i in range(len(elements))
        for j in range(len(elements))
    }


def _bin(value: float) -> int:
    return int(np.floor(value + OFFSET))
