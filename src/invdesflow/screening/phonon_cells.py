"""The cell, the supercell and the wave vectors of a phonon calculation."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import seekpath
import spglib
from ase import Atoms
from numpy.typing import NDArray
from phonopy.harmonic.dynmat_to_fc import get_commensurate_points
from phonopy.phonon.band_structure import get_band_qpoints

from invdesflow.crystals.supercells import repeats
from invdesflow.errors import StructureError

__all__ = ["PhononCell", "irreducible_wave_vectors"]


@dataclass(frozen=True)
class PhononCell:
    """A standardised primitive cell with its conventional cell and the band path that belongs to them.

    Parameters
    ----------
    primitive
        Primitive cell in the setting of Hinuma et al., Comput. Mater. Sci. 128, 140 (2017), symmetrised.
    conventional
        Lattice vectors of the conventional cell, shape (3, 3), Angstrom, in rows.
    segments
        Ends of the segments of the band path, shape (n_segments, 2, 3), in reciprocal vectors of `primitive`.
    labels
        Names of these ends by Hinuma et al., with ``GAMMA`` for the centre.
    """

    primitive: Atoms
    conventional: NDArray[np.float64]
    segments: NDArray[np.float64]
    labels: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, atoms: Atoms, symprec: float) -> Self:
        """Standardise a crystal.

        Raises
        ------
        StructureError
            If no symmetry is found within `symprec` (Angstrom).
        """
        cell = (atoms.cell[:], atoms.get_scaled_positions(wrap=False), atoms.numbers)
        try:
            found: dict[str, Any] = seekpath.get_path(cell, symprec=symprec)
        except (seekpath.SymmetryDetectionError, spglib.SpglibError) as error:
            raise StructureError("The symmetry cannot be found.", "Check for overlapping atoms.") from error
        primitive = Atoms(
            found["primitive_types"],
            scaled_positions=found["primitive_positions"],
            cell=found["primitive_lattice"],
            pbc=True,
        )
        ends = [[found["point_coords"][name] for name in names] for names in found["path"]]
        labels = tuple((str(first), str(last)) for first, last in found["path"])
        return cls(primitive, np.array(found["conv_lattice"]), np.array(ends), labels)

    def supercell_matrix(self, min_length: float) -> NDArray[np.int64]:
        """Choose the smaller of two supercells that keep the symmetry and in which images are far enough apart.

        One repeats the conventional cell along its axes, the other the primitive cell equally along all three. An
        axis is repeated until the lattice planes that it crosses are `min_length` apart, since no lattice vector is
        shorter than that.

        Parameters
        ----------
        min_length
            Least distance between an atom and its images (Angstrom).

        Returns
        -------
        ndarray
            Matrix M of phonopy, shape (3, 3): the columns of ``A M`` are the supercell's vectors where the columns
            of A are those of the primitive cell.
        """
        to_conventional = np.rint(self.conventional @ np.linalg.inv(self.primitive.cell[:])).astype(np.int64)
        of_conventional = np.diag(repeats(self.conventional, min_length)) @ to_conventional
        of_primitive = repeats(self.primitive.cell[:], min_length).max() * np.eye(3, dtype=np.int64)
        smaller = min(of_conventional, of_primitive, key=lambda matrix: abs(np.linalg.det(matrix)))
        return np.asarray(smaller.T, dtype=np.int64)

    def path(self, points_per_segment: int) -> list[NDArray[np.float64]]:
        """Return the wave vectors of each segment of the band path, ends included."""
        return list(get_band_qpoints(self.segments, npoints=points_per_segment))


def irreducible_wave_vectors(supercell_matrix: NDArray[np.int64], rotations: NDArray[np.int64]) -> NDArray[np.float64]:
    """Find the wave vectors at which a supercell gives exact frequencies, one of each star.

    Parameters
    ----------
    supercell_matrix
        As `PhononCell.supercell_matrix` returns it.
    rotations
        Point group of the reciprocal lattice, inversion included, shape (n_rotations, 3, 3), acting on columns.

    Returns
    -------
    ndarray
        Shape (n, 3), in reciprocal vectors of the primitive cell, Gamma first.
    """
    points = np.asarray(get_commensurate_points(supercell_matrix))
    stars = np.rint((np.einsum("rij,qj->qri", rotations, points) % 1.0) * 1e6).astype(np.int64) % 10**6
    first_of_star = [min(map(tuple, star)) for star in stars]
    _, chosen = np.unique(first_of_star, axis=0, return_index=True)
    return np.asarray(points[chosen])
