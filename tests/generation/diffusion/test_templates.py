"""Wyckoff templates: completed orbits, refusals and the drawing of new ones."""

from collections import Counter
from itertools import combinations_with_replacement

import numpy as np
import pytest

from invdesflow.crystals.wyckoff import space_group_table
from invdesflow.errors import StructureError
from invdesflow.generation.diffusion.templates import Template, compose


def test_perovskite_is_completed():
    template = Template(221, ("a", "b", "c"))
    positions = template.positions(np.full((3, 3), 0.4))
    expected = [(0, 0, 0), (0.5, 0.5, 0.5), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)]
    assert {tuple(np.round(p % 1, 6)) for p in positions} == {tuple(map(float, e)) for e in expected}
    arrays = template.arrays()
    assert (arrays.n_orbits, arrays.n_atoms, arrays.family) == (3, 5, "cubic")
    assert arrays.multiplicity.tolist() == [1, 1, 3]
    assert arrays.n_free.tolist() == [0, 0, 0]


def test_multiplicities_are_of_the_primitive_cell():
    assert Template(225, ("a", "e")).arrays().multiplicity.tolist() == [1, 6]


@pytest.mark.parametrize("number", [1, 14, 40, 62, 88, 122, 148, 166, 194, 198, 214, 220, 227, 230])
def test_the_first_atom_of_an_orbit_is_its_representative(number):
    table = space_group_table(number)
    template = Template(number, tuple(table.letters))
    arrays = template.arrays()
    parameters = np.random.default_rng(number).random((arrays.n_orbits, 3))
    positions = template.positions(parameters)
    first = np.searchsorted(arrays.orbit, np.arange(arrays.n_orbits))
    representatives = arrays.offset + np.einsum("rij,rj->ri", arrays.basis, parameters)
    np.testing.assert_allclose(positions[first], representatives)
    np.testing.assert_array_equal(np.bincount(arrays.orbit), arrays.multiplicity)
    assert not arrays.basis.transpose(0, 2, 1)[np.arange(3) >= arrays.n_free[:, None]].any()


@pytest.mark.parametrize("number", [15, 62, 139, 166, 194, 227])
def test_symmetry_maps_the_atoms_to_each_other(number):
    table = space_group_table(number)
    template = Template(number, tuple(table.letters))
    parameters = np.random.default_rng(number).random((template.arrays().n_orbits, 3))
    inverse = np.linalg.inv(table.primitive)

    def keys(points):
        wrapped = np.round(points @ inverse % 1, 6) % 1
        return {tuple(point) for point in wrapped}

    atoms = template.positions(parameters)
    assert len(keys(atoms)) == len(atoms)
    for rotation, translation in zip(table.rotations, table.translations, strict=True):
        assert keys(atoms @ rotation.T + translation) == keys(atoms)


@pytest.mark.parametrize(
    ("number", "letters", "problem"),
    [
        (225, ("b", "a"), "order"),
        (225, (), "order"),
        (225, ("a", "a"), "occupied twice"),
        (225, ("z",), "no Wyckoff position"),
        (0, ("a",), "no space group"),
        (47, ("A", "a"), "order"),
    ],
)
def test_impossible_templates_are_refused(number, letters, problem):
    with pytest.raises(StructureError, match=problem):
        Template(number, letters)


def test_free_positions_are_occupied_as_often_as_wanted():
    assert Template(47, ("q", "q", "A")).arrays().n_atoms == 12


def test_equal_templates_share_arrays():
    assert Template(62, ("c",)) == Template(62, ("c",))
    assert Template(62, ("c",)).arrays() is Template(62, ("c",)).arrays()


def templates_by_hand(number, n_atoms, max_orbits):
    """Enumerate the templates by trying all multisets."""
    positions = space_group_table(number).positions
    found = set()
    for n_orbits in range(1, max_orbits + 1):
        for chosen in combinations_with_replacement(positions, n_orbits):
            fixed = [p.letter for p in chosen if p.n_free == 0]
            if sum(len(p.operations) for p in chosen) == n_atoms and len(set(fixed)) == len(fixed):
                found.add(Template(number, tuple(p.letter for p in chosen)))
    return found


def test_composed_templates_are_drawn_evenly():
    expected = templates_by_hand(123, 4, 3)
    random = np.random.default_rng(0)
    drawn = Counter(compose(123, 4, random, 3) for _ in range(100 * len(expected)))
    assert set(drawn) == expected
    counts = np.array(list(drawn.values()))
    # chi squared per degree of freedom, of a thousand or so: its spread is below 0.05
    assert ((counts - 100) ** 2 / 100).sum() / len(expected) == pytest.approx(1, abs=0.3)


@pytest.mark.parametrize(("number", "n_atoms", "max_orbits"), [(198, 5, 4), (227, 5, 8), (19, 6, 9), (2, 20, 1)])
def test_nothing_is_composed_where_nothing_fits(number, n_atoms, max_orbits):
    assert not templates_by_hand(number, n_atoms, min(max_orbits, 4))
    assert compose(number, n_atoms, np.random.default_rng(0), max_orbits) is None


@pytest.mark.parametrize("n_atoms", [1, 2, 7, 20])
def test_composed_templates_hold_the_atoms(n_atoms):
    random = np.random.default_rng(n_atoms)
    for number in (1, 2, 62, 139, 166, 194, 221, 225):
        template = compose(number, n_atoms, random, 6)
        if template is not None:
            assert template.arrays().n_atoms == n_atoms
            assert template.arrays().n_orbits <= 6
