"""A first guess of how a host widens for its guests; a relaxation follows."""

from collections.abc import Collection

import numpy as np
from ase.data import covalent_radii
from numpy.typing import NDArray
from pymatgen.core import Lattice, Structure

__all__ = ["widened"]

BOND = 1.25
"""Host atoms within so many sums of their covalent radii are bound to each other."""
STIFFNESS = 10.0
"""Weight of the host's bonds, which want to keep their length, against contacts of guests."""
FREE = 1e-3
"""Weight of no strain at all: decides what neither bond nor contact does."""
LARGEST_STRAIN = 0.3
"""What a linear guess can mean at most; also of a cell whose host atoms are not bound."""
_PAIRS = [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)]

FloatArray = NDArray[np.float64]


def widened(structure: Structure, guests: Collection[int]) -> Structure:
    """Strain a crystal so that its guests do not press on the host more than they must.

    The strain is the one that, by least squares, keeps the length of the bonds within the host and stretches every
    contact of a guest that is shorter than the sum of the covalent radii to that sum. Graphite therefore widens between
    its layers and not within them. Fractional coordinates stay; where no contact is short, so does the cell.

    Parameters
    ----------
    structure
        Host with guests.
    guests
        Indices of the guests.

    Raises
    ------
    StructureError
        If the cell is degenerate.
    """
    is_guest = np.isin(np.arange(len(structure)), list(guests))
    radii = covalent_radii[[site.specie.Z for site in structure]]
    centres, points, distances, vectors = _pairs(structure, BOND * 2 * float(radii.max()))
    sums = radii[centres] + radii[points]
    mixed = is_guest[centres] != is_guest[points]
    short = mixed & (distances < sums)
    if not short.any():
        return structure.copy()
    bonds = ~is_guest[centres] & ~is_guest[points] & (distances < BOND * sums)
    strain = _strain(vectors, distances, sums, bonds, short)
    return Structure(
        Lattice(structure.lattice.matrix @ (np.eye(3) + strain)),
        [site.specie for site in structure],
        structure.frac_coords,
    )


def _strain(
    vectors: FloatArray,
    distances: FloatArray,
    sums: FloatArray,
    bonds: NDArray[np.bool_],
    short: NDArray[np.bool_],
) -> FloatArray:
    """Return the symmetric strain of `widened`; shape (3, 3)."""
    # A strain e changes the length of a vector v by v.e.v/|v|.
    coefficients = np.stack([(2 - (i == j)) * vectors[:, i] * vectors[:, j] for i, j in _PAIRS], axis=1)
    relative = coefficients / distances[:, None] ** 2
    # Every kind of row counts once, however many there are.
    keep = STIFFNESS * relative[bonds] / max(np.sqrt(bonds.sum()), 1.0)
    widen = relative[short] / np.sqrt(short.sum())
    wanted = (sums[short] / distances[short] - 1) / np.sqrt(short.sum())
    rows = np.vstack([keep, widen, FREE * np.eye(6)])
    values = np.concatenate([np.zeros(len(keep)), wanted, np.zeros(6)])
    solution = np.linalg.lstsq(rows, values, rcond=None)[0]
    strain = np.zeros((3, 3))
    for (i, j), value in zip(_PAIRS, solution, strict=True):
        strain[i, j] = strain[j, i] = value
    values, axes = np.linalg.eigh(strain)
    limited: FloatArray = (axes * np.clip(values, -LARGEST_STRAIN, LARGEST_STRAIN)) @ axes.T
    return limited


def _pairs(structure: Structure, reach: float) -> tuple[NDArray[np.int_], NDArray[np.int_], FloatArray, FloatArray]:
    """Return centres, neighbours, distances and vectors in A of all pairs within reach."""
    centres, points, images, distances = structure.get_neighbor_list(reach)
    vectors = (structure.frac_coords[points] + images - structure.frac_coords[centres]) @ structure.lattice.matrix
    return centres, points, distances, vectors
