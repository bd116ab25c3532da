"""The solver against limits and published results of the Eliashberg equations."""

from itertools import pairwise

import numpy as np
import pytest
import spectra

from invdesflow.eliashberg.coulomb import rescaled_mu_star
from invdesflow.eliashberg.critical_temperature import (
    critical_temperature,
    tc_against_mu_star,
    vanishing_gap_temperature,
    zero_temperature_gap,
)
from invdesflow.eliashberg.estimates import gap_estimate, tc_estimates
from invdesflow.eliashberg.formulas import KELVIN_PER_MEV, allen_dynes_tc
from invdesflow.eliashberg.migdal_eliashberg import gap_function, pairing_eigenvalue
from invdesflow.eliashberg.pade import gap_edge
from invdesflow.eliashberg.pairing import Pairing
from invdesflow.errors import SpectrumError


def einstein_tc(lambda_: float, cutoff: float) -> float:
    """Tc / Omega without repulsion."""
    tc = critical_temperature(Pairing.allen_dynes(spectra.einstein(10.0, lambda_), 0.0, cutoff))
    assert tc is not None
    return tc / (10.0 * KELVIN_PER_MEV)


def test_kernel_of_an_einstein_phonon():
    pairing = Pairing.allen_dynes(spectra.einstein(10.0, 1.5), 0.0)
    energies = np.concatenate(([0.0], np.geomspace(1e-3, 400.0, 500)))
    np.testing.assert_allclose(pairing.kernel(energies), 1.5 * 100.0 / (100.0 + energies**2), rtol=1e-6)


def test_strong_coupling_limit():
    # Tc -> 0.1827262477 Omega sqrt(lambda): Allen and Dynes 1975; ten digits in Kiessling, Altshuler and Yuzbashyan,
    # arXiv:2409.02121. Corrections are of the order of 1 / lambda.
    for coupling, tolerance in ((1e3, 1e-3), (1e5, 5e-4)):
        scaled = einstein_tc(coupling, cutoff=50.0 * np.sqrt(coupling)) / np.sqrt(coupling)
        assert scaled == pytest.approx(0.1827262477, rel=tolerance)


def test_tc_grows_with_lambda_below_its_asymptote():
    scaled = [einstein_tc(coupling, cutoff=60.0) / np.sqrt(coupling) for coupling in (0.3, 0.5, 1.0, 2.0, 4.0, 8.0)]
    assert all(low < high for low, high in pairwise([*scaled, 0.1827262477]))


def test_weak_coupling_limit_of_tc():
    # Einstein phonon, mu* = 0: Tc -> (2 e^gamma / pi) e^(-1/2) e^(-(1 + lambda) / lambda) Omega, smaller than
    # that of BCS by the root of e (Marsiglio, Phys. Rev. B 98, 024523 (2018)); corrections are of the order of lambda.
    couplings = np.array([0.3, 0.25, 0.2, 0.15])
    prefactors = [einstein_tc(coupling, cutoff=200.0) * np.exp(1.0 / coupling) for coupling in couplings]
    limit = np.polynomial.Polynomial.fit(couplings, prefactors, 2)(0.0)
    assert limit == pytest.approx(2.0 * np.exp(np.euler_gamma) / np.pi * np.exp(-1.5), rel=2e-3)


@pytest.mark.parametrize("mu_star", [0.0, 0.08])
def test_bcs_ratio_at_weak_coupling(mu_star):
    pairing = Pairing.allen_dynes(spectra.hydride(0.25), mu_star)
    tc = critical_temperature(pairing)
    assert gap_estimate(pairing, tc).ratio == pytest.approx(3.528, abs=0.006)


def test_bcs_temperature_dependence_at_weak_coupling():
    # Muehlschlegel 1959: gap(T) / gap(0) = 0.9569 and 0.5263 at T / Tc = 0.50 and 0.90.
    pairing = Pairing.allen_dynes(spectra.hydride(0.25), 0.0)
    tc = critical_temperature(pairing)
    gaps = [gap_edge(gap_function(pairing, share * tc)) for share in (0.1, 0.5, 0.9)]
    assert gaps[1] / gaps[0] == pytest.approx(0.9569, abs=0.002)
    assert gaps[2] / gaps[0] == pytest.approx(0.5263, abs=0.002)


def test_ratio_grows_with_coupling():
    ratios = []
    for coupling in (0.3, 0.6, 1.0, 2.0, 4.0):
        pairing = Pairing.allen_dynes(spectra.hydride(coupling), 0.1)
        ratios.append(gap_estimate(pairing, critical_temperature(pairing)).ratio)
    assert all(low < high for low, high in pairwise(ratios))
    assert 5.0 < ratios[-1] < 8.0


@pytest.mark.parametrize("coupling", [0.5, 1.0, 1.5])
def test_close_to_allen_and_dynes_where_their_formula_holds(coupling):
    # The formula is a fit to such solutions with mu* of the highest phonon energy: a few per cent.
    spectrum = spectra.hydride(coupling)
    tc = critical_temperature(Pairing.allen_dynes(spectrum, 0.1))
    assert tc == pytest.approx(
        float(allen_dynes_tc(spectrum.lambda_, spectrum.omega_log_mev, spectrum.omega_2_mev, 0.1)), rel=0.08
    )


@pytest.mark.parametrize(
    "spectrum", [spectra.aluminium(), spectra.magnesium_diboride(), spectra.hydride(2.0), spectra.soft(4.0)]
)
@pytest.mark.parametrize("mu_star", [0.0, 0.1, 0.16])
def test_the_gap_vanishes_where_the_eigenvalue_is_one(spectrum, mu_star):
    pairing = Pairing.allen_dynes(spectrum, mu_star)
    tc = critical_temperature(pairing)
    assert vanishing_gap_temperature(pairing, tc) == pytest.approx(tc, rel=2e-3)


