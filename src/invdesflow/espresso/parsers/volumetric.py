"""Functions of position in a crystal, as pp.x writes them in Gaussian's cube format."""

from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
from ase.io.cube import read_cube
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import map_coordinates

from invdesflow.crystals.symmetry import Symmetry
from invdesflow.espresso.parsers.text import FloatArray, read_text, reading

__all__ = ["PeriodicFunction", "read_periodic_function"]

_ON_GRID = 1e-3
"""How far, in steps of the grid, an image of a grid point may be from a grid point to be that one."""


@dataclass(frozen=True, slots=True, eq=False)
class PeriodicFunction:
    """A function with the period of the crystal, on a grid that begins at the origin.

    Attributes
    ----------
    lattice
        Rows are the vectors of the cell, in Angstrom; shape (3, 3).
    values
        At the fractional coordinates (i / n1, j / n2, k / n3); shape (n1, n2, n3).
    """

    lattice: FloatArray
    values: FloatArray

    def at(self, positions: ArrayLike) -> FloatArray:
        """Interpolate by cubic splines.

        Parameters
        ----------
        positions
            Fractional coordinates, shape (n, 3).

        Returns
        -------
        ndarray
            Shape (n,).
        """
        steps = np.asarray(positions) * self.values.shape
        return np.asarray(map_coordinates(self.values, steps.T, mode="grid-wrap"))

    def asymmetry(self, symmetry: Symmetry) -> float:
        """Return the largest difference between a point and its images under the operations of a crystal.

        Parameters
        ----------
        symmetry
            Of the same cell. Operations that do not map the grid onto itself are passed over, as by pw.x.
        """
        shape = np.array(self.values.shape)
        points = np.indices(self.values.shape).reshape(3, -1).T / shape
        return max(
            float(np.abs(self.values[tuple(image)].ravel() - self.values.ravel()).max())
            for rotation, translation in zip(symmetry.rotations, symmetry.translations, strict=True)
            if (image := _on_grid(points @ rotation.T + translation, shape)) is not None
        )


def _on_grid(positions: FloatArray, shape: NDArray[np.int_]) -> NDArray[np.int_] | None:
    """Return the indices of the grid points at some positions, (3, n); none if there are no grid points."""
    steps = positions * shape
    nearest = np.rint(steps)
    if np.abs(steps - nearest).max() > _ON_GRID:
        return None
    return np.asarray(nearest.astype(np.int_) % shape).T


def read_periodic_function(path: Path) -> PeriodicFunction:
    """Read a ``.cube`` file of pp.x.

    Raises
    ------
    EspressoError
        If the file is missing, truncated or of another kind.
    """
    with reading(path, "a cube file"):
        text = read_text(path)
        _require_sane_head(text.splitlines())
        found = read_cube(StringIO(text))
        if np.any(found["origin"]) or not np.isfinite(found["data"]).all():
            raise ValueError("it does not begin at the origin, or has numbers that are not finite")
        return PeriodicFunction(np.asarray(found["atoms"].cell[:]), np.asarray(found["data"]))


def _require_sane_head(lines: list[str]) -> None:
    """Refuse numbers for which ASE would reserve memory, or wait, without end."""
    atoms, *origin = lines[2].split()
    sizes = [int(line.split()[0]) for line in lines[3:6]]
    if len(origin) != 3 or not 0 < int(atoms) < len(lines) or len(sizes) != 3 or min(sizes) < 1:
        raise ValueError("its head does not fit what follows")
