"""Voids by energy, against energies of crystals written by hand; by charge density, of overlapping atoms."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from pymatgen.core import Lattice, Structure

from invdesflow.errors import IntercalationError
from invdesflow.espresso.parsers.volumetric import PeriodicFunction
from invdesflow.intercalation.refinement import refine_by_charge, refine_by_energy
from invdesflow.intercalation.voids import find_voids
from invdesflow.superconductors.catalogue import load_catalogue

A = 3.89
PALLADIUM = Structure(Lattice(A * np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])), ["Pd"], [[0, 0, 0]])


def energy_with_hydrogen(position: list[float]) -> float:
    """Return the energy of H at a point of the 3 x 3 x 3 primitive supercell, Cartesian in units of a."""
    crystal = bulk("Pd", "fcc", a=A) * (3, 3, 3)
    crystal += Atoms("H", positions=[A * np.array(position)])
    crystal.calc = EMT()
    return crystal.get_potential_energy()


def test_the_energies_are_those_of_one_guest_in_a_supercell():
    voids = find_voids(PALLADIUM)
    ranked = refine_by_energy(PALLADIUM, voids, "H", EMT(), min_length_a=6.5, max_steps=0)
    energies = {"4b": energy_with_hydrogen([0.5, 0, 0]), "8c": energy_with_hydrogen([0.25] * 3)}
    lowest = min(energies.values())
    assert {one.void.wyckoff: one.energy_ev for one in ranked} == pytest.approx(
        {name: energy - lowest for name, energy in energies.items()}, abs=1e-6
    )
    assert ranked[0].energy_ev == 0
    assert ranked[0].void.wyckoff == min(energies, key=lambda name: energies[name])


def test_relaxation_lowers_no_energy_of_a_site_held_by_symmetry_by_much():
    voids = find_voids(PALLADIUM)
    relaxed = refine_by_energy(PALLADIUM, voids, "H", EMT(), min_length_a=5.0, max_steps=100)
    assert {one.void.wyckoff for one in relaxed} == {"4b", "8c"}
    assert relaxed[0].energy_ev == 0
    assert relaxed[1].energy_ev > 0.01
    assert all(one.converged for one in relaxed)


def test_atoms_that_did_not_come_to_rest_are_marked():
    voids = find_voids(PALLADIUM)
    assert not any(one.converged for one in refine_by_energy(PALLADIUM, voids, "H", EMT(), max_steps=1, fmax=1e-6))
    assert all(one.converged for one in refine_by_energy(PALLADIUM, voids, "H", EMT(), max_steps=0))


class Counting(EMT):
    """Remembers the largest crystal."""

    def calculate(self, atoms=None, *args, **kwargs):
        super().calculate(atoms, *args, **kwargs)
        self.cell = atoms.cell.array


def test_a_guest_is_far_from_its_images_in_an_acute_cell():
    acute = Structure(Lattice.rhombohedral(6.0, 30.0), ["Pd"] * 2, [[0.0] * 3, [0.5] * 3])
    calculator = Counting()
    refine_by_energy(acute, find_voids(acute)[:1], "H", calculator, min_length_a=6.0, max_steps=0)
    shortest = min(Lattice(calculator.cell).get_lll_reduced_lattice().abc)
    assert shortest >= 6.0, "the cell vectors are 6 A long, their difference 3.1 A"


def test_nothing_to_refine():
    with pytest.raises(IntercalationError, match="no void"):
        refine_by_energy(PALLADIUM, [], "H", EMT())


def superposed(structure: Structure, shape: tuple[int, int, int]) -> PeriodicFunction:
    """Return a density of one exponential for every atom, in electrons per cubic Bohr."""
    points = np.stack(np.meshgrid(*(np.arange(n) / n for n in shape), indexing="ij"), axis=-1).reshape(-1, 3)
    values = np.zeros(len(points))
    images = np.array(list(np.ndindex(3, 3, 3))) - 1
    for site in structure:
        for image in images:
            apart = (points - site.frac_coords - image) @ structure.lattice.matrix
            values += np.exp(-np.linalg.norm(apart, axis=1) / 0.35)
    return PeriodicFunction(structure.lattice.matrix, values.reshape(shape))


def test_the_emptiest_place_of_k2cuh6_is_4b():
    pytest.importorskip("pymatgen.analysis.defects")
    host = next(document.structure for document in load_catalogue() if document.name == "K2CuH6")
    ranked = refine_by_charge(host, superposed(host, (24, 24, 24)))
    assert ranked[0].void.wyckoff == "4b"
    assert ranked[0].density == min(one.density for one in ranked)


def test_a_density_of_another_cell():
    pytest.importorskip("pymatgen.analysis.defects")
    wrong = PeriodicFunction(2 * PALLADIUM.lattice.matrix, np.ones((4, 4, 4)))
    with pytest.raises(IntercalationError, match="another cell"):
        refine_by_charge(PALLADIUM, wrong)
