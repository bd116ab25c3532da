"""The Coulomb pseudopotential mu* at different energies."""

import math

from invdesflow.errors import SpectrumError

__all__ = ["check_mu_star", "rescaled_mu_star"]


def rescaled_mu_star(mu_star: float, from_mev: float, to_mev: float) -> float:
    r"""Carry mu* from one cutoff energy to another.

    .. math::
        \frac{1}{\mu^*(\omega_2)} = \frac{1}{\mu^*(\omega_1)} + \ln\frac{\omega_1}{\omega_2}

    The mu* of the formulas for Tc belongs to the highest phonon energy; that of the Matsubara sums belongs to their
    cutoff, where it is larger, because less of the repulsion has been folded in.

    Parameters
    ----------
    mu_star
        Coulomb pseudopotential at `from_mev`, not negative.
    from_mev, to_mev
        Cutoff energies in meV, positive.

    Returns
    -------
    float
        Coulomb pseudopotential at `to_mev`.

    Raises
    ------
    SpectrumError
        If mu* is negative or not finite, or has grown beyond all bounds below `to_mev`.

    Notes
    -----
    Morel and Anderson, Phys. Rev. 125, 1263 (1962); for the cutoff of Matsubara sums Allen and Dynes, Phys. Rev. B
    12, 905 (1975), and Allen and Mitrovic, Solid State Physics 37, 1 (1982).
    """
    check_mu_star(mu_star)
    screening = 1.0 + mu_star * math.log(from_mev / to_mev)
    if screening <= 0.0:
        raise SpectrumError(
            f"mu* = {mu_star:g} at {from_mev:.4g} meV has no finite value at the cutoff of {to_mev:.4g} meV.",
            "Use a smaller mu* or a smaller cutoff.",
        )
    return mu_star / screening


def check_mu_star(mu_star: float) -> None:
    """Refuse a mu* that is negative or not finite."""
    if not (math.isfinite(mu_star) and mu_star >= 0.0):
        raise SpectrumError(
            f"mu* = {mu_star:g} is not a Coulomb pseudopotential.", "Use a number such as 0.1 that is not negative."
        )
