"""Phonons against closed forms, frozen phonons and a second program."""

from itertools import product

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.phonons import Phonons
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor
from springs import Springs, frequencies_thz

from invdesflow.relaxation.potentials import find_potential, load_calculator
from invdesflow.relaxation.relaxation import relax
from invdesflow.screening.phonons import PhononSettings, harmonic_phonons

A = 4.0
NEIGHBOUR = A / np.sqrt(2)
SMALL = PhononSettings(displacement=0.01)


def crystal(atoms: Atoms) -> Structure:
    return AseAtomsAdaptor.get_structure(atoms)


def grid(n: int) -> np.ndarray:
    return np.array(list(product(range(n), repeat=3))) / n


def frozen_phonon_thz(calculator, a: float, symbol: str, step: float) -> float:
    """Longitudinal frequency at X of a face-centred crystal, from energies alone."""
    cell = Atoms([symbol] * 2, cell=[a / np.sqrt(2), a / np.sqrt(2), a], pbc=True)
    energies = []
    for u in (-step, 0.0, step):
        cell.set_scaled_positions([[0, 0, 0], [0.5, 0.5, 0.5]])
        cell.positions += [[0, 0, u], [0, 0, -u]]
        repeated = cell * (4, 4, 3)
        repeated.calc = calculator
        energies.append(repeated.get_potential_energy() / 48)
    curvature = (energies[0] - 2 * energies[1] + energies[2]) / step**2  # = 2 m omega^2 for two atoms
    return np.sqrt(curvature / (2 * cell.get_masses()[0])) * units.fs * 1000 / (2 * np.pi)


def test_springs_vibrate_as_their_dynamical_matrix_says():
    atoms = bulk("Ni", "fcc", A)
    constants = {NEIGHBOUR: 2.0}
    result = harmonic_phonons(crystal(atoms), Springs(constants), SMALL)
    assert (result.status, result.reason, result.n_atoms) == ("stable", "", 64)
    expected = np.concatenate([frequencies_thz(atoms, constants, q) for q in grid(4)[1:]])
    assert result.spectrum.lowest_thz == pytest.approx(expected.min(), rel=1e-3)
    assert result.spectrum.highest_thz == pytest.approx(expected.max(), rel=1e-3)
    textbook = np.sqrt(8 * 2.0 / 58.6934) * units.fs * 1000 / (2 * np.pi)  # longitudinal at X: omega^2 = 8 K / m
    assert result.spectrum.highest_thz == pytest.approx(textbook, rel=1e-3)
    assert max(map(abs, result.spectrum.acoustic_thz)) < 0.02


def test_imaginary_modes_are_those_of_the_dynamical_matrix():
    atoms = bulk("Ni", "fcc", A)
    constants = {NEIGHBOUR: 1.0, A: -1.2}
    settings = PhononSettings(displacement=0.005)
    result = harmonic_phonons(crystal(atoms), Springs(constants), settings)
    assert result.status == "unstable"
    primitive = AseAtomsAdaptor.get_atoms(result.primitive)
    for mode in result.spectrum.imaginary_modes:
        expected = frequencies_thz(primitive, constants, np.array(mode.q))
        assert np.abs(expected - mode.frequency_thz).min() < 0.02
    exact = [mode.frequency_thz for mode in result.spectrum.imaginary_modes if not mode.interpolated]
    n = round(result.n_atoms ** (1 / 3))
    worst = min(frequencies_thz(primitive, constants, q).min() for q in grid(n))
    assert min(exact) == pytest.approx(worst, abs=0.02)
    assert f"{min(mode.frequency_thz for mode in result.spectrum.imaginary_modes):.3g} THz" in result.reason


def test_a_second_program_finds_the_same_frequencies(tmp_path):
    atoms = bulk("Cu", "fcc", 3.59)
    ours = harmonic_phonons(crystal(atoms), EMT(), PhononSettings(min_length=8.0, displacement=0.01))
    n = round(ours.n_atoms ** (1 / 3))
    assert n**3 == ours.n_atoms
    theirs = Phonons(atoms, EMT(), supercell=(n, n, n), delta=0.01, name=str(tmp_path / "phonon"))
    theirs.run()
    theirs.read(acoustic=True)
    thz = theirs.band_structure(grid(n)[1:], verbose=False) / (units._hplanck / units._e * 1e12)
    assert ours.spectrum.lowest_thz == pytest.approx(thz.min(), rel=2e-3)
    assert ours.spectrum.highest_thz == pytest.approx(thz.max(), rel=2e-3)


def test_a_second_program_finds_the_same_frequencies_with_two_elements(tmp_path):
    atoms = bulk("CuAu", "rocksalt", 5.2)
    ours = harmonic_phonons(crystal(atoms), EMT(), PhononSettings(displacement=0.01, acoustic_tolerance=1.0))
    n = round((ours.n_atoms / 2) ** (1 / 3))
    assert 2 * n**3 == ours.n_atoms
    theirs = Phonons(atoms, EMT(), supercell=(n, n, n), delta=0.01, name=str(tmp_path / "phonon"))
    theirs.run()
    theirs.read(acoustic=True)
    thz = theirs.band_structure(grid(n)[1:], verbose=False) / (units._hplanck / units._e * 1e12)
    assert ours.spectrum.highest_thz == pytest.approx(thz.max(), rel=5e-3)
    at_gamma = theirs.band_structure([[0, 0, 0]], verbose=False)[0] / (units._hplanck / units._e * 1e12)
    gamma = harmonic_phonons(crystal(atoms), EMT(), PhononSettings(min_length=1.0, displacement=0.01)).spectrum
    optical = at_gamma[np.abs(at_gamma) > 0.1]
    assert len(optical) == 3
    assert [gamma.lowest_thz, gamma.highest_thz] == pytest.approx([optical.min(), optical.max()], rel=1e-2)


