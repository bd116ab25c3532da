"""The gap on the real axis by Pade approximants."""

import warnings
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from invdesflow.eliashberg.migdal_eliashberg import GapFunction
from invdesflow.errors import SpectrumError

__all__ = ["PadeApproximant", "gap_edge"]

FloatArray = NDArray[np.float64]

_MOST_POINTS, _FEWEST_POINTS, _STEP = 40, 8, 4
_AGREEMENT = 2e-3
"""Approximants of different length must give gap edges that differ by a smaller share, or there is no answer."""


class PadeApproximant:
    r"""Continued fraction through the values of a function on the upper imaginary axis.

    Parameters
    ----------
    frequencies
        :math:`\omega_n > 0` of the points :math:`i\omega_n`, shape (m,).
    values
        Function there, shape (m,), real for a gap function.

    Notes
    -----
    Vidberg and Serene, J. Low Temp. Phys. 29, 179 (1977).
    """

    def __init__(self, frequencies: FloatArray, values: FloatArray) -> None:
        self._points = 1j * np.asarray(frequencies, dtype=np.complex128)
        row = np.asarray(values, dtype=np.complex128)
        coefficients = [row[0]]
        for index in range(1, len(row)):
            row = (coefficients[-1] / row[1:] - 1.0) / (self._points[index:] - self._points[index - 1])
            coefficients.append(row[0])
        self._coefficients: Sequence[complex] = coefficients

    def __call__(self, energy: complex) -> complex:
        """Evaluate at a complex energy."""
        value = 1.0 + 0.0j
        for coefficient, point in zip(self._coefficients[:0:-1], self._points[-2::-1], strict=True):
            value = 1.0 + coefficient * (energy - point) / value
        return complex(self._coefficients[0] / value)


def gap_edge(solution: GapFunction) -> float:
    r"""Edge of the quasiparticle spectrum, where :math:`\mathrm{Re} \, \Delta(\omega) = \omega`, in meV.

    Parameters
    ----------
    solution
        Solution on the imaginary axis.

    Raises
    ------
    SpectrumError
        If approximants of different length disagree, which they do when T is so close to Tc that the gap is smaller
        than the distance of the Matsubara frequencies.
    """
    longest = min(_MOST_POINTS, len(solution.gap_mev))
    edges = (_edge(solution, count) for count in range(longest, _FEWEST_POINTS - 1, -_STEP))
    for edge, shorter in pairwise(edges):
        if edge is not None and shorter is not None and abs(edge - shorter) < _AGREEMENT * edge:
            return edge
    raise SpectrumError(
        f"The gap edge at {solution.temperature_k:.4g} K cannot be continued from the imaginary axis.",
        "Ask for a lower temperature.",
    )


def _edge(solution: GapFunction, count: int) -> float | None:
    approximant = PadeApproximant(solution.frequencies_mev[:count], solution.gap_mev[:count])

    def excess(energy: float) -> float:
        return approximant(complex(energy)).real - energy

    highest = 2.0 * float(solution.gap_mev[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        if not excess(0.0) > 0.0 > excess(highest):
            return None
        return float(brentq(excess, 0.0, highest, rtol=1e-10))
