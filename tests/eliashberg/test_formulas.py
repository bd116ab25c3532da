"""Tc formulas against published figures and analytic limits."""

import numpy as np
import pytest
from scipy.optimize import brentq

from invdesflow.eliashberg.formulas import KELVIN_PER_MEV, allen_dynes_tc, mcmillan_tc, sisso_tc


@pytest.mark.parametrize(("mu_star", "published"), [(0.10, 204.0), (0.13, 191.0)])
def test_hydrogen_sulphide_as_published(mu_star, published):
    # Duan et al., Sci. Rep. 4, 6968 (2014): Im-3m H3S at 200 GPa, lambda = 2.19, omega_log = 1334.6 K, f1 = f2 = 1.
    assert mcmillan_tc(2.19, 1334.6 / KELVIN_PER_MEV, mu_star) == pytest.approx(published, abs=0.6)


def test_lead_as_measured():
    # Allen and Dynes (1975), Table I: lead from tunnelling, lambda = 1.55, omega_log = 56 K, omega_2 = 65 K,
    # mu* = 0.105; measured Tc = 7.19 K.
    tc = allen_dynes_tc(1.55, 56 / KELVIN_PER_MEV, 65 / KELVIN_PER_MEV, 0.105)
    assert tc == pytest.approx(7.19, rel=0.02)
    assert mcmillan_tc(1.55, 56 / KELVIN_PER_MEV, 0.105) < 0.92 * tc  # McMillan alone is too low at strong coupling


def test_strong_coupling_limit():
    # Allen and Dynes: Tc -> 0.1827 omega_2 sqrt(lambda) for mu* = 0; their formula keeps it within 4 %.
    coupling = 1e6
    tc = allen_dynes_tc(coupling, 10.0, 12.0, 0.0)
    assert tc / (12.0 * KELVIN_PER_MEV * np.sqrt(coupling)) == pytest.approx(0.1827, rel=0.04)


def test_weak_coupling_limit():
    # For lambda -> 0 at mu* = 0 the exponent is -1.04 (1 + 1 / lambda), and f1 = f2 = 1.
    assert mcmillan_tc(0.05, 10.0, 0.0) == pytest.approx(10.0 * KELVIN_PER_MEV / 1.2 * np.exp(-1.04 * 21.0))
    assert allen_dynes_tc(0.05, 10.0, 11.0, 0.0) == pytest.approx(mcmillan_tc(0.05, 10.0, 0.0), rel=2e-3)


def test_no_superconductivity_where_repulsion_wins():
    boundary = 0.13 / (1 - 0.62 * 0.13)
    np.testing.assert_array_equal(mcmillan_tc([boundary * 0.999, 0.0], 20.0, 0.13), 0.0)
    assert mcmillan_tc(boundary * 1.5, 20.0, 0.13) > 0


def test_tc_scales_with_frequency_and_falls_with_repulsion():
    assert mcmillan_tc(0.8, 40.0) == pytest.approx(2 * mcmillan_tc(0.8, 20.0))
    assert (np.diff(mcmillan_tc(0.8, 20.0, np.linspace(0, 0.2, 9))) < 0).all()
    assert (np.diff(allen_dynes_tc(np.linspace(0.3, 3, 20), 20.0, 25.0)) > 0).all()


@pytest.mark.parametrize("bad", [(-0.1, 20.0, 0.1), (0.8, np.nan, 0.1), (0.8, 20.0, -0.1)])
def test_impossible_inputs_are_refused(bad):
    with pytest.raises(ValueError, match="must be finite"):
        mcmillan_tc(*bad)


def test_second_moment_below_logarithmic_average_is_refused():
    with pytest.raises(ValueError, match="omega_2"):
        allen_dynes_tc(0.8, 20.0, 19.0)


def test_sisso_formula_as_printed_by_epw():
    # epw.x 6.0 on a spectrum with lambda 0.3745470, omega_log 29.6213 meV, mu* = 0.1: Tc by McMillan 0.9701 K, by Allen
    # and Dynes 0.9826 K, by the SISSO formula 1.0276 K. omega_2, which it does not print, follows from the second.
    moments = 0.3745470, 29.6213
    assert mcmillan_tc(*moments, 0.1) == pytest.approx(0.9701, abs=1e-4)
    omega_2 = brentq(lambda value: float(allen_dynes_tc(*moments, value, 0.1)) - 0.9826, 29.7, 60.0)
    assert sisso_tc(*moments, omega_2, 0.1) == pytest.approx(1.0276, rel=1e-3)


def test_sisso_formula_at_its_edges():
    assert sisso_tc(0.1, 20.0, 22.0, 0.13) == 0.0  # the repulsion wins
    assert np.isfinite(sisso_tc(1.5, 20.0, 22.0, 0.0))
    pole = 1.0 / (0.1 + 20.0 / 22.0)
    assert np.isnan(sisso_tc(pole * 1.00001, 20.0, 22.0, 0.1))  # beside its pole the factor f_mu is negative
    with pytest.raises(ValueError, match="omega_2"):
        sisso_tc(1.0, 20.0, 19.0, 0.1)