def test_energies_give_the_same_frequency():
    calculator = LennardJones(sigma=3.4, epsilon=0.0104, rc=8.5, smooth=True)
    a = 5.25
    result = harmonic_phonons(
        crystal(bulk("Ar", "fcc", a)), calculator, PhononSettings(min_length=17.0, displacement=0.01)
    )
    assert result.status == "stable"
    assert result.spectrum.highest_thz == pytest.approx(frozen_phonon_thz(calculator, a, "Ar", 0.01), rel=5e-3)


class Nails(Springs):
    """Springs that also tie every atom to its place."""

    rest = None

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        self.rest = atoms.positions.copy() if self.rest is None else self.rest
        self.results["forces"] = self.results["forces"] - 5.0 * (atoms.positions - self.rest)


def test_a_crystal_that_resists_a_translation_gets_no_verdict():
    result = harmonic_phonons(crystal(bulk("Ni", "fcc", A)), Nails({NEIGHBOUR: 2.0}), SMALL)
    assert result.status == "failed"
    assert "not harmonic" in result.reason
    nail = np.sqrt(5.0 / 58.6934) * units.fs * 1000 / (2 * np.pi)
    assert result.spectrum.acoustic_thz == pytest.approx([nail] * 3, rel=1e-3)


class Broken(Springs):
    """Springs that give no number once an atom is out of its place."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        if np.abs(self.results["forces"]).max() > 1e-6:
            self.results["forces"][0, 0] = np.nan


def test_forces_that_are_not_finite_give_no_verdict():
    result = harmonic_phonons(crystal(bulk("Ni", "fcc", A)), Broken({NEIGHBOUR: 2.0}))
    assert (result.status, result.spectrum) == ("failed", None)
    assert "not finite" in result.reason


def test_an_unrelaxed_crystal_is_refused():
    dimer = Structure(Lattice.cubic(4.0), ["Cu", "Cu"], [[0, 0, 0], [0.5, 0.5, 0.6]])
    result = harmonic_phonons(dimer, EMT())
    assert result.status == "failed"
    assert result.reason.startswith("not relaxed")
    assert result.residual_force > 0.05


def test_a_supercell_that_is_too_large_is_refused():
    result = harmonic_phonons(crystal(bulk("Cu", "fcc", 3.6)), EMT(), PhononSettings(max_atoms=10))
    assert result.status == "failed"
    assert "more than 10" in result.reason


def test_one_atom_alone_is_refused():
    result = harmonic_phonons(crystal(bulk("Cu", "fcc", 3.6)), EMT(), PhononSettings(min_length=1.0))
    assert result.status == "failed"
    assert "one atom" in result.reason


def test_overlapping_atoms_are_a_failure_with_a_reason():
    twice = Structure(Lattice.cubic(4.0), ["Cu", "Cu"], [[0, 0, 0], [0, 0, 1e-4]])
    result = harmonic_phonons(twice, EMT())
    assert result.status == "failed"
    assert result.reason


@pytest.mark.slow
def test_chgnet_holds_aluminium_and_salt_stable_and_cubic_titanium_and_barium_titanate_not():
    calculator = load_calculator(find_potential())
    oxygen = [[0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    perovskite = Structure(Lattice.cubic(4.0), ["Ba", "Ti", "O", "O", "O"], [[0] * 3, [0.5] * 3, *oxygen])
    crystals = {
        "Al": crystal(bulk("Al", "fcc", 4.05)),
        "NaCl": crystal(bulk("NaCl", "rocksalt", 5.64)),
        "Ti": crystal(bulk("Ti", "bcc", 3.25)),
        "BaTiO3": perovskite,
    }
    relaxed = {name: relax(structure, calculator).structure for name, structure in crystals.items()}
    results = {name: harmonic_phonons(structure, calculator) for name, structure in relaxed.items()}
    status = {name: result.status for name, result in results.items()}
    assert status == {"Al": "stable", "NaCl": "stable", "Ti": "unstable", "BaTiO3": "unstable"}
    # The ferroelectric mode of barium titanate is polar: it is unstable at Gamma.
    assert any(mode.q == (0.0, 0.0, 0.0) for mode in results["BaTiO3"].spectrum.imaginary_modes)
    frozen = frozen_phonon_thz(calculator, relaxed["Al"].lattice.a * np.sqrt(2), "Al", 0.06)
    assert results["Al"].spectrum.highest_thz == pytest.approx(frozen, rel=0.1)
    # One primitive cell gives Gamma alone: the transverse optical mode, measured at 4.9 THz; CHGNet is too soft.
    gamma = harmonic_phonons(relaxed["NaCl"], calculator, PhononSettings(min_length=1.0)).spectrum
    assert 2.5 < gamma.lowest_thz < 4.9
    assert gamma.lowest_interpolated_thz is None
