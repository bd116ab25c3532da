"""The critical temperature from the Eliashberg equations."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq

from invdesflow.eliashberg.formulas import KELVIN_PER_MEV
from invdesflow.eliashberg.migdal_eliashberg import gap_function, pairing_eigenvalue
from invdesflow.eliashberg.pade import gap_edge
from invdesflow.eliashberg.pairing import CUTOFF, Pairing
from invdesflow.eliashberg.spectrum import Alpha2F
from invdesflow.errors import SpectrumError

__all__ = [
    "LOWEST_TEMPERATURE_K",
    "critical_temperature",
    "tc_against_mu_star",
    "vanishing_gap_temperature",
    "zero_temperature_gap",
]

LOWEST_TEMPERATURE_K = 1e-3
"""A Tc below this is not looked for."""

_ASYMPTOTE = 0.2
"""Tc stays below 0.1827 omega_2 sqrt(lambda) for every spectrum (Allen and Dynes 1975); rounded up, to bracket it."""

_BRACKET = 3.0

_COLD = 0.1
"""At this share of Tc the gap differs from that at T = 0 by less than 0.1 %."""


def critical_temperature(pairing: Pairing) -> float | None:
    """Find the temperature at which the largest eigenvalue of the linearised gap equation is 1.

    Returns
    -------
    float or None
        Tc in K; None if the normal state is stable down to `LOWEST_TEMPERATURE_K`.

    Raises
    ------
    SpectrumError
        If the cutoff is too low to hold one Matsubara frequency at the temperatures in question.
    """
    spectrum = pairing.spectrum
    highest = _ASYMPTOTE * spectrum.omega_2_mev * np.sqrt(spectrum.lambda_) * KELVIN_PER_MEV

    def excess(log_temperature: float) -> float:
        return pairing_eigenvalue(pairing, float(np.exp(log_temperature))) - 1.0

    if highest > LOWEST_TEMPERATURE_K and excess(np.log(highest)) >= 0.0:
        raise SpectrumError(
            f"Below the cutoff of {pairing.cutoff_mev:.4g} meV lie too few Matsubara frequencies to find Tc.",
            "Raise the cutoff.",
        )
    while highest > LOWEST_TEMPERATURE_K:
        lower = max(highest / _BRACKET, LOWEST_TEMPERATURE_K)
        if excess(np.log(lower)) > 0.0:
            return float(np.exp(brentq(excess, np.log(lower), np.log(highest), xtol=1e-6)))
        highest = lower
    return None


def tc_against_mu_star(spectrum: Alpha2F, mu_stars: Sequence[float], cutoff: float = CUTOFF) -> list[float | None]:
    """Tc in K, or None, for each mu* (of the highest phonon energy, see `Pairing.allen_dynes`)."""
    return [critical_temperature(Pairing.allen_dynes(spectrum, mu_star, cutoff)) for mu_star in mu_stars]


def zero_temperature_gap(pairing: Pairing, tc_k: float) -> float:
    """Edge of the gap in meV at a tenth of Tc, which is that at T = 0.

    Parameters
    ----------
    pairing
        Interaction and cutoff.
    tc_k
        Its `critical_temperature`.

    Raises
    ------
    SpectrumError
        If there is no gap, or it cannot be continued to the real axis.
    """
    solution = gap_function(pairing, _COLD * tc_k)
    if solution is None:
        raise SpectrumError(
            f"There is no gap at {_COLD * tc_k:.4g} K.", "Give the critical temperature of this interaction."
        )
    return gap_edge(solution)


def vanishing_gap_temperature(pairing: Pairing, tc_k: float) -> float:
    r"""Tc in K from the gap alone: a check of `critical_temperature` that does not share its equation.

    The gap is solved at four temperatures just below `tc_k`, and T as a polynomial in :math:`\Delta^2(i\omega_0)` is
    taken to zero gap.

    Raises
    ------
    SpectrumError
        If there is no gap at these temperatures.
    """
    temperatures = tc_k * np.array([0.90, 0.93, 0.96, 0.99])
    solutions = [gap_function(pairing, float(temperature)) for temperature in temperatures]
    gaps = [solution.gap_mev[0] for solution in solutions if solution is not None]
    if len(gaps) < len(temperatures):
        raise SpectrumError(f"The gap has vanished below {tc_k:.4g} K already.", "Give a lower estimate of Tc.")
    squares = np.square(gaps) / np.square(gaps[0])
    return float(np.polynomial.Polynomial.fit(squares, temperatures, 2)(0.0))
