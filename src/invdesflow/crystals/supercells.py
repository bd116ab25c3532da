"""Supercells that are large enough."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["repeats"]


def repeats(lattice: NDArray[np.float64], min_length: float) -> NDArray[np.int64]:
    """Return how often a cell has to be repeated so that an atom is far from its images.

    A vector is repeated until the lattice planes that it crosses are `min_length` apart, since no lattice vector is
    shorter than that; the cell vectors of an acute cell are longer than their difference.

    Parameters
    ----------
    lattice
        Rows are the cell vectors in Angstrom; shape (3, 3).
    min_length
        Least distance between an atom and its images (Angstrom).

    Returns
    -------
    ndarray
        Repeats along each cell vector; shape (3,).
    """
    spacings = 1 / np.linalg.norm(np.linalg.inv(lattice), axis=0)
    # A spacing that is the length but for rounding is long enough.
    return np.asarray(np.ceil(min_length / spacings - 1e-6), dtype=np.int64)
