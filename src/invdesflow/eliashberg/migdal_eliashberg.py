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
    return _linearised(pairing, matsubara_grid(temperature_k, pairing.cutoff_mev))[0]


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
    for the angles, from the unstable mode of the normal state.
    """
    grid = matsubara_grid(temperature_k, pairing.cutoff_mev)
    eigenvalue, mode = _linearised(pairing, grid)
    if eigenvalue <= 1.0:
        return None
    attraction, dressing = (kernel * grid.weights for kernel in _kernels(pairing, grid))
    frequencies = grid.frequencies_mev

    def fields(angles: FloatArray) -> tuple[FloatArray, FloatArray]:
        return attraction @ np.sin(angles), frequencies + dressing @ np.cos(angles)

    def growth(log_size: float) -> float:
        along, across = fields(np.arctan2(np.exp(log_size) * mode, frequencies))
        return float(np.log(frequencies[0] * along[0] / (across[0] * mode[0]))) - log_size if along[0] > 0.0 else -1.0

    # Of all gaps with the shape of the unstable mode, take the one that neither grows nor shrinks.
    scale = np.log(pairing.spectrum.omega_2_mev)
    size = brentq(growth, scale - _SMALLEST, scale + _LARGEST) if growth(scale - _SMALLEST) > 0.0 else scale - _SMALLEST
    angles = np.arctan2(np.exp(size) * mode, frequencies)
    for _ in range(_NEWTON_STEPS):
        along, across = fields(angles)
        residual = angles - np.arctan2(along, across)
        if np.abs(residual).max() < _TOLERANCE * np.abs(angles).max() and angles[0] > 0.0:
            return GapFunction(temperature_k, frequencies, frequencies * along / across, across / frequencies)
        turning = across[:, None] * attraction * np.cos(angles) + along[:, None] * dressing * np.sin(angles)
        jacobian = np.eye(len(angles)) - turning / (along**2 + across**2)[:, None]
        angles = angles - solve(jacobian, residual)
    raise SpectrumError(
        f"The Eliashberg equations did not converge at {temperature_k:.4g} K.", "Ask for another temperature or cutoff."
    )


def _linearised(pairing: Pairing, grid: MatsubaraGrid) -> tuple[float, FloatArray]:
    """Largest eigenvalue of the linearised gap equation, and its gap with 1 at the first frequency, shape (m,)."""
    attraction, dressing = _kernels(pairing, grid)
    renormalised = grid.frequencies_mev + dressing @ grid.weights
    scale = np.sqrt(grid.weights / renormalised)
    last = len(scale) - 1
    values, vectors = eigh(scale[:, None] * attraction * scale, subset_by_index=(last, last))
    mode = grid.frequencies_mev * vectors[:, 0] / (scale * renormalised)
    return float(values[0]), mode / mode[0]


def _kernels(pairing: Pairing, grid: MatsubaraGrid) -> tuple[FloatArray, FloatArray]:
    """Kernels of gap and renormalisation between positive frequencies, times pi T, in meV, shape (m, m) each."""
    frequencies = grid.frequencies_mev
    same = pairing.kernel(frequencies[:, None] - frequencies)
    opposite = pairing.kernel(frequencies[:, None] + frequencies)
    repulsion = 2.0 * pairing.mu_star_at(grid.edge_mev)
    step = np.pi * grid.temperature_mev
    return step * (same + opposite - repulsion), step * (same - opposite)
