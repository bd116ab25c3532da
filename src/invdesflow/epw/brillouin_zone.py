"""The first Brillouin zone: the Wigner-Seitz cell of the reciprocal lattice, and what of a surface lies in it."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Lattice

__all__ = ["BrillouinZone"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class BrillouinZone:
    """The points that are nearer to the centre than to any other point of the reciprocal lattice.

    Attributes
    ----------
    reciprocal
        Rows are the vectors of the reciprocal cell, 1/Angstrom with the 2 pi; shape (3, 3).
    faces
        The corners of each face in their order around it, Cartesian; each of shape (corners, 3).
    """

    reciprocal: FloatArray
    faces: tuple[FloatArray, ...]

    @classmethod
    def of(cls, lattice: Lattice) -> Self:
        """Find the zone of a crystal from its primitive lattice."""
        reciprocal = lattice.reciprocal_lattice
        faces = tuple(np.asarray(face) for face in reciprocal.get_wigner_seitz_cell())
        return cls(np.asarray(reciprocal.matrix), faces)

    @property
    def corners(self) -> FloatArray:
        """Corners, each as often as faces meet there; shape (n, 3)."""
        return np.concatenate(self.faces)

    def clip(self, triangles: FloatArray) -> FloatArray:
        """Cut off what is outside.

        Parameters
        ----------
        triangles
            Cartesian corners, shape (n, 3, 3).

        Returns
        -------
        ndarray
            Triangles that cover the part inside, with the same orientation; shape (m, 3, 3).
        """
        for face in self.faces:
            middle = face.mean(axis=0)  # half a reciprocal vector: a face is symmetric about it
            triangles = _below(triangles, middle / np.linalg.norm(middle), float(np.linalg.norm(middle)))
        return triangles


def _below(triangles: FloatArray, normal: FloatArray, height: float) -> FloatArray:
    """Keep what of some triangles is below a plane."""
    above = triangles @ normal - height
    inside = above <= 0.0
    count = inside.sum(axis=1)
    cut = (count == 1) | (count == 2)
    alone = np.argmax(inside[cut] == (count[cut] == 1)[:, None], axis=1)  # the corner on the other side than the two
    order = (alone[:, None] + np.arange(3)) % 3
    heights = np.take_along_axis(above[cut], order, axis=1)
    a, b, c = np.moveaxis(np.take_along_axis(triangles[cut], order[:, :, None], axis=1), 1, 0)
    on_ab = a + (b - a) * (heights[:, 0] / (heights[:, 0] - heights[:, 1]))[:, None]
    on_ac = a + (c - a) * (heights[:, 0] / (heights[:, 0] - heights[:, 2]))[:, None]
    tip = count[cut] == 1
    return np.concatenate(
        [
            triangles[count == 3],
            np.stack([a, on_ab, on_ac], axis=1)[tip],
            np.stack([on_ab, b, c], axis=1)[~tip],
            np.stack([on_ab, c, on_ac], axis=1)[~tip],
        ]
    )
