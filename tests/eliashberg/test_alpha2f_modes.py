"""alpha2F from modes: its sum rule and its shape."""

import numpy as np
import pytest

from invdesflow.eliashberg.modes import alpha2f_from_modes
from invdesflow.errors import SpectrumError


@pytest.fixture
def modes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(7)
    return random.random((20, 6)) * 0.2, 4.0 + 60.0 * random.random((20, 6)), random.random(20)


@pytest.mark.parametrize("smearing", [0.05, 0.5, 3.0, 10.0])
def test_sum_rule(modes, smearing):
    lambda_qv, energies, weights = modes
    expected = (weights / weights.sum()) @ lambda_qv.sum(axis=1)
    assert alpha2f_from_modes(lambda_qv, energies, weights, smearing).lambda_ == pytest.approx(expected, rel=1e-12)


def test_averages_for_a_small_smearing(modes):
    lambda_qv, energies, weights = modes
    spectrum = alpha2f_from_modes(lambda_qv, energies, weights, 0.05)
    shares = lambda_qv * weights[:, None]
    assert spectrum.omega_log_mev == pytest.approx(np.exp(np.average(np.log(energies), weights=shares)), rel=1e-4)
    assert spectrum.omega_2_mev == pytest.approx(np.sqrt(np.average(energies**2, weights=shares)), rel=1e-4)


def test_shape_of_one_mode():
    spectrum = alpha2f_from_modes([[0.6]], [[20.0]], [1.0], 1.0)
    gauss = np.exp(-0.5 * (spectrum.energies_mev - 20.0) ** 2) / np.sqrt(2.0 * np.pi)
    np.testing.assert_allclose(spectrum.values, 0.5 * 0.6 * spectrum.energies_mev * gauss, atol=0.02)


def test_modes_without_coupling_may_have_any_energy():
    spectrum = alpha2f_from_modes([[0.0, 0.0, 0.3]], [[-1.0, 0.0, 10.0]], [1.0])
    assert spectrum.lambda_ == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("lambda_qv", "energies", "weights", "smearing", "problem"),
    [
        ([[0.1]], [[-3.0]], [1.0], 0.5, "no positive energy"),
        ([[0.1, 0.2]], [[3.0]], [1.0], 0.5, "do not fit"),
        ([[0.1]], [[3.0]], [1.0, 1.0], 0.5, "do not fit"),
        ([[np.nan]], [[3.0]], [1.0], 0.5, "not finite"),
        ([[-0.1]], [[3.0]], [1.0], 0.5, "not be negative"),
        ([[0.0]], [[3.0]], [1.0], 0.5, "all zero"),
        ([[0.1]], [[3.0]], [0.0], 0.5, "all zero"),
        ([[0.1]], [[3.0]], [1.0], 0.0, "smearing"),
    ],
)
def test_what_makes_no_spectrum(lambda_qv, energies, weights, smearing, problem):
    with pytest.raises(SpectrumError, match=problem):
        alpha2f_from_modes(lambda_qv, energies, weights, smearing)
