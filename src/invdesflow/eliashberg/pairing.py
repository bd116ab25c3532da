"""What pairs the electrons."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from invdesflow.eliashberg.coulomb import check_mu_star, rescaled_mu_star
from invdesflow.eliashberg.spectrum import Alpha2F
from invdesflow.errors import SpectrumError

__all__ = ["CUTOFF", "Pairing"]

FloatArray = NDArray[np.float64]

CUTOFF = 20.0
"""Matsubara cutoff in units of the highest phonon energy: Tc is then within 0.3 % of its limit up to lambda = 4."""

_SPLINE_POINTS = 600


@dataclass(frozen=True, eq=False)
class Pairing:
    r"""What pairs the electrons: alpha2F, the Coulomb pseudopotential, and the energy up to which both act.

    Parameters
    ----------
    spectrum
        Spectral function.
    mu_star
        Coulomb pseudopotential.
    cutoff_mev
        Cutoff of the Matsubara sums in meV.
    mu_star_energy_mev
        Energy in meV to which `mu_star` belongs; it is carried from there to the cutoff (`rescaled_mu_star`). None:
        it belongs to the cutoff and is used as it is, as epw.x does with `muc` and `wscut`.

    Raises
    ------
    SpectrumError
        If mu* is negative or cannot be carried to the cutoff, or an energy is not positive.
    """

    spectrum: Alpha2F
    mu_star: float
    cutoff_mev: float
    mu_star_energy_mev: float | None = None

    def __post_init__(self) -> None:
        check_mu_star(self.mu_star)
        energies = [self.cutoff_mev] + ([] if self.mu_star_energy_mev is None else [self.mu_star_energy_mev])
        if not all(np.isfinite(energy) and energy > 0.0 for energy in energies):
            raise SpectrumError("The cutoff of the Matsubara sums is not a positive energy.", "Give one in meV.")
        self.mu_star_at(self.cutoff_mev)

    @classmethod
    def allen_dynes(cls, spectrum: Alpha2F, mu_star: float, cutoff: float = CUTOFF) -> Self:
        """Take mu* at the highest phonon energy, as the formulas for Tc do, and the cutoff as a multiple of it."""
        highest = spectrum.omega_max_mev
        return cls(spectrum, mu_star, cutoff * highest, highest)

    def mu_star_at(self, energy_mev: float) -> float:
        """Coulomb pseudopotential that belongs to Matsubara sums up to an energy in meV."""
        if self.mu_star_energy_mev is None:
            return self.mu_star
        return rescaled_mu_star(self.mu_star, self.mu_star_energy_mev, energy_mev)

    def kernel(self, energies_mev: FloatArray) -> FloatArray:
        r"""Coupling :math:`\lambda(\nu) = 2 \int d\omega \, \omega \alpha^2F(\omega) / (\omega^2 + \nu^2)`.

        Parameters
        ----------
        energies_mev
            Bosonic frequencies :math:`\nu` in meV up to twice the cutoff, any shape.
        """
        kernel: FloatArray = self._spline(np.arcsinh(np.abs(energies_mev) / self._softest_mev))
        return kernel

    @cached_property
    def _softest_mev(self) -> float:
        """Energy in meV below which one per cent of the coupling lies: the scale on which the kernel varies first."""
        cumulative = self.spectrum.cumulative_lambda
        return float(self.spectrum.energies_mev[np.searchsorted(cumulative, 0.01 * cumulative[-1])])

    @cached_property
    def _spline(self) -> CubicSpline:
        """The kernel as a smooth function of arcsinh, since the equations ask for it at thousands of frequencies."""
        # The last Matsubara frequency may lie half a step above the cutoff, so the table is longer than needed.
        positions = np.linspace(0.0, np.arcsinh(4.0 * self.cutoff_mev / self._softest_mev), _SPLINE_POINTS)
        squares = (self._softest_mev * np.sinh(positions)) ** 2
        phonons = self.spectrum.energies_mev**2
        coupling = self.spectrum.coupling
        return CubicSpline(positions, [coupling @ (phonons / (phonons + square)) for square in squares])
