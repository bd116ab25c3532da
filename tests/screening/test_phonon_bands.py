"""Bands and density of states against the dynamical matrix of springs."""

import numpy as np
import pytest
from ase.build import bulk
from pymatgen.io.ase import AseAtomsAdaptor
from springs import Springs, frequencies_thz

from invdesflow.screening.phonons import PhononSettings, failed_phonons, harmonic_phonons

A = 4.0
CONSTANTS = {A / np.sqrt(2): 2.0}
CM1_PER_THZ = 33.35641


@pytest.fixture(scope="module")
def found():
    crystal = AseAtomsAdaptor.get_structure(bulk("Ni", "fcc", A))
    return harmonic_phonons(crystal, Springs(CONSTANTS), PhononSettings(displacement=0.01))


def test_bands_are_those_of_the_dynamical_matrix(found):
    atoms, bands = AseAtomsAdaptor.get_atoms(found.primitive), found.bands
    expected = np.array([frequencies_thz(atoms, CONSTANTS, q) for q in bands["phonon_q_points"]])
    # springs to nearest neighbours end within the supercell, so that the interpolation is exact
    assert np.abs(bands["phonon_frequencies_cm1"] / CM1_PER_THZ - np.sort(expected)).max() < 0.03


def test_the_path_has_its_names_and_lengths(found):
    bands = found.bands
    at = dict(zip(bands["path_labels"].tolist(), bands["path_label_indices"].tolist(), strict=True))
    assert {"GAMMA", "X", "L", "W"} <= set(at)
    first = bands["path_label_indices"][:2]
    assert bands["path_labels"][:2].tolist() == ["GAMMA", "X"]
    assert np.diff(bands["phonon_distances"][first])[0] == pytest.approx(2 * np.pi / A)
    assert np.all(np.diff(bands["phonon_distances"]) >= 0)


def test_the_states_are_three_for_each_atom(found):
    bands = found.bands
    frequencies = bands["phonon_dos_cm1"]
    assert np.trapezoid(bands["phonon_dos"], frequencies) == pytest.approx(3.0, rel=0.01)
    np.testing.assert_allclose(bands["phonon_dos_by_atom"].sum(axis=0), bands["phonon_dos"])
    mean_square = np.trapezoid(bands["phonon_dos"] * frequencies**2, frequencies) / 3
    # the trace of the dynamical matrix is the same at all q but for the neighbours' phases, which average to zero
    on_site = 12 * CONSTANTS[A / np.sqrt(2)] / 3
    expected = on_site / 58.6934 * 9.648533e3 / (2 * np.pi) ** 2  # THz^2 from eV/A^2/u
    assert mean_square / CM1_PER_THZ**2 == pytest.approx(expected, rel=0.02)


def test_no_answer_has_no_bands():
    assert failed_phonons("why").bands is None
