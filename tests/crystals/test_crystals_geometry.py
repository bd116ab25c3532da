"""Contacts and volumes against crystals worked out by hand, and against a search over all images."""

import itertools

import numpy as np
import pytest
from ase.data import covalent_radii
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Element, Lattice, Structure

from invdesflow.crystals.geometry import closest_contact, neighbours, usual_volume, volume_per_atom, volume_ratio
from invdesflow.errors import StructureError


def test_contact_of_an_elemental_metal():
    niobium = Structure(Lattice.cubic(3.30), ["Nb", "Nb"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    contact = closest_contact(niobium)
    assert contact.distance == pytest.approx(3.30 * np.sqrt(3) / 2)
    assert contact.ratio == pytest.approx(contact.distance / (2 * 1.64))  # Cordero 2008: r(Nb) = 1.64 A
    assert contact.elements == ("Nb", "Nb")


def test_contact_is_closest_by_radius_and_not_by_distance():
    # H-H at 0.9 A is 1.45 of its radii; Cs-Cs at 4 A is 0.82.
    crystal = Structure(
        Lattice.orthorhombic(4.0, 12.0, 12.0), ["Cs", "H", "H"], [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.575, 0.5]]
    )
    assert closest_contact(crystal).elements == ("Cs", "Cs")


@given(st.integers(0, 10_000))
@settings(max_examples=50)
def test_contact_equals_a_search_over_all_images(seed):
    rng = np.random.default_rng(seed)
    lattice = Lattice.from_parameters(*rng.uniform(2.0, 9.0, 3), *rng.uniform(60, 115, 3))
    symbols = list(rng.choice(["H", "C", "Fe", "Cs", "La"], size=4))
    structure = Structure(lattice, symbols, rng.uniform(size=(4, 3)))
    radii = covalent_radii[[Element(symbol).Z for symbol in symbols]]
    images = np.array(list(itertools.product(range(-4, 5), repeat=3)))
    smallest = min(
        np.linalg.norm((images + structure.frac_coords[j] - structure.frac_coords[i]) @ lattice.matrix, axis=1)[
            (images != 0).any(axis=1) | (i != j)
        ].min()
        / (radii[i] + radii[j])
        for i, j in itertools.product(range(4), repeat=2)
    )
    assert closest_contact(structure).ratio == pytest.approx(smallest, rel=1e-9)


def test_neighbours_of_a_simple_cubic_atom():
    _, _, distances = neighbours(np.eye(3) * 2.0, np.zeros((1, 3)), 2.9)
    assert np.allclose(np.sort(distances), [2.0] * 6 + [2.0 * np.sqrt(2)] * 12)


@pytest.mark.parametrize("lattice", [np.diag([1e-9, 10.0, 10.0]), np.ones((3, 3)), np.full((3, 3), np.nan)])
def test_neighbours_refuse_a_degenerate_cell(lattice):
    with pytest.raises(StructureError, match="degenerate"):
        neighbours(lattice, np.zeros((1, 3)), 5.0)


@pytest.mark.parametrize(
    ("symbol", "lattice_constant", "atoms"), [("Nb", 3.30, 2), ("Al", 4.05, 4), ("Pb", 4.95, 4), ("Cu", 3.61, 4)]
)
def test_usual_volume_is_near_that_of_the_metal(symbol, lattice_constant, atoms):
    assert usual_volume(symbol) == pytest.approx(lattice_constant**3 / atoms, rel=0.1)


def test_volume_ratio_of_known_and_of_inflated_crystals():
    magnesium_diboride = Structure(
        Lattice.hexagonal(3.086, 3.524), ["Mg", "B", "B"], [[0, 0, 0], [1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]]
    )
    ratio = volume_ratio(magnesium_diboride)
    assert ratio == pytest.approx(1.0, abs=0.2)
    inflated = Structure(
        Lattice(magnesium_diboride.lattice.matrix * 2), magnesium_diboride.species, magnesium_diboride.frac_coords
    )
    assert volume_ratio(inflated) == pytest.approx(8 * ratio)
    assert volume_per_atom(inflated) == pytest.approx(8 * 3.086**2 * np.sqrt(3) / 2 * 3.524 / 3)


def test_unknown_volume_is_an_error():
    with pytest.raises(StructureError, match="He"):
        usual_volume("He")
