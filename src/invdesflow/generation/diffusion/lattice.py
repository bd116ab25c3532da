"""Lattices as six numbers of which the crystal family leaves some free.

A lattice matrix L (rows are the vectors) has the polar decomposition L = S R with a rotation R and S = (L L^T)^(1/2)
symmetric. Dropping R, log S = sum_i k_i B_i in the six symmetric matrices `BASIS` (Jiao et al., DiffCSP++,
arXiv:2402.03992, section 4.1). A crystal family fixes some of the k_i and leaves the others free.
"""

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["BASIS", "FAMILIES", "FamilyLattice", "components_of", "lattice_of"]

BASIS: NDArray[np.float64] = np.array(
    [
        [[0, 1, 0], [1, 0, 0], [0, 0, 0]],
        [[0, 0, 1], [0, 0, 0], [1, 0, 0]],
        [[0, 0, 0], [0, 0, 1], [0, 1, 0]],
        [[1, 0, 0], [0, -1, 0], [0, 0, 0]],
        [[1, 0, 0], [0, 1, 0], [0, 0, -2]],
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    ],
    dtype=float,
)
"""The six symmetric matrices B_i; orthogonal to each other, all but the last without trace; shape (6, 3, 3)."""


@dataclass(frozen=True)
class FamilyLattice:
    """Which components a crystal family leaves free.

    Attributes
    ----------
    free
        1 where the component is free; six entries.
    fixed
        Value of the component where it is not; six entries.
    """

    free: tuple[bool, ...]
    fixed: tuple[float, ...]


# With a = b and gamma = 120 degrees, L L^T = a^2 [[1, -1/2], [-1/2, 1]] has the eigenvalues a^2/2 along (1, 1) and
# 3a^2/2 along (1, -1): the logarithms of the square roots differ by log(3)/2, which is -2 k_1.
_HEXAGONAL_K1 = -np.log(3) / 4

FAMILIES = MappingProxyType(
    {
        "triclinic": FamilyLattice((True, True, True, True, True, True), (0.0,) * 6),
        "monoclinic": FamilyLattice((False, True, False, True, True, True), (0.0,) * 6),
        "orthorhombic": FamilyLattice((False, False, False, True, True, True), (0.0,) * 6),
        "tetragonal": FamilyLattice((False, False, False, False, True, True), (0.0,) * 6),
        "hexagonal": FamilyLattice((False, False, False, False, True, True), (float(_HEXAGONAL_K1), *(0.0,) * 5)),
        "cubic": FamilyLattice((False, False, False, False, False, True), (0.0,) * 6),
    }
)
"""The six crystal families in their conventional axes: unique axis b, hexagonal axes for the trigonal groups."""


def components_of(lattice: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the six components of lattices.

    Parameters
    ----------
    lattice
        Rows are the vectors, in Angstrom; shape (..., 3, 3).

    Returns
    -------
    numpy.ndarray
        k, the logarithm of lengths in Angstrom; shape (..., 6). The volume is exp(3 k_6).
    """
    values, vectors = np.linalg.eigh(lattice @ np.swapaxes(lattice, -1, -2))
    logarithm = (vectors * (0.5 * np.log(values))[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    components: NDArray[np.float64] = np.einsum("...xy,ixy->...i", logarithm, BASIS) / np.einsum(
        "ixy,ixy->i", BASIS, BASIS
    )
    return components


def lattice_of(components: Tensor) -> Tensor:
    """Return the symmetric lattice matrices S = exp(sum_i k_i B_i).

    Parameters
    ----------
    components
        k; shape (..., 6).

    Returns
    -------
    torch.Tensor
        Rows are the vectors, in Angstrom; shape (..., 3, 3).
    """
    basis = torch.as_tensor(BASIS, dtype=components.dtype, device=components.device)
    lattice: Tensor = torch.linalg.matrix_exp(torch.einsum("...i,ixy->...xy", components, basis))
    return lattice
