"""What a calculation is worth before it is made, by the usual acquisition functions.

All are returned as logarithms: far below the best Tc known, the expected improvement is smaller than any floating-point
number, and candidates must still be told apart (Ament et al., NeurIPS 2023, "Unexpected improvements to expected
improvement for Bayesian optimization").
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, log_ndtr

__all__ = [
    "log_committee_spread",
    "log_expected_gradient",
    "log_expected_improvement",
    "log_of",
    "log_upper_confidence_bound",
]

FloatArray = NDArray[np.float64]
_TAIL = -1e4
"""Below it 1 + z Phi(z) / phi(z) is lost to rounding, and its expansion 1/z^2 is exact to 3e-8."""


def log_of(values: FloatArray) -> FloatArray:
    """Return the natural logarithm; minus infinity of zero, without a warning."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(values), dtype=np.float64)


def log_expected_improvement(mean: FloatArray, std: FloatArray, best: float, xi: float) -> FloatArray:
    """Return ln E[max(T - best - xi, 0)] for T normally distributed (Jones, Schonlau & Welch 1998, eq. 15).

    Parameters
    ----------
    mean, std
        Of T, in K; without a spread the improvement of the mean counts, shape (n,).
    best, xi
        Tc to beat and the margin, K.
    """
    gain = mean - best - xi
    with np.errstate(all="ignore"):  # where there is no spread, z is infinite and the limits are right
        z = np.where(std > 0, gain / std, np.where(gain > 0, np.inf, -np.inf))
        log_density = log_of(std) - 0.5 * z**2 - 0.5 * np.log(2.0 * np.pi)
        above = np.logaddexp(log_density, log_of(np.maximum(gain, 0.0)) + log_ndtr(z))
        below = log_density + log_of(_remaining_share(np.minimum(z, 0.0)))
    return np.asarray(np.where(gain > 0, above, below), dtype=np.float64)


def _remaining_share(z: FloatArray) -> FloatArray:
    """Return 1 + z Phi(z) / phi(z) for z <= 0: the expected improvement of a normal variable over std phi(z)."""
    mills = np.sqrt(np.pi / 2.0) * erfcx(-z / np.sqrt(2.0))
    return np.where(z > _TAIL, 1.0 + z * mills, 1.0 / np.maximum(z**2, 1.0))


def log_upper_confidence_bound(mean: FloatArray, std: FloatArray, kappa: float) -> FloatArray:
    """Return ln(mean + kappa std), shape (n,); Tc and its spread are in K and not negative."""
    return log_of(mean + kappa * std)


def log_committee_spread(committee: FloatArray) -> FloatArray:
    """Return the logarithm of the standard deviation (K) among members of a committee.

    Parameters
    ----------
    committee
        Tc by each of at least two members, K, shape (n, members).
    """
    return log_of(committee.std(axis=1, ddof=1))


def log_expected_gradient(std: FloatArray, standardised: FloatArray) -> FloatArray:
    """Return the logarithm of how far the expected gradient moves a linear model (Cai, Zhang & Zhou, ICDM 2013, eq. 6).

    The gradient of the squared error with respect to the weights of a linear model is (prediction - label) x. Over a
    normally distributed label its norm is on average std sqrt(2/pi) |x|, with x the standardised features and the
    constant 1 of the intercept. It stands for the last layer of whatever model is asked.

    Parameters
    ----------
    std
        Standard deviation of the prediction, K, shape (n,).
    standardised
        Features of mean 0 and variance 1, shape (n, features).
    """
    norm = np.sqrt(1.0 + (standardised**2).sum(axis=1))
    return log_of(np.sqrt(2.0 / np.pi) * std * norm)
