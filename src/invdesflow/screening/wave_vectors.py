"""Counting by symmetry: wave vectors of a mesh, k-points at a wave vector, representations of the displacements."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import spglib
from numpy.typing import NDArray
from pymatgen.core import Structure

from invdesflow.crystals.spglib_search import found
from invdesflow.errors import StructureError

__all__ = ["CrystalSymmetry", "Mesh", "WaveVector"]

Mesh = tuple[int, int, int]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SAME = 1e-6  # coordinates of wave vectors that differ by less are the same
DEGENERATE = 1e-6  # eigenvalues of a random matrix of order one that symmetry makes equal differ by less


@dataclass(frozen=True)
class WaveVector:
    """One wave vector of a mesh, standing for its star.

    Parameters
    ----------
    q
        In reciprocal lattice vectors.
    weight
        Number of wave vectors in the star.
    k_points
        k-points that are different under the small group of q, time reversal included.
    representations
        Degeneracy of each irreducible representation of the displacements at q; they add up to 3 times the atoms.
    """

    q: tuple[float, float, float]
    weight: int
    k_points: int
    representations: tuple[int, ...]


class CrystalSymmetry:
    """Space group of a crystal without magnetism.

    Parameters
    ----------
    structure
        Ordered crystal, in the primitive cell to which meshes and wave vectors refer.
    symprec
        Distance tolerance, Angstrom.

    Raises
    ------
    StructureError
        If no symmetry is found.
    """

    def __init__(self, structure: Structure, symprec: float = 1e-3) -> None:
        cell = (structure.lattice.matrix, structure.frac_coords, structure.atomic_numbers)
        operations = found(spglib.get_symmetry, cell, symprec=symprec)
        if operations is None:
            raise StructureError("The symmetry of the structure cannot be found.", "Check it for overlapping atoms.")
        self._operations = _Displacements.of(structure, operations["rotations"], operations["translations"])
        self._rotations: IntArray = np.asarray(operations["rotations"], dtype=np.int64)
        # How operations, and operations followed by time reversal, turn wave vectors: (rotations, 3, 3) each.
        self._turns: IntArray = np.rint(np.linalg.inv(self._rotations)).astype(np.int64).transpose(0, 2, 1)

    def irreducible_points(self, mesh: Mesh) -> tuple[FloatArray, IntArray]:
        """Reduce a mesh through Gamma by the point group and time reversal.

        Returns
        -------
        points, weights
            One point of each star, shape (n, 3), in reciprocal lattice vectors, Gamma first, and the sizes of the
            stars, shape (n,).
        """
        rotations = np.unique(self._rotations[self._keeping(mesh)], axis=0)
        mapping, grid = spglib.get_stabilized_reciprocal_mesh(mesh, rotations, is_time_reversal=True)
        chosen, weights = np.unique(mapping, return_counts=True)
        return grid[chosen] / np.array(mesh), weights

    def count_points(self, mesh: Mesh, q: Sequence[float] | FloatArray = (0.0, 0.0, 0.0)) -> int:
        """Count the points of a mesh through Gamma that are different under the small group of a wave vector.

        The lemma of Burnside: as many as a member of the group leaves where they are, on the average.

        Parameters
        ----------
        mesh
            Divisions of the reciprocal vectors.
        q
            In reciprocal lattice vectors; time reversal counts where it brings an operation back to q.
        """
        keeping = self._keeping(mesh)
        small = [sign * self._turns[number] for number, sign in self._small_group(q) if keeping[number]]
        return round(sum(_fixed_points(turn.tobytes(), mesh) for turn in small) / len(small))

    def wave_vectors(self, q_mesh: Mesh, k_mesh: Mesh) -> list[WaveVector]:
        """Return the irreducible wave vectors of a mesh of phonons, each with the work that belongs to it."""
        return [
            WaveVector(
                q=(float(q[0]), float(q[1]), float(q[2])),
                weight=int(weight),
                k_points=self.count_points(k_mesh, q),
                representations=self.representations(q),
            )
            for q, weight in zip(*self.irreducible_points(q_mesh), strict=True)
        ]

    def representations(self, q: Sequence[float] | FloatArray) -> tuple[int, ...]:
        """Return the degeneracies of the irreducible representations of the displacements at a wave vector.

        A random Hermitian matrix that commutes with the small group has no other degeneracies than those that
        symmetry demands; linear-response programs find their patterns of displacements in this way.

        Parameters
        ----------
        q
            In reciprocal lattice vectors.
        """
        matrix = self._operations.random_matrix()
        total = np.zeros_like(matrix)
        for number, sign in self._small_group(q):
            moves = self._operations.at(number, sign * self._turns[number] @ np.asarray(q))
            total += moves @ (matrix if sign == 1 else matrix.conj()) @ moves.conj().T
        values = np.linalg.eigvalsh(total / np.abs(total).max())
        steps = np.flatnonzero(np.diff(values) > DEGENERATE) + 1
        return tuple(int(n) for n in np.diff([0, *steps, len(values)]))

    def _small_group(self, q: Sequence[float] | FloatArray) -> list[tuple[int, int]]:
        """Return the operations that leave q where it is: their numbers, with -1 if time reversal follows."""
        images = self._turns @ np.asarray(q)
        return [
            (int(number), sign)
            for sign in (1, -1)
            for number in np.flatnonzero((np.abs((sign * images - q + 0.5) % 1.0 - 0.5) < SAME).all(axis=1))
        ]

    def _keeping(self, mesh: Mesh) -> NDArray[np.bool_]:
        """Tell which operations take the mesh into itself; spglib presumes that all do."""
        divisions = np.array(mesh)
        scaled = self._turns * divisions[None, :, None] / divisions[None, None, :]
        return np.asarray(np.isclose(scaled, np.rint(scaled)).all(axis=(1, 2)))


@dataclass(frozen=True)
class _Displacements:
    """What the operations of a space group do to displacements of the atoms.

    Parameters
    ----------
    target
        Which atom an atom is taken to, shape (operations, atoms).
    shift
        By which lattice vector the image is away from that atom, shape (operations, atoms, 3).
    cartesian
        Rotations in Cartesian coordinates, shape (operations, 3, 3).
    """

    target: IntArray
    shift: IntArray
    cartesian: FloatArray

    @classmethod
    def of(cls, structure: Structure, rotations: IntArray, translations: FloatArray) -> "_Displacements":
        positions, lattice = structure.frac_coords, structure.lattice.matrix.T
        alike = np.equal.outer(structure.atomic_numbers, structure.atomic_numbers)
        targets, shifts = [], []
        for rotation, translation in zip(rotations, translations, strict=True):
            apart = (positions @ rotation.T + translation)[:, None, :] - positions[None, :, :]
            whole = np.rint(apart)
            distance = np.linalg.norm((apart - whole) @ lattice.T, axis=2)
            target = np.argmin(np.where(alike, distance, np.inf), axis=1)
            targets.append(target)
            shifts.append(whole[np.arange(len(positions)), target])
        cartesian = lattice @ rotations @ np.linalg.inv(lattice)
        return cls(np.array(targets), np.array(shifts, dtype=np.int64), cartesian)

    def random_matrix(self) -> NDArray[np.complex128]:
        """Return a random Hermitian matrix in the space of displacements, shape (3 atoms, 3 atoms)."""
        size = 3 * self.target.shape[1]
        noise = np.random.default_rng(0).normal(size=(2, size, size))
        matrix = noise[0] + 1j * noise[1]
        return np.asarray(matrix + matrix.conj().T)

    def at(self, number: int, q: FloatArray) -> NDArray[np.complex128]:
        """Return the matrix of an operation for displacements with the phase exp(2 pi i q.r)."""
        target = self.target[number]
        atoms = np.arange(len(target))
        result = np.zeros((len(target), 3, len(target), 3), dtype=complex)
        phases = np.exp(-2j * np.pi * (self.shift[number] @ q))
        result[target, :, atoms, :] = phases[:, None, None] * self.cartesian[number]
        return result.reshape(3 * len(target), 3 * len(target))


@lru_cache(maxsize=4096)
def _fixed_points(turn: bytes, mesh: Mesh) -> int:
    """Count the points of a mesh that a matrix of whole numbers, given by its bytes, leaves where they are."""
    moves = np.frombuffer(turn, dtype=np.int64).reshape(3, 3) - np.eye(3, dtype=np.int64)
    # In units of 1 / least common multiple everything is whole.
    common = int(np.lcm.reduce(mesh))
    axes = [np.arange(divisions) * (common // divisions) for divisions in mesh]
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
    fixed = [(row[0] * x + row[1] * y + row[2] * z) % common == 0 for row in moves]
    return int(np.count_nonzero(fixed[0] & fixed[1] & fixed[2]))
