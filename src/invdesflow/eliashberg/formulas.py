"""Closed formulas for the critical temperature of a phonon-mediated superconductor."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["KELVIN_PER_MEV", "allen_dynes_tc", "mcmillan_tc", "sisso_tc"]

KELVIN_PER_MEV = 11.604518121550082
"""1 meV / k_B in K, exact in the 2019 SI."""

FloatArray = NDArray[np.float64]


def mcmillan_tc(lambda_: ArrayLike, omega_log_mev: ArrayLike, mu_star: ArrayLike = 0.10) -> FloatArray:
    r"""McMillan's formula with the logarithmic average frequency as its prefactor.

    It is also called the Allen-Dynes formula without f1 and f2; the Allen-Dynes Tc that epw.x up to 5.3 prints is
    this one.

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
    ratio = _second_moment(omega_2_mev, frequency) / frequency
    strong = (1.0 + (coupling / (2.46 * (1.0 + 3.8 * coulomb))) ** 1.5) ** (1.0 / 3.0)
    width = 1.82 * (1.0 + 6.3 * coulomb) * ratio
    shape = 1.0 + (ratio - 1.0) * coupling**2 / (coupling**2 + width**2)
    return strong * shape * mcmillan_tc(coupling, frequency, coulomb)


def sisso_tc(
    lambda_: ArrayLike, omega_log_mev: ArrayLike, omega_2_mev: ArrayLike, mu_star: ArrayLike = 0.10
) -> FloatArray:
    r"""Apply the formula that Xie et al. found by symbolic regression (SISSO) on solutions of the Eliashberg equations.

    .. math::
        T_c &= f_\omega f_\mu T_c^{McMillan} \\
        f_\omega &= 1.92 \frac{\lambda + \omega_{log} / \omega_2 - \sqrt[3]{\mu^*}}
                              {\sqrt{\lambda} \exp(\omega_{log} / \omega_2)} - 0.08 \\
        f_\mu &= \frac{6.86 \exp(-\lambda / \mu^*)}{1 / \lambda - \mu^* - \omega_{log} / \omega_2} + 1

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
        Tc in K; 0 where `mcmillan_tc` is 0, NaN where a factor is negative or not finite: there the formula has no
        meaning.

    Raises
    ------
    ValueError
        If an input is negative or not finite, or omega_2 is below omega_log, which no spectrum allows.

    Notes
    -----
    Xie et al., npj Comput. Mater. 8, 14 (2022), eqs. 6 to 8 of arXiv:2106.05235; epw.x prints it from version 5.5 on.
    It was fitted to mu* between 0.1 and 0.16, and f_mu has a pole at 1 / lambda = mu* + omega_log / omega_2: near it,
    at lambda about 1, look at the other methods.
    """
    coupling, frequency, coulomb = _checked(lambda_, omega_log_mev, mu_star)
    ratio = frequency / _second_moment(omega_2_mev, frequency)
    mcmillan = mcmillan_tc(coupling, frequency, coulomb)
    with np.errstate(divide="ignore", invalid="ignore"):
        shape = 1.92 * (coupling + ratio - np.cbrt(coulomb)) / (np.sqrt(coupling) * np.exp(ratio)) - 0.08
        repulsion = 6.86 * np.exp(-coupling / coulomb) / (1.0 / coupling - coulomb - ratio) + 1.0
        meaningful = (shape > 0.0) & (repulsion > 0.0) & np.isfinite(repulsion)
        return np.where(mcmillan > 0.0, np.where(meaningful, shape * repulsion * mcmillan, np.nan), 0.0)


def _second_moment(omega_2_mev: ArrayLike, frequency: FloatArray) -> FloatArray:
    (second,) = _checked(omega_2_mev)
    if (second < frequency * (1.0 - 1e-9)).any() or (frequency == 0.0).any():
        raise ValueError("omega_2 must not be below omega_log, and omega_log must be positive")
    return second


def _checked(*inputs: Any) -> tuple[FloatArray, ...]:
    arrays = tuple(np.asarray(value, dtype=np.float64) for value in inputs)
    if any((~np.isfinite(array) | (array < 0.0)).any() for array in arrays):
        raise ValueError("lambda, the phonon frequencies and mu* must be finite and not negative")
    return arrays
