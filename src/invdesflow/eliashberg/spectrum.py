"""The isotropic Eliashberg spectral function and its moments."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from invdesflow.errors import SpectrumError

__all__ = ["Alpha2F"]

FloatArray = NDArray[np.float64]

_FEWEST_POINTS = 3
_NEGLIGIBLE = 1e-3
"""Below this share of its maximum, alpha2F does not count for the highest phonon energy: Gaussian tails have no end."""


@dataclass(frozen=True, slots=True, eq=False)
class Alpha2F:
    r"""Spectral function :math:`\alpha^2F(\omega)` on a grid of positive energies.

    Each point stands for the cell round it, as in the sums of Quantum ESPRESSO and EPW. The first cell does not reach
    below zero.

    Parameters
    ----------
    energies_mev
        Phonon energies in meV, shape (n,), positive and increasing, n >= 3.
    values
        alpha2F at these energies, dimensionless, shape (n,), not negative, not zero everywhere.

    Raises
    ------
    SpectrumError
        If the arrays do not have these properties.

    Notes
    -----
    Conventions of Allen and Dynes, Phys. Rev. B 12, 905 (1975).
    """

    energies_mev: FloatArray
    values: FloatArray

    def __post_init__(self) -> None:
        energies, values = (np.array(array, dtype=np.float64) for array in (self.energies_mev, self.values))
        _check(energies, values)
        for name, array in (("energies_mev", energies), ("values", values)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @property
    def coupling(self) -> FloatArray:
        r"""Share of each energy in lambda, :math:`2 \alpha^2F(\omega_j) \Delta\omega_j / \omega_j`, shape (n,)."""
        coupling: FloatArray = 2.0 * self.values * _cells(self.energies_mev) / self.energies_mev
        return coupling

    @property
    def lambda_(self) -> float:
        r"""Coupling strength :math:`\lambda = 2 \int \alpha^2F(\omega) / \omega \, d\omega`."""
        return float(self.coupling.sum())

    @property
    def cumulative_lambda(self) -> FloatArray:
        """Lambda of all phonons up to each energy, shape (n,)."""
        cumulative: FloatArray = np.cumsum(self.coupling)
        return cumulative

    @property
    def omega_log_mev(self) -> float:
        """Logarithmic average of the phonon energies in meV, weighted with alpha2F / omega."""
        return float(np.exp(np.average(np.log(self.energies_mev), weights=self.coupling)))

    @property
    def omega_2_mev(self) -> float:
        """Root mean square of the phonon energies in meV, weighted with alpha2F / omega."""
        return float(np.sqrt(np.average(self.energies_mev**2, weights=self.coupling)))

    @property
    def omega_max_mev(self) -> float:
        """Highest energy in meV at which alpha2F is at least a thousandth of its maximum."""
        return float(self.energies_mev[self.values >= _NEGLIGIBLE * self.values.max()][-1])

    def scaled(self, factor: float) -> Self:
        """Return the spectrum with alpha2F, and so lambda, times a positive factor."""
        return type(self)(self.energies_mev, self.values * factor)

    def moved(self, energies_mev: ArrayLike) -> Self:
        """Return the spectrum whose phonons have other energies and the same coupling each, as with other masses.

        Parameters
        ----------
        energies_mev
            New energies in meV, shape (n,), still increasing.
        """
        energies = np.asarray(energies_mev, dtype=np.float64)
        _check(energies, self.values)
        return type(self)(energies, self.coupling * energies / (2.0 * _cells(energies)))


def _cells(energies: FloatArray) -> FloatArray:
    """Width of the cell of each point; at the ends as wide as the distance to the neighbour, cut at zero."""
    steps = np.diff(energies)
    below = np.concatenate(([min(steps[0], 2.0 * energies[0])], steps))
    above = np.concatenate((steps, [steps[-1]]))
    cells: FloatArray = 0.5 * (below + above)
    return cells


def _check(energies: FloatArray, values: FloatArray) -> None:
    if energies.ndim != 1 or energies.shape != values.shape or energies.size < _FEWEST_POINTS:
        raise SpectrumError(
            f"alpha2F needs one value for each of at least {_FEWEST_POINTS} energies,"
            f" not arrays of shape {energies.shape} and {values.shape}.",
            "Give two columns of equal length.",
        )
    if not (np.isfinite(energies).all() and np.isfinite(values).all()):
        raise SpectrumError("alpha2F holds values that are not finite (NaN or infinity).", "Repeat the calculation.")
    if energies[0] <= 0.0 or (np.diff(energies) <= 0.0).any():
        raise SpectrumError(
            "The energies of alpha2F are not positive and increasing.", "Sort them and drop repetitions."
        )
    if (values < 0.0).any():
        worst = int(values.argmin())
        raise SpectrumError(
            f"alpha2F is negative ({values[worst]:.3g} at {energies[worst]:.4g} meV).",
            "Use denser meshes in the calculation, or set noise round zero to zero yourself.",
        )
    if not (values > 0.0).any():
        raise SpectrumError("alpha2F is zero everywhere.", "Check the column and the smearing.")
