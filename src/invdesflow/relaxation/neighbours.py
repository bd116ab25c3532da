"""Pairs of atoms within a radius, by pymatgen's compiled search: ASE's takes a quarter of an evaluation of CHGNet."""

from typing import NamedTuple

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pymatgen.optimization.neighbors import find_points_in_spheres

from invdesflow.relaxation.symmetry import FloatArray

__all__ = ["Pairs", "pairs_within"]


class Pairs(NamedTuple):
    """Every pair twice, once from each end; images of one atom are pairs too."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    vector: FloatArray
    distance: FloatArray


def pairs_within(atoms: Atoms, radius: float) -> Pairs:
    """Find all pairs of atoms closer than a radius.

    Parameters
    ----------
    atoms
        Crystal, periodic in three directions.
    radius
        Largest distance (Angstrom).

    Returns
    -------
    Pairs
        Indices, shape (n_pairs,); vectors from the first to the second, shape (n_pairs, 3), and distances (Angstrom).
    """
    positions = np.ascontiguousarray(atoms.positions, dtype=float)
    cell = np.ascontiguousarray(atoms.cell[:], dtype=float)
    first, second, image, distance = find_points_in_spheres(
        all_coords=positions, center_coords=positions, r=radius, pbc=np.array([1, 1, 1]), lattice=cell, tol=1e-8
    )
    others = (first != second) | (image != 0).any(axis=1)
    first, second, image, distance = first[others], second[others], image[others], distance[others]
    return Pairs(first, second, positions[second] + image @ cell - positions[first], distance)
