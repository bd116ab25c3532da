"""Sums over quadrature nodes against the full sums."""

from functools import partial

import numpy as np
import pytest
import spectra
from scipy.special import digamma

from invdesflow.eliashberg import migdal_eliashberg
from invdesflow.eliashberg.critical_temperature import critical_temperature
from invdesflow.eliashberg.formulas import KELVIN_PER_MEV
from invdesflow.eliashberg.matsubara import matsubara_grid
from invdesflow.eliashberg.migdal_eliashberg import pairing_eigenvalue
from invdesflow.eliashberg.pairing import Pairing
from invdesflow.errors import SpectrumError


def test_few_frequencies_are_summed_one_by_one():
    grid = matsubara_grid(100.0, 900.0)
    np.testing.assert_array_equal(grid.numbers[:12], np.arange(12))
    np.testing.assert_array_equal(grid.weights[:12], 1.0)
    assert grid.weights.sum() == pytest.approx(grid.count)
    step = np.pi * 100.0 / KELVIN_PER_MEV
    assert (2 * grid.count - 1) * step <= 900.0 < (2 * grid.count + 1) * step


def test_the_logarithm_of_bcs_at_a_millikelvin():
    # sum of 1 / (n + 1/2) = digamma(N + 1/2) - digamma(1/2)
    grid = matsubara_grid(1e-3, 1000.0)
    assert len(grid.numbers) < 320 < 1_000_000 < grid.count
    exact = digamma(grid.count + 0.5) - digamma(0.5)
    assert grid.weights @ (1.0 / (grid.numbers + 0.5)) == pytest.approx(exact, rel=1e-10)


@pytest.mark.parametrize(
    ("spectrum", "mu_star"),
    [
        (spectra.aluminium(), 0.0),
        (spectra.aluminium(), 0.1),
        (spectra.magnesium_diboride(), 0.16),
        (spectra.soft(0.6), 0.12),
        (spectra.einstein(20.0, 0.5), 0.1),
    ],
)
def test_tc_as_from_all_frequencies(spectrum, mu_star, monkeypatch):
    pairing = Pairing.allen_dynes(spectrum, mu_star)
    tc = critical_temperature(pairing)
    assert tc is not None
    few = pairing_eigenvalue(pairing, tc)
    monkeypatch.setattr(migdal_eliashberg, "matsubara_grid", partial(matsubara_grid, order=10_000))
    assert len(migdal_eliashberg.matsubara_grid(tc, pairing.cutoff_mev).numbers) >= 3 * len(
        matsubara_grid(tc, pairing.cutoff_mev).numbers
    )
    assert few == pytest.approx(pairing_eigenvalue(pairing, tc), rel=1e-6)


@pytest.mark.parametrize("temperature", [0.0, -1.0, np.nan, np.inf, 1e9])
def test_impossible_temperatures_are_refused(temperature):
    with pytest.raises(SpectrumError):
        matsubara_grid(temperature, 300.0)
