"""The electron localisation function on a plane through the crystal."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import plotly.graph_objects as go
from markupsafe import escape
from numpy.typing import ArrayLike, NDArray
from pymatgen.core import Structure

from invdesflow.errors import ConfigurationError
from invdesflow.espresso.parsers.volumetric import PeriodicFunction
from invdesflow.plotting.style import INK, TEMPLATE

__all__ = ["Plane", "localisation_figure"]

_POINTS = 241  # along each side of the picture
_NEAR_A = 0.05  # atoms so near to the plane are drawn
_STRAIGHT = 0.05  # sine of the angle below which three atoms are in a line
_SCALE = [[0.0, "#1d3557"], [0.25, "#4f8fc0"], [0.5, "#f1f3ea"], [0.75, "#f0a35b"], [1.0, "#9d1c1c"]]


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """A plane in a crystal, Cartesian in Angstrom.

    Attributes
    ----------
    middle
        A point of it, in the middle of the picture; shape (3,).
    axes
        Two orthogonal unit vectors, to the right and up; shape (2, 3).
    """

    middle: NDArray[np.float64]
    axes: NDArray[np.float64]

    @classmethod
    def through(cls, points: ArrayLike) -> Self:
        """Lay a plane through three points; the line from the first to the second is to the right.

        Parameters
        ----------
        points
            Cartesian, Angstrom; shape (3, 3).

        Raises
        ------
        ConfigurationError
            If they are in a line.
        """
        a, b, c = np.asarray(points, dtype=float)
        right = (b - a) / np.linalg.norm(b - a)
        up = (c - a) - ((c - a) @ right) * right
        if not np.linalg.norm(up) > _STRAIGHT * np.linalg.norm(c - a):
            raise ConfigurationError("The three points of the plane are in a line.", "Choose others.")
        return cls(a, np.array([right, up / np.linalg.norm(up)]))

    @classmethod
    def of_bonds(cls, structure: Structure) -> Self:
        """Lay a plane through the ends of the shortest bond and the next neighbour that is not in line with them."""
        first = int(np.argmin([min(one.nn_distance for one in _around(structure, n)) for n in range(len(structure))]))
        nearest, *others = sorted(_around(structure, first), key=lambda one: (round(one.nn_distance, 3), *one.coords))
        origin = structure[first].coords
        direction = (nearest.coords - origin) / nearest.nn_distance
        for other in others:
            away = other.coords - origin
            if np.linalg.norm(np.cross(direction, away)) > 0.3 * other.nn_distance:
                return cls.through([origin, nearest.coords, other.coords])
        raise ConfigurationError("No plane of bonds was found.", "Give the plane.")

    def positions(self, right: NDArray[np.float64], up: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return Cartesian positions of a grid of points of the plane; shape (up, right, 3)."""
        return np.asarray(self.middle + right[None, :, None] * self.axes[0] + up[:, None, None] * self.axes[1])


def localisation_figure(
    elf: PeriodicFunction, structure: Structure, plane: Plane | None = None, size_angstrom: float = 8.0
) -> go.Figure:
    """Draw the electron localisation function on a plane, with the atoms in it.

    Parameters
    ----------
    elf
        As from `invdesflow.espresso.elf_jobs.read_elf`.
    structure
        The crystal, in the cell of `elf`.
    plane
        By default the one of the shortest bonds.
    size_angstrom
        Length of the sides of the picture.

    Returns
    -------
    plotly.graph_objects.Figure
        Colours from 0 to 1 and contours at every tenth; 0.5, the homogeneous electron gas, is the pale middle.

    Raises
    ------
    ConfigurationError
        If no plane can be found.
    """
    plane = plane or Plane.of_bonds(structure)
    side = np.linspace(-size_angstrom / 2, size_angstrom / 2, _POINTS)
    positions = plane.positions(side, side).reshape(-1, 3) @ np.linalg.inv(elf.lattice)
    figure = go.Figure(
        go.Contour(
            x=side,
            y=side,
            z=elf.at(positions).reshape(_POINTS, _POINTS),
            colorscale=_SCALE,
            contours={"start": 0.0, "end": 1.0, "size": 0.1},
            zmin=0.0,
            zmax=1.0,
            line={"width": 0.4, "color": INK},
            colorbar={"title": {"text": "ELF"}, "tickvals": [0, 0.25, 0.5, 0.75, 1]},
            hovertemplate="%{x:.2f}, %{y:.2f} Å<br>ELF %{z:.3f}<extra></extra>",
        )
    )
    figure.add_trace(_atoms(structure, plane, size_angstrom))
    edge = [-size_angstrom / 2, size_angstrom / 2]
    figure.update_xaxes(title_text="Å", range=edge, constrain="domain")
    figure.update_yaxes(title_text="Å", range=edge, scaleanchor="x", constrain="domain")
    figure.update_layout(template=TEMPLATE, height=560)
    return figure


def _around(structure: Structure, index: int) -> list[Any]:
    return list(structure.get_neighbors(structure[index], 2.0 * float(structure.volume / len(structure)) ** (1 / 3)))


def _atoms(structure: Structure, plane: Plane, size_angstrom: float) -> go.Scatter:
    near = structure.get_sites_in_sphere(plane.middle, size_angstrom, include_index=True)
    offsets = np.array([site.coords - plane.middle for site in near])
    x, y = plane.axes @ offsets.T
    inside = np.abs(offsets @ np.cross(*plane.axes)) < _NEAR_A
    inside &= np.maximum(np.abs(x), np.abs(y)) < size_angstrom / 2
    return go.Scatter(
        x=x[inside],
        y=y[inside],
        text=[str(escape(site.specie.symbol)) for site, shown in zip(near, inside, strict=True) if shown],
        mode="markers+text",
        textposition="middle center",
        textfont={"size": 10, "color": INK},
        marker={"size": 20, "color": "white", "opacity": 0.75, "line": {"color": INK, "width": 1}},
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )
