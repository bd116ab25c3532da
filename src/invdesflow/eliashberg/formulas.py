"""Closed formulas for the critical temperature of a phonon-mediated superconductor."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["KELVIN_PER_MEV", "allen_dynes_tc", "mcmillan_tc"]

KELVIN_PER_MEV = 11.604518121550082
"""1 meV / k_B in K, exact in the 2019 SI."""

FloatArray = NDArray[np.float64]


def mcmillan_tc(lambda_: ArrayLike, omega_log_mev: ArrayLike, mu_star: ArrayLike = 0.10) -> FloatArray:
    r"""McMillan's formula with the logarithmic average frequency as its prefactor.

    .. math::
        T_c = \frac{\omega_{log}}{1.2}
              \exp\left(\frac{-1.04 (1 + \lambda)}{\lambda - \mu^* (1 + 0.62 \lambda)}\right)

    Parameters
    ----------
    lambda_
        Electron-phonon coupling strength, any shape.
    omega_log_mev
        Logarithmic average of the phonon frequencies in meV.
    mu_star
        Coulomb pseudopotential.

    Returns
    -------
    ndarray
        Tc in K. It is 0 where lambda <= mu* (1 + 0.62 lambda): there the repulsion wins and no gap opens.

    Raises
    ------
    ValueError
        If an input is negative or not finite.

    Notes
    -----
    McMillan, Phys. Rev. 167, 331 (1968), eq. 18, with the prefactor of Allen and Dynes, Phys. Rev. B 12, 905 (1975),
    eq. 33. It underestimates Tc for lambda above about 1.5.
    """
    coupling, frequency, coulomb = _checked(lambda_, omega_log_mev, mu_star)
    attraction = coupling - coulomb * (1.0 + 0.62 * coupling)
    superconducts = attraction > 0.0
    exponent = -1.04 * (1.0 + coupling) / np.where(superconducts, attraction, 1.0)
    return np.where(superconducts, frequency * KELVIN_PER_MEV / 1.2 * np.exp(exponent), 0.0)


def allen_dynes_tc(
    lambda_: ArrayLike, omega_log_mev: ArrayLike, omega_2_mev: ArrayLike, mu_star: ArrayLike = 0.10
) -> FloatArray:
    r"""Allen and Dynes' formula: McMillan's times the strong-coupling factor f1 and the shape factor f2.

    .. math::
        f_1 &= \left[1 + \left(\frac{\lambda}{2.46 (1 + 3.8 \mu^*)}\right)^{3/2}\right]^{1/3} \\
        f_2 &= 1 + \frac{(\omega_2 / \omega_{log} - 1) \lambda^2}{\lambda^2 +
               [1.82 (1 + 6.3 \mu^*) \omega_2 / \omega_{log}]^2}

    Parameters
    ----------
    lambda_
        Electron-phonon coupling strength, any shape.
    omega_log_mev
        Logarithmic average of the phonon frequencies in meV, positive.
    omega_2_mev
        Root mean square of the phonon frequencies with the weight of alpha2F / omega, in meV, at least `omega_log_mev`.
    mu_star
        Coulomb pseudopotential.

    Returns
    -------
    ndarray
        Tc in K; 0 where `mcmillan_tc` is 0.

    Raises
    ------
    ValueError
        If an input is negative or not finite, or omega_2 is below omega_log, which no spectrum allows.

    Notes
    -----
    Allen and Dynes, Phys. Rev. B 12, 905 (1975), eqs. 34 to 38.
    """
    coupling, frequency, coulomb = _checked(lambda_, omega_log_mev, mu_star)
    (second,) = _checked(omega_2_mev)
    if (second < frequency * (1.0 - 1e-9)).any() or (frequency == 0.0).any():
        raise ValueError("omega_2 must not be below omega_log, and omega_log must be positive")
    ratio = second / frequency
    strong = (1.0 + (coupling / (2.46 * (1.0 + 3.8 * coulomb))) ** 1.5) ** (1.0 / 3.0)
    width = 1.82 * (1.0 + 6.3 * coulomb) * ratio
    shape = 1.0 + (ratio - 1.0) * coupling**2 / (coupling**2 + width**2)
    return strong * shape * mcmillan_tc(coupling, frequency, coulomb)


def _checked(*inputs: Any) -> tuple[FloatArray, ...]:
    arrays = tuple(np.asarray(value, dtype=np.float64) for value in inputs)
    if any((~np.isfinite(array) | (array < 0.0)).any() for array in arrays):
        raise ValueError("lambda, the phonon frequencies and mu* must be finite and not negative")
    return arrays
