"""Tc of one spectrum by every method, side by side."""

from dataclasses import dataclass

import numpy as np

from invdesflow.eliashberg.critical_temperature import LOWEST_TEMPERATURE_K, critical_temperature, zero_temperature_gap
from invdesflow.eliashberg.formulas import KELVIN_PER_MEV, allen_dynes_tc, mcmillan_tc, sisso_tc
from invdesflow.eliashberg.pairing import Pairing
from invdesflow.errors import SpectrumError

__all__ = ["GapEstimate", "TcEstimates", "gap_estimate", "tc_estimates"]


@dataclass(frozen=True, slots=True)
class TcEstimates:
    """Critical temperatures in K for one mu*.

    Attributes
    ----------
    mu_star
        Coulomb pseudopotential as it was given.
    mcmillan_k
        McMillan's formula with omega_log (Allen-Dynes without f1 and f2); 0 where the repulsion wins.
    allen_dynes_k
        Allen and Dynes' formula with f1 and f2; 0 where the repulsion wins.
    sisso_k
        Formula of Xie et al.; None where it has no meaning.
    eliashberg_k
        Isotropic Eliashberg equations; None where there is no Tc above a millikelvin.
    """

    mu_star: float
    mcmillan_k: float
    allen_dynes_k: float
    sisso_k: float | None
    eliashberg_k: float | None


@dataclass(frozen=True, slots=True)
class GapEstimate:
    """Gap at T = 0.

    Attributes
    ----------
    gap_mev
        Edge of the gap in meV; None where there is none, with the reason.
    ratio
        2 gap / k_B Tc; 3.53 in the limit of weak coupling.
    reason
        Why there is no number; empty where there is one.
    """

    gap_mev: float | None = None
    ratio: float | None = None
    reason: str = ""


def tc_estimates(pairing: Pairing) -> TcEstimates:
    """Tc by all methods; the formulas take `pairing.mu_star` as it is.

    Raises
    ------
    SpectrumError
        If the Matsubara cutoff is too low.
    """
    spectrum = pairing.spectrum
    moments = (spectrum.lambda_, spectrum.omega_log_mev, spectrum.omega_2_mev)
    sisso = float(sisso_tc(*moments, pairing.mu_star))
    return TcEstimates(
        mu_star=pairing.mu_star,
        mcmillan_k=float(mcmillan_tc(*moments[:2], pairing.mu_star)),
        allen_dynes_k=float(allen_dynes_tc(*moments, pairing.mu_star)),
        sisso_k=None if np.isnan(sisso) else sisso,
        eliashberg_k=critical_temperature(pairing),
    )


def gap_estimate(pairing: Pairing, tc_k: float | None) -> GapEstimate:
    """Gap at T = 0 and its ratio to Tc; a gap that cannot be continued to the real axis is a reason, not an error.

    Parameters
    ----------
    pairing
        Interaction and cutoff.
    tc_k
        Its critical temperature in K, or None.
    """
    if tc_k is None:
        return GapEstimate(reason=f"no critical temperature above {1000.0 * LOWEST_TEMPERATURE_K:g} mK")
    try:
        gap = zero_temperature_gap(pairing, tc_k)
    except SpectrumError as error:
        return GapEstimate(reason=error.problem)
    return GapEstimate(gap, 2.0 * gap * KELVIN_PER_MEV / tc_k)
