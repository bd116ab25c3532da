"""What symmetry leaves free in a crystal: the strains and displacements that keep its group."""

import itertools
from dataclasses import dataclass

import numpy as np
import spglib
from ase import Atoms
from numpy.typing import NDArray

from invdesflow.crystals.spglib_search import found
from invdesflow.errors import StructureError

__all__ = [
    "FloatArray",
    "SpaceGroupOperations",
    "free_displacements",
    "free_strains",
    "identity_operation",
    "space_group_operations",
    "symmetry_dataset",
]

FloatArray = NDArray[np.float64]

_HALF = np.sqrt(0.5)
_AXIS_PAIRS = list(itertools.combinations(np.eye(3), 2))
# Orthonormal basis of the symmetric 3x3 matrices (Mandel's convention), so that projectors below are symmetric.
_SYMMETRIC_MATRICES: FloatArray = np.array(
    [np.diag(row) for row in np.eye(3)] + [_HALF * (np.outer(a, b) + np.outer(b, a)) for a, b in _AXIS_PAIRS]
)


@dataclass(frozen=True)
class SpaceGroupOperations:
    """Symmetry operations of one crystal, acting on Cartesian vectors and on its sites.

    Parameters
    ----------
    rotations
        Cartesian rotation matrices, shape (n_operations, 3, 3); vectors are columns.
    permutations
        ``permutations[g, i]`` is the site onto which operation ``g`` maps site ``i``, shape (n_operations, n_atoms).
    """

    rotations: FloatArray
    permutations: NDArray[np.int64]


def identity_operation(n_atoms: int) -> SpaceGroupOperations:
    """Return the trivial group, which leaves every strain and displacement free."""
    return SpaceGroupOperations(np.eye(3)[None], np.arange(n_atoms)[None])


def symmetry_dataset(atoms: Atoms, symprec: float) -> spglib.SpglibDataset:
    """Ask spglib for the symmetry of a crystal.

    Parameters
    ----------
    atoms
        Periodic crystal.
    symprec
        Distance tolerance (Angstrom).

    Raises
    ------
    StructureError
        If spglib finds none, because atoms overlap for example.
    """
    cell = (atoms.cell[:], atoms.get_scaled_positions(wrap=False), atoms.numbers)
    dataset = found(spglib.get_symmetry_dataset, cell, symprec=symprec)
    if dataset is None:
        raise StructureError("The symmetry cannot be found.", "Check for overlapping atoms.")
    return dataset


def space_group_operations(atoms: Atoms, symprec: float) -> SpaceGroupOperations:
    """Find the symmetry operations of a crystal with spglib.

    Parameters
    ----------
    atoms
        Periodic crystal.
    symprec
        Distance tolerance (Angstrom).

    Raises
    ------
    StructureError
        If spglib finds no symmetry, or an operation that does not map the sites one to one.
    """
    cell, numbers = atoms.cell[:], atoms.numbers
    fractional = atoms.get_scaled_positions(wrap=False)
    dataset = symmetry_dataset(atoms, symprec)
    to_cartesian = cell.T
    rotations = to_cartesian @ dataset.rotations @ np.linalg.inv(to_cartesian)
    images = np.einsum("gij,aj->gai", dataset.rotations, fractional) + dataset.translations[:, None]
    permutations = np.array([_site_permutation(image, fractional, cell, numbers) for image in images])
    return SpaceGroupOperations(rotations, permutations)


def _site_permutation(
    image: FloatArray, fractional: FloatArray, cell: FloatArray, numbers: NDArray[np.int64]
) -> NDArray[np.int64]:
    difference = image[:, None] - fractional[None]
    distance = np.linalg.norm((difference - np.round(difference)) @ cell, axis=-1)
    distance[numbers[:, None] != numbers[None]] = np.inf
    permutation: NDArray[np.int64] = distance.argmin(axis=1)
    if len(set(permutation)) != len(permutation):
        raise StructureError("A symmetry operation maps two sites onto one.", "Lower symprec, or part the pair.")
    return permutation


def free_strains(operations: SpaceGroupOperations) -> FloatArray:
    """Return the strains that keep the point group.

    Returns
    -------
    ndarray
        Orthonormal symmetric matrices, shape (n_free, 3, 3): one for a cubic crystal, six for a triclinic one.
    """
    rotations = operations.rotations
    rotated = np.einsum("gij,bjk,glk->gbil", rotations, _SYMMETRIC_MATRICES, rotations)
    projector = np.einsum("aij,gbij->ab", _SYMMETRIC_MATRICES, rotated) / len(rotations)
    strains: FloatArray = np.einsum("ka,aij->kij", _fixed_vectors(projector), _SYMMETRIC_MATRICES)
    return strains


def free_displacements(operations: SpaceGroupOperations) -> FloatArray:
    """Return the displacements of the sites that keep the space group, without rigid translations.

    Returns
    -------
    ndarray
        Orthonormal Cartesian displacement patterns, shape (n_free, n_atoms, 3); n_free is 0 when every coordinate is
        fixed by symmetry.
    """
    n_atoms = operations.permutations.shape[1]
    projector = np.zeros((n_atoms, 3, n_atoms, 3))
    sites = np.arange(n_atoms)
    for rotation, permutation in zip(operations.rotations, operations.permutations, strict=True):
        projector[permutation, :, sites, :] += rotation / len(operations.rotations)
    centred = np.eye(n_atoms) - 1 / n_atoms
    projector = np.einsum("ab,bicj,cd->aidj", centred, projector, centred)
    return _fixed_vectors(projector.reshape(3 * n_atoms, 3 * n_atoms)).reshape(-1, n_atoms, 3)


def _fixed_vectors(projector: FloatArray) -> FloatArray:
    """Eigenvectors of eigenvalue one, as rows."""
    values, vectors = np.linalg.eigh((projector + projector.T) / 2)
    fixed: FloatArray = vectors[:, values > 0.5].T
    return fixed
