"""The deviation of a committee is the formula of DP-GEN, worked out by hand for members that differ by a factor."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from pymatgen.io.ase import AseAtomsAdaptor

from invdesflow.errors import ConfigurationError
from invdesflow.learning.potential.committee import Committee, Deviation, TrustLevels, choose_for_labels


class ScaledEMT(Calculator):
    """EMT times a factor."""

    implemented_properties = ("energy", "forces", "stress")

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        other = atoms.copy()
        other.calc = EMT()
        found = {"energy": other.get_potential_energy(), "forces": other.get_forces(), "stress": other.get_stress()}
        self.results = {name: self.factor * value for name, value in found.items()}


def rattled(size):
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(size, seed=1)
    return AseAtomsAdaptor.get_structure(atoms)


def largest_force(structure):
    atoms = AseAtomsAdaptor.get_atoms(structure, msonable=False)
    atoms.calc = EMT()
    return np.linalg.norm(atoms.get_forces(), axis=1).max(), atoms.get_potential_energy() / len(atoms)


def test_deviation_of_members_that_differ_by_a_factor():
    structure = rattled(0.1)
    force, energy = largest_force(structure)
    deviation = Committee([ScaledEMT(factor) for factor in (0.8, 1.0, 1.2)]).deviation(structure)
    spread = np.std([0.8, 1.0, 1.2])
    assert deviation.force == pytest.approx(spread * force)
    assert deviation.energy_per_atom == pytest.approx(spread * abs(energy))


def test_what_is_disputed_but_not_absurd_is_chosen_most_disputed_first():
    committee = Committee([ScaledEMT(1.0), ScaledEMT(1.2)])
    crystals = [rattled(size) for size in (0.001, 0.05, 0.1, 0.6)]
    deviations = [committee.deviation(one) for one in crystals]
    sizes = [one.largest for one in deviations]
    levels = TrustLevels(known=(sizes[0] + sizes[1]) / 2, absurd=(sizes[2] + sizes[3]) / 2)
    assert [levels.of(one) for one in deviations] == ["known", "to label", "to label", "absurd"]
    assert choose_for_labels(crystals, committee, levels, most=5) == [crystals[2], crystals[1]]
    assert choose_for_labels(crystals, committee, levels, most=1) == [crystals[2]]
    assert levels.of(Deviation(float("nan"), 0.0, 0.0)) == levels.of(Deviation(0.0, 0.0, float("nan"))) == "absurd"


def test_a_strained_crystal_without_forces_is_disputed_by_its_virial():
    structure = AseAtomsAdaptor.get_structure(bulk("Cu", a=3.4))
    deviation = Committee([ScaledEMT(1.0), ScaledEMT(1.2)]).deviation(structure)
    assert deviation.force == pytest.approx(0, abs=1e-9)
    atoms = AseAtomsAdaptor.get_atoms(structure, msonable=False)
    atoms.calc = EMT()
    virial = np.linalg.norm(atoms.get_stress(voigt=False), axis=1).max() * atoms.get_volume()
    assert deviation.largest == pytest.approx(0.1 * virial)


def test_one_member_and_levels_out_of_order_are_refused():
    with pytest.raises(ConfigurationError, match="two members"):
        Committee([EMT()])
    with pytest.raises(ValueError, match="below absurd"):
        TrustLevels(known=1.0, absurd=0.5)
