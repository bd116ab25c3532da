"""Moments of spectra that can be integrated by hand."""

import numpy as np
import pytest
import spectra

from invdesflow.eliashberg.spectrum import Alpha2F
from invdesflow.errors import SpectrumError


def debye(points: int) -> Alpha2F:
    """alpha2F = 0.8 (omega / 30 meV)^2 up to 30 meV, sampled in the middle of cells as matdyn.x does; lambda = 0.8."""
    energies = (np.arange(points) + 0.5) * 30.0 / points
    return Alpha2F(energies, 0.8 * (energies / 30.0) ** 2)


def test_moments_of_a_debye_spectrum():
    spectrum = debye(1000)
    assert spectrum.lambda_ == pytest.approx(0.8, rel=1e-6)
    assert spectrum.omega_log_mev == pytest.approx(30.0 * np.exp(-0.5), rel=1e-5)
    assert spectrum.omega_2_mev == pytest.approx(30.0 / np.sqrt(2.0), rel=1e-5)
    assert spectrum.omega_max_mev == pytest.approx(30.0, rel=1e-3)


def test_lambda_where_alpha2f_starts_linearly():
    # The integrand alpha2F / omega is constant down to zero energy, so the first cell counts in full.
    energies = np.arange(1, 201) * 0.1
    assert Alpha2F(energies, 0.01 * energies).lambda_ == pytest.approx(2 * 0.01 * 20.0, rel=1e-12)


def test_cumulative_lambda_ends_at_lambda():
    spectrum = spectra.aluminium()
    cumulative = spectrum.cumulative_lambda
    assert (np.diff(cumulative) >= 0.0).all()
    assert cumulative[-1] == pytest.approx(spectrum.lambda_)
    middle = spectrum.energies_mev < 29.0
    assert cumulative[middle][-1] == pytest.approx(spectrum.coupling[middle].sum())


def test_scaling_and_moving():
    spectrum = spectra.magnesium_diboride()
    assert spectrum.scaled(2.5).lambda_ == pytest.approx(2.5 * spectrum.lambda_)
    moved = spectrum.moved(1.2 * spectrum.energies_mev)
    assert moved.lambda_ == pytest.approx(spectrum.lambda_)
    assert moved.omega_log_mev == pytest.approx(1.2 * spectrum.omega_log_mev)


def test_a_spectrum_cannot_be_changed():
    spectrum = spectra.aluminium()
    with pytest.raises(ValueError, match="read-only"):
        spectrum.values[0] = 1.0


@pytest.mark.parametrize(
    ("energies", "values", "problem"),
    [
        ([1, 2], [1, 1], "at least 3"),
        ([1, 2, 3], [1, 1], "at least 3"),
        ([[1, 2, 3]], [[1, 1, 1]], "at least 3"),
        ([1, 2, np.nan], [1, 1, 1], "not finite"),
        ([1, 2, 3], [1, np.inf, 1], "not finite"),
        ([1, 3, 2], [1, 1, 1], "increasing"),
        ([0, 1, 2], [0, 1, 1], "positive"),
        ([1, 2, 3], [1, -1e-6, 1], "negative"),
        ([1, 2, 3], [0, 0, 0], "zero everywhere"),
    ],
)
def test_what_is_no_spectrum_is_refused(energies, values, problem):
    with pytest.raises(SpectrumError, match=problem):
        Alpha2F(np.array(energies, dtype=float), np.array(values, dtype=float))


@pytest.mark.parametrize("factor", [0.0, -1.0, np.nan])
def test_scaling_by_nonsense_is_refused(factor):
    with pytest.raises(SpectrumError):
        spectra.aluminium().scaled(factor)
