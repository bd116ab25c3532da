import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.plotting.structures import SPHERE_VERTICES, bonds, structure_figure, visible_atoms


def crystal(group, lattice, species, positions):
    return Structure.from_spacegroup(group, lattice, species, positions)


CSCL = crystal("Pm-3m", Lattice.cubic(4.12), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
NBN = crystal("Fm-3m", Lattice.cubic(4.39), ["Nb", "N"], [[0, 0, 0], [0.5, 0.5, 0.5]])
MGB2 = crystal("P6/mmm", Lattice.hexagonal(3.086, 3.524), ["Mg", "B"], [[0, 0, 0], [1 / 3, 2 / 3, 0.5]])
MGCNI3 = crystal("Pm-3m", Lattice.cubic(3.81), ["Mg", "C", "Ni"], [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0]])


def count(structure, number):
    return int((visible_atoms(structure).numbers == number).sum())


@pytest.mark.parametrize(
    ("structure", "atoms"),
    [
        (CSCL, {55: 8, 17: 1}),
        (NBN, {41: 14, 7: 13}),  # corners and faces; edges and centre
        (MGB2, {12: 8, 5: 2}),
        (MGCNI3, {12: 8, 6: 1, 28: 6}),
    ],
)
def test_boundary_atoms_are_completed(structure, atoms):
    assert {number: count(structure, number) for number in atoms} == atoms


def test_atom_just_below_a_face_counts_as_on_it():
    shaken = Structure(Lattice.cubic(4), ["Po"], [[1 - 1e-6, -1e-6, 0.0]])
    assert len(visible_atoms(shaken).numbers) == 8


@pytest.mark.parametrize(
    ("structure", "expected"),
    [
        (CSCL, 8),  # the body centre to its corners
        (NBN, 54),  # the edges of the eight octants
        (MGCNI3, 6),  # the octahedron about carbon, no Ni-Ni, no Mg-Ni
    ],
)
def test_bonds_are_the_coordination_polyhedra(structure, expected):
    assert len(bonds(visible_atoms(structure))) == expected


def test_bonds_of_magnesium_diboride_join_boron_only():
    atoms = visible_atoms(MGB2)
    assert {tuple(sorted(atoms.numbers[pair].tolist())) for pair in bonds(atoms)} == {(5, 5)}


def test_figure_has_one_sphere_per_visible_atom():
    figure = structure_figure(CSCL)
    spheres = [trace for trace in figure.data if trace.type == "mesh3d"]
    assert sorted(len(trace.x) for trace in spheres) == [SPHERE_VERTICES, 8 * SPHERE_VERTICES]
    centres = {
        trace.name: len(trace.x) for trace in figure.data if trace.type == "scatter3d" and trace.mode == "markers"
    }
    assert centres == {"Cs": 8, "Cl": 1}


def test_spheres_are_closed_and_face_outwards():
    mesh = next(
        trace
        for trace in structure_figure(Structure(Lattice.cubic(4), ["Po"], [[0.5] * 3])).data
        if trace.type == "mesh3d"
    )
    points = np.column_stack([mesh.x, mesh.y, mesh.z]).astype(float) - 2.0
    corners = points[np.column_stack([mesh.i, mesh.j, mesh.k]).astype(int)]
    volume = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
    radius = np.linalg.norm(points, axis=1)
    assert radius.min() == pytest.approx(radius.max(), rel=1e-5)
    assert (volume > 0).all()
    assert volume.sum() == pytest.approx(4 / 3 * np.pi * radius[0] ** 3, rel=0.08)


def test_cell_has_twelve_edges():
    edges = structure_figure(MGB2).data[0]
    points = np.column_stack([edges.x, edges.y, edges.z]).reshape(12, 3, 3)
    lengths = np.linalg.norm(points[:, 1] - points[:, 0], axis=1)
    assert sorted(lengths) == pytest.approx([3.086] * 8 + [3.524] * 4)
