"""Sums over Matsubara frequencies, down to any temperature, in a hundred terms."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh_tridiagonal

from invdesflow.eliashberg.formulas import KELVIN_PER_MEV
from invdesflow.errors import SpectrumError

__all__ = ["MatsubaraGrid", "matsubara_grid"]

FloatArray = NDArray[np.float64]

_ORDER = 12
"""Nodes of each block; Tc is then within 1e-5 of the full sum (tests/eliashberg/test_matsubara.py)."""


@dataclass(frozen=True, slots=True, eq=False)
class MatsubaraGrid:
    r"""Nodes and weights for sums over the fermionic frequencies :math:`0 < \omega_n < \omega_c`.

    Attributes
    ----------
    temperature_mev
        k_B T in meV.
    count
        Number of frequencies in the full sum.
    numbers
        Nodes n of :math:`\omega_n = (2n + 1) \pi T`, shape (m,); real numbers, since a block of many is summed by
        Gauss' rule.
    weights
        How many frequencies each node stands for, shape (m,); they add up to `count`.
    """

    temperature_mev: float
    count: int
    numbers: FloatArray
    weights: FloatArray

    @property
    def frequencies_mev(self) -> FloatArray:
        """Energies of the nodes in meV, shape (m,)."""
        return (2.0 * self.numbers + 1.0) * np.pi * self.temperature_mev

    @property
    def edge_mev(self) -> float:
        """Energy in meV at which the sum ends, in the middle between its last frequency and the next."""
        return 2.0 * self.count * np.pi * self.temperature_mev


def matsubara_grid(temperature_k: float, cutoff_mev: float, order: int = _ORDER) -> MatsubaraGrid:
    """Lay out the nodes: the first frequencies one by one, then blocks of doubling length with `order` nodes each.

    Parameters
    ----------
    temperature_k
        Temperature in K, positive.
    cutoff_mev
        Cutoff energy in meV; frequencies up to it belong to the sum.
    order
        Nodes of each block.

    Raises
    ------
    SpectrumError
        If the temperature is so high that no frequency lies below the cutoff, or not positive.

    Notes
    -----
    The rule of a block is Gauss' for the discrete uniform measure (discrete Chebyshev polynomials), exact for
    polynomials of degree 2 `order` - 1 in n, and exact for everything in a block of `order` frequencies.
    """
    if not (np.isfinite(temperature_k) and temperature_k > 0.0):
        raise SpectrumError(f"{temperature_k:g} K is not a temperature for Matsubara sums.", "Use one above zero.")
    temperature = temperature_k / KELVIN_PER_MEV
    count = int(0.5 * (cutoff_mev / (np.pi * temperature) + 1.0))
    if count < 1:
        raise SpectrumError(
            f"No Matsubara frequency at {temperature_k:.4g} K lies below the cutoff of {cutoff_mev:.4g} meV.",
            "Raise the cutoff or lower the temperature.",
        )
    edges = [0]
    while edges[-1] < count:
        edges.append(max(2 * edges[-1], order))
    edges[-1] = count
    blocks = [_block(start, end, order) for start, end in pairwise(edges)]
    numbers, weights = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return MatsubaraGrid(temperature, count, numbers, weights)


def _block(start: int, end: int, order: int) -> tuple[FloatArray, FloatArray]:
    length = end - start
    if length <= order:
        return np.arange(start, end, dtype=np.float64), np.ones(length)
    degrees = np.arange(1.0, order)
    recurrence = degrees**2 * (float(length) ** 2 - degrees**2) / (4.0 * (4.0 * degrees**2 - 1.0))
    nodes, vectors = eigh_tridiagonal(np.full(order, 0.5 * (length - 1)), np.sqrt(recurrence))
    return start + nodes, length * vectors[0] ** 2
