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
SHELL = 1.15
"""What a bond may be in units of the shortest distance of either of its atoms; the second shell of bcc is at 1.155."""
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
    nearest
        Distance to the nearest atom of the endless crystal, in Angstrom; shape (n,).
    """

    numbers: NDArray[np.int_]
    positions: NDArray[np.float64]
    nearest: NDArray[np.float64]


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
    return VisibleAtoms(numbers[atoms], images[inside] @ structure.lattice.matrix, _nearest(structure)[atoms])


def _nearest(structure: Structure) -> NDArray[np.float64]:
    # No atom is farther from its own image than the longest lattice vector is long.
    centres, _, _, distances = structure.get_neighbor_list(max(structure.lattice.abc) + BOUNDARY)
    nearest = np.full(len(structure), np.inf)
    np.minimum.at(nearest, centres, distances)
    return nearest


def bonds(atoms: VisibleAtoms) -> NDArray[np.int_]:
    """Find the bonds to draw.

    Atoms are bonded if they are closer than the sum of their covalent radii (those of ASE) plus `BOND_TOLERANCE`, and
    if for both of them the distance is within `SHELL` of the shortest one. Radii alone would join all metal atoms of a
    nitride or hydride and hide its coordination polyhedra.

    Returns
    -------
    ndarray of int
        Indices into `atoms`; shape (n_bonds, 2).
    """
    radii = covalent_radii[atoms.numbers]
    pairs = cKDTree(atoms.positions).query_pairs(2 * radii.max() + BOND_TOLERANCE, output_type="ndarray")
    distances = np.linalg.norm(atoms.positions[pairs[:, 0]] - atoms.positions[pairs[:, 1]], axis=1)
    touching = distances < radii[pairs].sum(axis=1) + BOND_TOLERANCE
    in_shell = distances < SHELL * atoms.nearest[pairs].min(axis=1)
    return np.asarray(pairs[touching & in_shell])


def structure_figure(structure: Structure) -> go.Figure:
    """Draw one cell as balls and sticks in Jmol's colours.

    Parameters
    ----------
    structure
        Ordered crystal; the cell is drawn as it is given.

    Returns
    -------
    plotly.graph_objects.Figure
        Lengths in Angstrom. Per element: a mesh of spheres, the centres of the atoms (they carry the legend and what is
        shown on hovering), and the halves of the bonds; and the edges of the cell.
    """
    atoms = visible_atoms(structure)
    pairs = bonds(atoms)
    directed = np.concatenate([pairs, pairs[:, ::-1]])
    figure = go.Figure(_cell_edges(structure.lattice.matrix))
    for number in sorted(set(atoms.numbers.tolist()), reverse=True):
        centres = atoms.positions[atoms.numbers == number]
        figure.add_traces([_spheres(number, centres), _centres(number, centres)])
        ends = directed[atoms.numbers[directed[:, 0]] == number]
        if len(ends):
            figure.add_trace(_half_bonds(number, atoms.positions[ends]))
    figure.update_layout(
        template=TEMPLATE,
        height=320,
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        legend={
            "orientation": "h",
            "x": 0.5,
            "xanchor": "center",
            "y": 0,
            "yanchor": "bottom",
            "itemsizing": "constant",
        },
        scene={
            "aspectmode": "data",
            "domain": {"y": [0.1, 1.0]},
            "xaxis": {"visible": False},
            "yaxis": {"visible": False},
            "zaxis": {"visible": False},
            "camera": {"eye": {"x": 0.75, "y": 1.85, "z": 0.6}},
        },
    )
    return figure


def _spheres(number: int, centres: NDArray[np.float64]) -> go.Mesh3d:
    points, faces = _unit_sphere()
    radius = 0.15 + 0.28 * covalent_radii[number]  # small enough to see through the cell, hydrogen still visible
    vertices = (centres[:, None, :] + radius * points).reshape(-1, 3).astype(np.float32)
    triangles = (len(points) * np.arange(len(centres))[:, None, None] + faces).reshape(-1, 3).astype(np.uint16)
    return go.Mesh3d(
        **dict(zip("xyz", vertices.T, strict=True)),
        **dict(zip("ijk", triangles.T, strict=True)),
        color=_colour(number),
        hoverinfo="skip",
        flatshading=False,
        lighting={"ambient": 0.55, "diffuse": 0.7, "specular": 0.25, "roughness": 0.4, "fresnel": 0.05},
        lightposition={"x": 1000, "y": 2000, "z": 3000},
    )


def _centres(number: int, centres: NDArray[np.float64]) -> go.Scatter3d:
    return go.Scatter3d(
        **dict(zip("xyz", centres.T, strict=True)),
        mode="markers",
        name=Element.from_Z(number).symbol,
        marker={"size": 2, "color": _colour(number), "line": {"width": 1, "color": GREY}},
        hovertemplate="%{x:.3f}, %{y:.3f}, %{z:.3f} Å",
    )


def _half_bonds(number: int, ends: NDArray[np.float64]) -> go.Scatter3d:
    """Draw every bond from its first end to its middle; `ends` has the shape (n_bonds, 2, 3)."""
    gap = np.full((len(ends), 3), np.nan)
    lines = np.stack([ends[:, 0], ends.mean(axis=1), gap], axis=1).reshape(-1, 3).astype(np.float32)
    return _line(lines, _colour(number), 5)


def _cell_edges(matrix: NDArray[np.float64]) -> go.Scatter3d:
    corners = np.array(list(product((0, 1), repeat=3)))
    edges = [
        (start, start + step, np.full(3, np.nan))
        for start in corners
        for step in np.eye(3)
        if (start + step <= 1).all()
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
