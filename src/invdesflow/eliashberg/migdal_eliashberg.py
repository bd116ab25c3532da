"""The isotropic Migdal-Eliashberg equations on the imaginary axis, with a constant density of states."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh, solve
from scipy.optimize import brentq

from invdesflow.eliashberg.matsubara import MatsubaraGrid, matsubara_grid
from invdesflow.eliashberg.pairing import Pairing
from invdesflow.errors import SpectrumError

__all__ = ["GapFunction", "gap_function", "pairing_eigenvalue"]

FloatArray = NDArray[np.float64]

_NEWTON_STEPS = 60
_TOLERANCE = 1e-9
_SMALLEST, _LARGEST = 40.0, 5.0  # logarithms of the first guess of the gap in units of omega_2


@dataclass(frozen=True, slots=True, eq=False)
class GapFunction:
    r"""A solution of the Eliashberg equations at one temperature.

    Attributes
    ----------
    temperature_k
        Temperature in K.
    frequencies_mev
        Matsubara frequencies :math:`\omega_n` in meV, shape (m,); at low temperature a choice of them, and points
        between them.
    gap_mev
        :math:`\Delta(i\omega_n)` in meV, shape (m,), positive at the first frequency.
    renormalisation
        :math:`Z(i\omega_n)`, shape (m,).
    """

    temperature_k: float
    frequencies_mev: FloatArray
    gap_mev: FloatArray
    renormalisation: FloatArray


def pairing_eigenvalue(pairing: Pairing, temperature_k: float) -> float:
    r"""Largest eigenvalue of the linearised gap equation; it is 1 at Tc, larger below and smaller above.

    .. math::
        \eta \, \omega_n Z_n x_n = \pi T \sum_{m} [\lambda(\omega_n - \omega_m) - \mu^*] x_m,
        \qquad x_n = \Delta_n / |\omega_n|

    with Z of the normal state. The even solution is taken, which leaves the positive frequencies.

    Raises
    ------
    SpectrumError
        If the temperature is too high for the cutoff.

    Notes
    -----
    Allen and Dynes, Phys. Rev. B 12, 905 (1975); Allen and Mitrovic, Solid State Physics 37, 1 (1982).
    """
    grid = matsubara_grid(temperature_k, pairing.cutoff_mev)
    return _mode(grid, *_kernels(pairing, grid))[0]


def gap_function(pairing: Pairing, temperature_k: float) -> GapFunction | None:
    r"""Solve the Eliashberg equations at one temperature.

    .. math::
        Z_n &= 1 + \frac{\pi T}{\omega_n} \sum_m \lambda(\omega_n - \omega_m) \frac{\omega_m}{E_m} \\
        Z_n \Delta_n &= \pi T \sum_m [\lambda(\omega_n - \omega_m) - \mu^*] \frac{\Delta_m}{E_m},
        \qquad E_m = \sqrt{\omega_m^2 + \Delta_m^2}

    Parameters
    ----------
    pairing
        Interaction and cutoff.
    temperature_k
        Temperature in K.

    Returns
    -------
    GapFunction or None
        None in the normal state, when `pairing_eigenvalue` is not above 1.

    Raises
    ------
    SpectrumError
        If the iteration does not converge.

    Notes
    -----
    Margine and Giustino, Phys. Rev. B 87, 024505 (2013), eqs. 34 and 35, isotropic. With :math:`\tan\theta_n =
    \Delta_n / \omega_n` the equations say that each spin of a chain is parallel to its field. Newton's method solves
    for the angles.
    """
    grid = matsubara_grid(temperature_k, pairing.cutoff_mev)
    kernels = _kernels(pairing, grid)
    if _mode(grid, *kernels)[0] <= 1.0:
        return None
    frequencies = grid.frequencies_mev
    attraction, dressing = (kernel * grid.weights for kernel in kernels)

    def turned(angles: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Field along the gap, field along the frequency, and how far each spin is from them."""
        along, across = attraction @ np.sin(angles), frequencies + dressing @ np.cos(angles)
        return along, across, angles - np.arctan2(along, across)

    angles = np.arctan2(_first_guess(pairing, grid, kernels), frequencies)
    along, across, residual = turned(angles)
    for _ in range(_NEWTON_STEPS):
        if np.abs(residual).max() < _TOLERANCE * np.abs(angles).max() and angles[0] > 0.0:
            return GapFunction(temperature_k, frequencies, frequencies * along / across, across / frequencies)
        turning = across[:, None] * attraction * np.cos(angles) + along[:, None] * dressing * np.sin(angles)
        jacobian = np.eye(len(angles)) - turning / (along**2 + across**2)[:, None]
        angles = angles - solve(jacobian, residual)
        along, across, residual = turned(angles)
    raise SpectrumError(
        f"The Eliashberg equations did not converge at {temperature_k:.4g} K.", "Ask for another temperature or cutoff."
    )


def _first_guess(pairing: Pairing, grid: MatsubaraGrid, kernels: tuple[FloatArray, FloatArray]) -> FloatArray:
    """Gap in meV, shape (m,), of the quasi-linear equation: the size in E is the one at which the eigenvalue is 1."""

    def excess(log_size: float) -> float:
        return _mode(grid, *kernels, float(np.exp(log_size)))[0] - 1.0

    scale = np.log(pairing.spectrum.omega_2_mev)
    lowest = scale - _SMALLEST
    size = float(np.exp(brentq(excess, lowest, scale + _LARGEST, xtol=1e-3) if excess(lowest) > 0.0 else lowest))
    return size * _mode(grid, *kernels, size)[1]


def _mode(
    grid: MatsubaraGrid, attraction: FloatArray, dressing: FloatArray, size_mev: float = 0.0
) -> tuple[float, FloatArray]:
    """Solve the gap equation with a constant gap in its denominators.

    Parameters
    ----------
    grid, attraction, dressing
        Frequencies and `_kernels`.
    size_mev
        That constant gap; 0 gives the linearised equation.

    Returns
    -------
    tuple
        The largest eigenvalue, and its gap function scaled to 1 at the first frequency, shape (m,).
    """
    frequencies = grid.frequencies_mev
    shares = grid.weights / np.sqrt(frequencies**2 + size_mev**2)
    renormalisation = 1.0 + dressing @ (shares * frequencies) / frequencies
    scale = np.sqrt(shares / renormalisation)
    last = len(scale) - 1
    values, vectors = eigh(scale[:, None] * attraction * scale, subset_by_index=(last, last))
    gap = vectors[:, 0] / np.sqrt(shares * renormalisation)
    return float(values[0]), gap / gap[0]


def _kernels(pairing: Pairing, grid: MatsubaraGrid) -> tuple[FloatArray, FloatArray]:
    """Kernels of gap and renormalisation between positive frequencies, times pi T, in meV, shape (m, m) each."""
    frequencies = grid.frequencies_mev
    same = pairing.kernel(frequencies[:, None] - frequencies)
    opposite = pairing.kernel(frequencies[:, None] + frequencies)
    repulsion = 2.0 * pairing.mu_star_at(grid.edge_mev)
    step = np.pi * grid.temperature_mev
    return step * (same + opposite - repulsion), step * (same - opposite)
