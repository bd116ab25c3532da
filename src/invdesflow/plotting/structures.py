"""A crystal to look at: atoms, bonds and the edges of the conventional cell, turned with the mouse."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
import plotly.graph_objects as go
from ase.data import covalent_radii
from ase.data.colors import jmol_colors
from numpy.typing import NDArray
from pymatgen.core import Element, Structure
from scipy.spatial import ConvexHull, cKDTree

from invdesflow.plotting.style import GREY, TEMPLATE

__all__ = ["VisibleAtoms", "bonds", "structure_figure", "visible_atoms"]

BOUNDARY = 1e-3
"""Fractional distance within which an atom is on a face of the cell."""
BOND_TOLERANCE = 0.3
"""What a bond may exceed the sum of the covalent radii by, in Angstrom."""
BALL = 0.45
"""Radius of the drawn sphere in units of the covalent radius."""
SPHERE_VERTICES = 92


@dataclass(frozen=True, eq=False)
class VisibleAtoms:
    """The atoms of a cell with those on its faces, edges and corners repeated on the opposite ones.

    Attributes
    ----------
    numbers
        Atomic numbers; shape (n,).
    positions
        Cartesian coordinates in Angstrom; shape (n, 3).
    """

    numbers: NDArray[np.int_]
    positions: NDArray[np.float64]


def visible_atoms(structure: Structure) -> VisibleAtoms:
    """Complete the boundary of the cell, so that its symmetry can be seen.

    Parameters
    ----------
    structure
        Ordered crystal in the cell that is to be drawn.
    """
    fractional = structure.frac_coords % 1.0
    fractional[fractional > 1.0 - BOUNDARY] -= 1.0
    shifts = np.array(list(product((0, 1), repeat=3)))
    images = fractional[:, None, :] + shifts[None, :, :]
    inside = (images <= 1.0 + BOUNDARY).all(axis=2)
    atoms, _ = np.nonzero(inside)
    numbers = np.array([site.specie.Z for site in structure])
    return VisibleAtoms(numbers[atoms], images[inside] @ structure.lattice.matrix)


def bonds(atoms: VisibleAtoms) -> NDArray[np.int_]:
    """Find the pairs closer than the sum of their covalent radii (those of ASE) plus `BOND_TOLERANCE`.

    Returns
    -------
    ndarray of int
        Indices into `atoms`; shape (n_bonds, 2).
    """
    radii = covalent_radii[atoms.numbers]
    pairs = cKDTree(atoms.positions).query_pairs(2 * radii.max() + BOND_TOLERANCE, output_type="ndarray")
    distances = np.linalg.norm(atoms.positions[pairs[:, 0]] - atoms.positions[pairs[:, 1]], axis=1)
    return np.asarray(pairs[distances < radii[pairs].sum(axis=1) + BOND_TOLERANCE])


def structure_figure(structure: Structure) -> go.Figure:
    """Draw one cell as balls and sticks in Jmol's colours.

    Parameters
    ----------
    structure
        Ordered crystal; the cell is drawn as it is given.

    Returns
    -------
    plotly.graph_objects.Figure
        One mesh of spheres per element (its vertices are `SPHERE_VERTICES` times the number of its visible atoms), the
        halves of the bonds in the colour of their atom, and the edges of the cell; Angstrom on all axes.
    """
    atoms = visible_atoms(structure)
    pairs = bonds(atoms)
    figure = go.Figure(_cell_edges(structure.lattice.matrix))
    for number in sorted(set(atoms.numbers.tolist()), reverse=True):
        figure.add_trace(_spheres(number, atoms.positions[atoms.numbers == number]))
        sticks = np.concatenate([pairs[atoms.numbers[pairs[:, 0]] == number], pairs[atoms.numbers[pairs[:, 1]] == number][:, ::-1]])
        if len(sticks):
            figure.add_trace(_half_bonds(number, atoms.positions[sticks]))
    figure.update_layout(
        template=TEMPLATE,
        height=300,
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        legend={"orientation": "h", "x": 0.5, "xanchor": "center", "y": 0, "yanchor": "bottom", "itemclick": False},
        scene={
            "aspectmode": "data",
            "xaxis": {"visible": False},
            "yaxis": {"visible": False},
            "zaxis": {"visible": False},
            "camera": {"eye": {"x": 0.7, "y": 1.75, "z": 0.55}, "projection": {"type": "orthographic"}},
        },
    )
    return figure


def _spheres(number: int, centres: NDArray[np.float64]) -> go.Mesh3d:
    points, faces = _unit_sphere()
    vertices = (centres[:, None, :] + BALL * covalent_radii[number] * points).reshape(-1, 3).astype(np.float32)
    triangles = (len(points) * np.arange(len(centres))[:, None, None] + faces).reshape(-1, 3).astype(np.uint16)
    return go.Mesh3d(
        **dict(zip("xyz", vertices.T, strict=True)),
        **dict(zip("ijk", triangles.T, strict=True)),
        color=_colour(number),
        name=Element.from_Z(number).symbol,
        hoverinfo="name",
        showlegend=True,
        flatshading=False,
        lighting={"ambient": 0.55, "diffuse": 0.7, "specular": 0.25, "roughness": 0.4, "fresnel": 0.05},
        lightposition={"x": 1000, "y": 2000, "z": 3000},
    )


def _half_bonds(number: int, ends: NDArray[np.float64]) -> go.Scatter3d:
    """Draw every bond from its first end to its middle; `ends` has the shape (n_bonds, 2, 3)."""
    gap = np.full((len(ends), 3), np.nan)
    lines = np.stack([ends[:, 0], ends.mean(axis=1), gap], axis=1).reshape(-1, 3).astype(np.float32)
    return _line(lines, _colour(number), 5)


def _cell_edges(matrix: NDArray[np.float64]) -> go.Scatter3d:
    corners = np.array(list(product((0, 1), repeat=3)))
    edges = [
        (start, start + step, np.full(3, np.nan)) for start in corners for step in np.eye(3) if (start + step <= 1).all()
    ]
    return _line(np.array(edges).reshape(-1, 3) @ matrix, GREY, 2)


def _line(points: NDArray[np.floating], colour: str, width: float) -> go.Scatter3d:
    return go.Scatter3d(
        **dict(zip("xyz", points.T, strict=True)),
        mode="lines",
        line={"color": colour, "width": width},
        hoverinfo="skip",
        showlegend=False,
    )


def _colour(number: int) -> str:
    red, green, blue = (255 * jmol_colors[number]).round().astype(int)
    return f"rgb({red}, {green}, {blue})"


@lru_cache(maxsize=1)
def _unit_sphere() -> tuple[NDArray[np.float64], NDArray[np.int_]]:
    """Return points spread evenly on a Fibonacci spiral and the triangles of their hull, seen counter-clockwise."""
    index = np.arange(SPHERE_VERTICES) + 0.5
    height = 1 - 2 * index / SPHERE_VERTICES
    angle = np.pi * (1 + np.sqrt(5)) * index
    ring = np.sqrt(1 - height**2)
    points = np.column_stack([ring * np.cos(angle), ring * np.sin(angle), height])
    faces = ConvexHull(points).simplices
    a, b, c = (points[faces[:, corner]] for corner in range(3))
    inward = np.einsum("ij,ij->i", np.cross(b - a, c - a), a) < 0
    faces[inward] = faces[inward][:, ::-1]
    return points, faces
