"""The calculations that one row of a computed set stands for."""

from invdesflow.eliashberg.formulas import mcmillan_tc
from invdesflow.superconductors.documents import Calculation

__all__ = ["COMMON_MU_STAR", "calculations"]

COMMON_MU_STAR = 0.10
"""Coulomb pseudopotential at which the Tc of all computed sets can be compared."""


def calculations(
    lambda_: float,
    omega_log_mev: float,
    tc_k: float,
    *,
    published_mu_star: float,
    published_formula: str,
    source: str,
    doi: str,
) -> list[Calculation]:
    """Return the published Tc, and the Tc recomputed at the common mu*.

    Parameters
    ----------
    lambda_
        Electron-phonon coupling strength.
    omega_log_mev
        Logarithmic average phonon frequency in meV.
    tc_k
        Published Tc in K.
    published_mu_star, published_formula
        What it was published with.
    source, doi
        Where.

    Notes
    -----
    The sets do not give omega_2, so that the strong-coupling factors of Allen and Dynes cannot be recomputed: they
    are 1 in the recomputed value.
    """
    common = {"lambda_": lambda_, "omega_log_mev": omega_log_mev, "source": source, "doi": doi}
    recomputed = float(mcmillan_tc(lambda_, omega_log_mev, COMMON_MU_STAR))
    return [
        Calculation(method=f"published: {published_formula}", mu_star=published_mu_star, tc_k=tc_k, **common),
        Calculation(
            method="recomputed: McMillan-Allen-Dynes with f1 = f2 = 1",
            mu_star=COMMON_MU_STAR,
            tc_k=recomputed,
            **common,
        ),
    ]
