"""Free degrees of freedom and primitive cells, against the tables of the Wyckoff positions."""

import numpy as np
import pytest
from ase.build import bulk, make_supercell
from ase.spacegroup import crystal

from invdesflow.errors import StructureError
from invdesflow.relaxation.primitive import find_primitive_cell
from invdesflow.relaxation.symmetry import (
    free_displacements,
    free_strains,
    identity_operation,
    space_group_operations,
    symmetry_dataset,
)

RUTILE = crystal(["Ti", "O"], [(0, 0, 0), (0.305, 0.305, 0)], spacegroup=136, cellpar=[4.59, 4.59, 2.96, 90, 90, 90])
WURTZITE = crystal(
    ["Zn", "O"], [(1 / 3, 2 / 3, 0), (1 / 3, 2 / 3, 0.38)], spacegroup=186, cellpar=[3.25, 3.25, 5.2, 90, 90, 120]
)
MONOCLINIC = crystal(["O"], [(0.103, 0, 0.161)], spacegroup=12, cellpar=[5.4, 3.43, 5.09, 90, 132.5, 90])


@pytest.mark.parametrize(
    ("atoms", "n_strains", "n_displacements"),
    [
        (bulk("Cu"), 1, 0),
        (bulk("NaCl", "rocksalt", a=5.6, cubic=True), 1, 0),
        (RUTILE, 2, 1),  # u of 4f
        (WURTZITE, 2, 1),  # z of 2b; the origin along the polar axis is not a degree of freedom
        (MONOCLINIC, 4, 2),  # x and z of 4i
        (crystal(["As"], [(0, 0, 0.227)], spacegroup=166, cellpar=[3.76, 3.76, 10.55, 90, 90, 120]), 2, 1),
    ],
    ids=["fcc", "rocksalt", "rutile", "wurtzite", "C2/m", "A7"],
)
def test_free_coordinates_are_those_of_the_wyckoff_positions(atoms, n_strains, n_displacements):
    operations = space_group_operations(atoms, 0.01)
    assert len(free_strains(operations)) == n_strains
    assert len(free_displacements(operations)) == n_displacements


def test_without_symmetry_all_but_translations_are_free():
    operations = identity_operation(4)
    assert len(free_strains(operations)) == 6
    assert len(free_displacements(operations)) == 9


def test_moving_along_the_free_coordinates_keeps_the_space_group():
    atoms = RUTILE.copy()
    operations = space_group_operations(atoms, 0.01)
    atoms.positions += 0.07 * free_displacements(operations)[0]
    atoms.set_cell(atoms.cell[:] @ (np.eye(3) + 0.03 * free_strains(operations)[1]), scale_atoms=True)
    assert len(space_group_operations(atoms, 1e-4).rotations) == len(operations.rotations)


def test_two_sites_within_the_tolerance_are_refused():
    atoms = bulk("Cu", cubic=True)
    atoms.positions[1] = atoms.positions[0] + 0.001
    with pytest.raises(StructureError):
        space_group_operations(atoms, 0.01)


@pytest.mark.parametrize(
    ("primitive", "multiples"),
    [
        (bulk("Cu"), [[-1, 1, 1], [1, -1, 1], [1, 1, -1]]),
        (RUTILE, [[1, 0, 0], [0, 2, 0], [1, 0, 3]]),
        (WURTZITE, [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
    ],
    ids=["conventional fcc", "rutile supercell", "already primitive"],
)
def test_a_crystal_comes_back_from_its_primitive_cell(primitive, multiples):
    atoms = make_supercell(primitive, multiples)
    found = find_primitive_cell(atoms, symmetry_dataset(atoms, 0.01))
    assert len(found.atoms) == len(primitive)
    assert len(found) == round(abs(np.linalg.det(multiples)))
    rebuilt = found.crystal()
    np.testing.assert_allclose(rebuilt.cell[:], atoms.cell[:], atol=1e-8)
    np.testing.assert_allclose(rebuilt.positions, atoms.positions, atol=1e-8)
    assert (rebuilt.numbers == atoms.numbers).all()
