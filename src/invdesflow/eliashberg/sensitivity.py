"""How Tc depends on the masses of the atoms and on the smearing of the phonons."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from invdesflow.eliashberg.critical_temperature import critical_temperature
from invdesflow.eliashberg.pairing import Pairing
from invdesflow.eliashberg.spectrum import Alpha2F
from invdesflow.errors import SpectrumError

__all__ = ["Spread", "isotope_coefficient", "isotope_coefficients", "smearing_spread", "substituted_masses"]

FloatArray = NDArray[np.float64]

_STEP = 0.01
"""Relative change of the mass on both sides of the derivative."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean, standard deviation and extremes of a number."""

    mean: float
    standard_deviation: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Summarise values; the standard deviation is that of these values, not an error of their mean."""
        return cls(float(np.mean(values)), float(np.std(values)), min(values), max(values))


def substituted_masses(spectrum: Alpha2F, shares: ArrayLike, mass_ratios: ArrayLike) -> Alpha2F:
    r"""Move the phonons to where other masses put them, to first order in the change of the masses.

    .. math::
        \omega' = \omega \prod_\kappa r_\kappa^{-s_\kappa(\omega) / 2}

    Lambda depends on force constants and not on masses (McMillan 1968), so each phonon keeps its own.

    Parameters
    ----------
    spectrum
        Spectral function of the original masses.
    shares
        Share of each atom, or kind of atom, in the motion at each energy (squared polarisation vectors, weighted with
        the coupling), shape (natoms, n); the shares add up to 1. Project alpha2F on atoms and divide by alpha2F.
    mass_ratios
        New mass / old mass of each atom, shape (natoms,).

    Raises
    ------
    SpectrumError
        If the shares do not fit the spectrum or do not add up to 1, a ratio is not positive, or the change is so
        large that phonons would change their order.
    """
    fractions, ratios = np.asarray(shares, dtype=np.float64), np.asarray(mass_ratios, dtype=np.float64)
    if fractions.shape != (ratios.size, spectrum.energies_mev.size):
        raise SpectrumError(
            f"Shares of shape {fractions.shape} do not fit {ratios.size} masses and {spectrum.values.size} energies.",
            "Give one row for each atom.",
        )
    if (fractions < 0.0).any() or not np.allclose(fractions.sum(axis=0), 1.0, atol=1e-3):
        raise SpectrumError("The shares of the atoms do not add up to 1 at every energy.", "Divide them by their sum.")
    if not (np.isfinite(ratios).all() and (ratios > 0.0).all()):
        raise SpectrumError("A ratio of masses is not positive.", "Give new mass / old mass.")
    return spectrum.moved(spectrum.energies_mev * np.exp(-0.5 * np.log(ratios) @ fractions))


def isotope_coefficients(pairing: Pairing, shares: ArrayLike) -> FloatArray:
    r"""Isotope coefficients :math:`\alpha_\kappa = -\partial \ln T_c / \partial \ln M_\kappa`.

    The bare repulsion does not depend on masses, so mu* stays what it is at its fixed energy. With mu* = 0 the
    coefficients add up to 1/2; a repulsion lowers them, because lighter atoms have less time to be screened from.

    Parameters
    ----------
    pairing
        Interaction of the original masses.
    shares
        See `substituted_masses`.

    Returns
    -------
    ndarray
        One coefficient for each atom, shape (natoms,).

    Raises
    ------
    SpectrumError
        If there is no Tc, or the shares do not fit.

    Notes
    -----
    Rainer and Culetto, Phys. Rev. B 19, 2540 (1979).
    """
    if pairing.mu_star_energy_mev is None:  # else the repulsion would follow the number of frequencies below the cutoff
        pairing = replace(pairing, mu_star_energy_mev=pairing.cutoff_mev)
    count = len(np.asarray(shares))
    coefficients = np.empty(count)
    for atom in range(count):
        logarithms = []
        for sign in (1.0, -1.0):
            ratios = np.exp(sign * _STEP * np.eye(count)[atom])
            tc = critical_temperature(replace(pairing, spectrum=substituted_masses(pairing.spectrum, shares, ratios)))
            if tc is None:
                raise SpectrumError("Without a critical temperature there is no isotope effect.", "Use a smaller mu*.")
            logarithms.append(np.log(tc))
        coefficients[atom] = -(logarithms[0] - logarithms[1]) / (2.0 * _STEP)
    return coefficients


def isotope_coefficient(pairing: Pairing) -> float:
    """Isotope coefficient of all masses together; see `isotope_coefficients`."""
    return float(isotope_coefficients(pairing, np.ones((1, pairing.spectrum.energies_mev.size)))[0])


def smearing_spread(spectra: Sequence[Alpha2F], pairing: Pairing) -> Spread | None:
    """How much Tc in K depends on the smearing; None if one of the spectra has no Tc.

    Parameters
    ----------
    spectra
        The same coupling with several smearings, as in EPW's ``.a2f``.
    pairing
        mu* and cutoff, to be the same for all; its own spectrum does not matter.
    """
    temperatures = [critical_temperature(replace(pairing, spectrum=spectrum)) for spectrum in spectra]
    known = [temperature for temperature in temperatures if temperature is not None]
    return Spread.of(known) if len(known) == len(temperatures) else None
