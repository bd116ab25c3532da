"""Isotope effect and smearings."""

import numpy as np
import pytest
import spectra

from invdesflow.eliashberg.critical_temperature import critical_temperature
from invdesflow.eliashberg.pairing import Pairing
from invdesflow.eliashberg.sensitivity import (
    isotope_coefficient,
    isotope_coefficients,
    smearing_spread,
    substituted_masses,
)
from invdesflow.errors import SpectrumError


def halves(spectrum):
    """Heavy atoms below 50 meV, light atoms above."""
    heavy = 1.0 / (1.0 + np.exp((spectrum.energies_mev - 50.0) / 3.0))
    return np.vstack([heavy, 1.0 - heavy])


@pytest.mark.parametrize("spectrum", [spectra.aluminium(), spectra.magnesium_diboride(), spectra.hydride(2.0)])
def test_one_half_without_repulsion(spectrum):
    assert isotope_coefficient(Pairing.allen_dynes(spectrum, 0.0)) == pytest.approx(0.5, abs=0.005)


@pytest.mark.parametrize("mu_star", [0.08, 0.12])
def test_repulsion_lowers_it_as_mcmillan_says(mu_star):
    # McMillan, Phys. Rev. 167, 331 (1968), eq. 23.
    spectrum = spectra.magnesium_diboride()
    coupling = spectrum.lambda_
    factor = mu_star / (coupling - mu_star * (1.0 + 0.62 * coupling))
    mcmillan = 0.5 * (1.0 - 1.04 * (1.0 + coupling) * (1.0 + 0.62 * coupling) * factor**2)
    assert isotope_coefficient(Pairing.allen_dynes(spectrum, mu_star)) == pytest.approx(mcmillan, abs=0.03)


@pytest.mark.parametrize(
    "pairing",
    [
        Pairing.allen_dynes(spectra.magnesium_diboride(), 0.1),
        Pairing(spectra.magnesium_diboride(), 0.1, 1000.0),
    ],
)
def test_coefficients_of_the_atoms_add_up(pairing):
    coefficients = isotope_coefficients(pairing, halves(pairing.spectrum))
    assert (coefficients > 0.0).all()
    assert coefficients[1] > coefficients[0]  # most of the coupling is above 50 meV
    assert coefficients.sum() == pytest.approx(isotope_coefficient(pairing), abs=0.005)


def test_a_whole_substitution():
    spectrum = spectra.hydride(2.0)
    ones = np.ones((1, spectrum.energies_mev.size))
    deuteride = substituted_masses(spectrum, ones, [2.0])
    assert deuteride.lambda_ == pytest.approx(spectrum.lambda_)
    assert deuteride.omega_log_mev == pytest.approx(spectrum.omega_log_mev / np.sqrt(2.0))
    light, heavy = (critical_temperature(Pairing.allen_dynes(s, 0.0)) for s in (spectrum, deuteride))
    assert light / heavy == pytest.approx(np.sqrt(2.0), rel=1e-3)


@pytest.mark.parametrize(
    ("shares", "ratios", "problem"),
    [
        (np.ones((1, 3)), [1.0], "do not fit"),
        (0.5 * np.ones((1, 500)), [1.0], "add up"),
        (np.ones((1, 500)), [0.0], "not positive"),
        (np.ones((1, 500)), [np.nan], "not positive"),
    ],
)
def test_impossible_substitutions(shares, ratios, problem):
    with pytest.raises(SpectrumError, match=problem):
        substituted_masses(spectra.aluminium(), shares, ratios)


def test_no_isotope_effect_without_tc():
    with pytest.raises(SpectrumError, match="no isotope effect"):
        isotope_coefficient(Pairing.allen_dynes(spectra.aluminium(), 0.32))


def test_spread_over_smearings():
    family = [spectra.hydride(coupling) for coupling in (1.0, 1.1, 1.2)]
    pairing = Pairing.allen_dynes(family[0], 0.1)
    spread = smearing_spread(family, pairing)
    assert spread.lowest == pytest.approx(critical_temperature(pairing))
    assert spread.lowest < spread.mean < spread.highest
    assert 0.0 < spread.standard_deviation < spread.highest - spread.lowest
    assert smearing_spread([*family, spectra.hydride(0.05)], pairing) is None