@pytest.mark.parametrize("spectrum", [spectra.aluminium(), spectra.hydride(2.0), spectra.soft(4.0)])
def test_above_tc_there_is_no_gap_at_all(spectrum):
    pairing = Pairing.allen_dynes(spectrum, 0.1)
    tc = critical_temperature(pairing)
    assert pairing_eigenvalue(pairing, 0.99 * tc) > 1.0 > pairing_eigenvalue(pairing, 1.01 * tc)
    assert gap_function(pairing, 1.01 * tc) is None
    assert gap_function(pairing, 0.99 * tc) is not None


@pytest.mark.parametrize("coupling", [0.3, 1.0, 4.0])
def test_a_solution_fulfils_the_equations_written_out(coupling):
    # The equations of Margine and Giustino as double sums over positive and negative frequencies.
    spectrum = spectra.soft(coupling)
    pairing = Pairing(spectrum, 0.1, 150.0)
    temperature = 0.6 * critical_temperature(pairing)
    solution = gap_function(pairing, temperature)
    step = temperature / KELVIN_PER_MEV
    count = int(0.5 * (150.0 / (np.pi * step) + 1.0))
    frequencies = (2 * np.arange(-count, count) + 1) * np.pi * step
    delta, z = (
        np.interp(np.abs(frequencies), solution.frequencies_mev, values)
        for values in (solution.gap_mev, solution.renormalisation)
    )
    phonons = spectrum.energies_mev**2
    for index in range(count, count + 5):
        difference = (frequencies[index] - frequencies) ** 2
        kernel = (phonons / (phonons + difference[:, None])) @ spectrum.coupling
        root = np.sqrt(frequencies**2 + delta**2)
        assert z[index] == pytest.approx(
            1.0 + np.pi * step / frequencies[index] * (kernel * frequencies / root).sum(), rel=1e-4
        )
        assert z[index] * delta[index] == pytest.approx(np.pi * step * ((kernel - 0.1) * delta / root).sum(), rel=2e-3)


def test_tc_hardly_depends_on_the_cutoff():
    for spectrum in (spectra.aluminium(), spectra.magnesium_diboride(), spectra.hydride(2.0), spectra.soft(4.0)):
        low, high = (critical_temperature(Pairing.allen_dynes(spectrum, 0.1, cutoff)) for cutoff in (20.0, 80.0))
        assert low == pytest.approx(high, rel=5e-3)
    # With mu* taken as it is, the cutoff matters: that is what the rescaling is for.
    raw = [critical_temperature(Pairing(spectra.aluminium(), 0.1, cutoff)) for cutoff in (400.0, 1600.0)]
    assert raw[1] > 1.1 * raw[0]


def test_tc_against_mu_star():
    curve = tc_against_mu_star(spectra.magnesium_diboride(), [0.0, 0.1, 0.2, 0.3])
    assert all(low > high for low, high in pairwise(curve))


def test_where_repulsion_wins_there_is_no_tc():
    pairing = Pairing.allen_dynes(spectra.aluminium(), 0.4, cutoff=5.0)
    estimates = tc_estimates(pairing)
    assert estimates.eliashberg_k is None
    assert estimates.mcmillan_k == 0.0
    assert "no critical temperature" in gap_estimate(pairing, None).reason


def test_rescaled_mu_star():
    assert rescaled_mu_star(0.1, 40.0, 40.0) == pytest.approx(0.1)
    assert rescaled_mu_star(0.1, 40.0, 400.0) == pytest.approx(0.1 / (1.0 - 0.1 * np.log(10.0)))
    there_and_back = rescaled_mu_star(rescaled_mu_star(0.15, 40.0, 800.0), 800.0, 40.0)
    assert there_and_back == pytest.approx(0.15)


@pytest.mark.parametrize("mu_star", [-0.1, np.nan, np.inf])
def test_impossible_mu_star(mu_star):
    with pytest.raises(SpectrumError, match="Coulomb"):
        Pairing.allen_dynes(spectra.aluminium(), mu_star)


def test_mu_star_that_diverges_below_the_cutoff():
    with pytest.raises(SpectrumError, match="no finite value"):
        Pairing.allen_dynes(spectra.aluminium(), 0.5)
    assert Pairing.allen_dynes(spectra.aluminium(), 0.5, cutoff=5.0).mu_star_at(100.0) > 0.5


@pytest.mark.parametrize("cutoff", [0.0, -1.0, np.nan])
def test_impossible_cutoff(cutoff):
    with pytest.raises(SpectrumError, match="cutoff"):
        Pairing(spectra.aluminium(), 0.1, cutoff)


def test_cutoff_that_is_too_low_for_tc():
    with pytest.raises(SpectrumError, match="Matsubara"):
        critical_temperature(Pairing(spectra.soft(4.0), 0.0, 10.0))


def test_the_gap_edge_near_tc_is_refused_at_strong_coupling():
    # The gap is smaller than the first Matsubara frequency, and Pade approximants of different length disagree.
    pairing = Pairing.allen_dynes(spectra.soft(4.0), 0.1)
    tc = critical_temperature(pairing)
    with pytest.raises(SpectrumError, match="cannot be continued"):
        gap_edge(gap_function(pairing, 0.97 * tc))
    with pytest.raises(SpectrumError, match="no gap"):
        zero_temperature_gap(pairing, 20.0 * tc)
