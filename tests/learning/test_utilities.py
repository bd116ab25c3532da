"""Acquisition functions against integrals."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from invdesflow.learning.utilities import (
    log_committee_spread,
    log_expected_gradient,
    log_expected_improvement,
    log_upper_confidence_bound,
)


def expected_improvement(mean: float, std: float, best: float, xi: float = 0.0) -> float:
    return float(np.exp(log_expected_improvement(np.array([mean]), np.array([std]), best, xi)[0]))


@pytest.mark.parametrize(
    ("mean", "std", "best", "xi"), [(12.0, 3.0, 15.0, 0.0), (20.0, 4.0, 15.0, 2.0), (3.0, 2.0, 15.0, 0)]
)
def test_expected_improvement_is_the_integral(mean: float, std: float, best: float, xi: float) -> None:
    threshold = best + xi
    upper = mean + 12 * std + threshold
    integral, _ = quad(
        lambda t: (t - threshold) * norm.pdf(t, mean, std),
        threshold,
        upper,
        points=[mean + std],
        epsabs=0,
        epsrel=1e-10,
    )
    assert expected_improvement(mean, std, best, xi) == pytest.approx(integral, rel=1e-8)


def test_expected_improvement_keeps_the_order_where_it_underflows() -> None:
    # 39 K is known; 5 K and 6 K with an error of 0.5 K are 68 and 66 standard deviations away
    values = log_expected_improvement(np.array([5.0, 6.0, 6.0]), np.array([0.5, 0.5, 0.6]), 39.0, 0.0)
    assert np.isfinite(values).all()
    assert values[0] < values[1] < values[2]


@pytest.mark.parametrize("z", [-9.9e3, -1.01e4, -1e5])
def test_expected_improvement_far_below_follows_its_expansion(z: float) -> None:
    # phi(z) + z Phi(z) = phi(z) (1/z^2 - 3/z^4 + ...), Abramowitz & Stegun 26.2.12
    value = log_expected_improvement(np.array([z]), np.array([1.0]), 0.0, 0.0)[0]
    density = -0.5 * z**2 - 0.5 * np.log(2 * np.pi)
    assert value - density == pytest.approx(np.log(1 / z**2 - 3 / z**4), abs=1e-6)  # of numbers up to 5e9


def test_expected_improvement_without_spread_is_the_improvement_of_the_mean() -> None:
    values = np.exp(log_expected_improvement(np.array([18.0, 15.0, 3.0]), np.zeros(3), 15.0, 1.0))
    assert values == pytest.approx([2.0, 0.0, 0.0])


def test_expected_improvement_has_the_limit_of_no_spread() -> None:
    means = np.array([18.0, 15.0, 3.0])
    values = [log_expected_improvement(means, np.full(3, std), 15.0, 1.0) for std in (1e-320, 1e-9)]
    assert np.exp(values) == pytest.approx(np.array([[2.0, 0.0, 0.0]] * 2))
    assert not np.isnan(values).any()


def test_upper_confidence_bound() -> None:
    values = np.exp(log_upper_confidence_bound(np.array([3.0, 0.0]), np.array([2.0, 0.0]), 1.5))
    assert values == pytest.approx([6.0, 0.0])


def test_committee_spread_is_the_sample_deviation() -> None:
    assert np.exp(log_committee_spread(np.array([[1.0, 3.0], [2.0, 2.0]]))) == pytest.approx([np.sqrt(2.0), 0.0])


def test_expected_gradient_is_the_mean_over_labels() -> None:
    rng = np.random.default_rng(1)
    features, std, mean = rng.normal(size=4), 1.7, 6.0
    with_intercept = np.append(features, 1.0)
    integral, _ = quad(
        lambda y: np.linalg.norm((mean - y) * with_intercept) * norm.pdf(y, mean, std),
        mean - 12 * std,
        mean + 12 * std,
        points=[mean],
    )
    assert np.exp(log_expected_gradient(np.array([std]), features[None]))[0] == pytest.approx(integral, rel=1e-7)
