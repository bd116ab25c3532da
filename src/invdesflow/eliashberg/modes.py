"""alpha2F from the coupling of single phonons."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from invdesflow.eliashberg.spectrum import Alpha2F
from invdesflow.errors import SpectrumError

__all__ = ["alpha2f_from_modes"]

FloatArray = NDArray[np.float64]

_POINTS_PER_WIDTH = 5.0
_REACH = 6.0  # standard deviations above the highest phonon


def alpha2f_from_modes(
    lambda_qv: ArrayLike, energies_mev: ArrayLike, weights: ArrayLike, smearing_mev: float = 0.5
) -> Alpha2F:
    r"""Spread the coupling of phonons, each with a Gaussian, over a grid of energies.

    .. math::
        \alpha^2F(\omega) = \frac{1}{2} \sum_q w_q \sum_\nu \lambda_{q\nu} \omega \, g(\omega - \omega_{q\nu})

    Every Gaussian is cut at zero energy and normalised to what is left, so that lambda of the result is
    :math:`\sum_q w_q \sum_\nu \lambda_{q\nu}` for any smearing.

    Parameters
    ----------
    lambda_qv
        Coupling of each mode, shape (nq, nmodes), not negative.
    energies_mev
        Phonon energies in meV, shape (nq, nmodes). A mode without coupling may have any energy (the acoustic modes at
        Gamma).
    weights
        Weights of the wave vectors, shape (nq,); they are normalised to 1.
    smearing_mev
        Standard deviation of the Gaussians in meV. (EPW's ``degaussq`` is this times the square root of 2.)

    Raises
    ------
    SpectrumError
        If the shapes do not fit, a value is negative or not finite, or a mode that couples has no positive energy.
    """
    couplings, energies, shares = (np.asarray(array, dtype=np.float64) for array in (lambda_qv, energies_mev, weights))
    _check(couplings, energies, shares, smearing_mev)
    couplings = couplings * (shares / shares.sum())[:, None]
    coupled = couplings > 0.0
    centres, strengths = energies[coupled], couplings[coupled]
    step = smearing_mev / _POINTS_PER_WIDTH
    count = int(np.ceil((centres.max() + _REACH * smearing_mev) / step))
    edges = step * (np.arange(count + 1) + 0.5)
    edges[0] = 0.0  # what would lie between zero and the first cell belongs to it
    per_cell = np.zeros(count)
    for centre, strength in zip(centres, strengths, strict=True):
        below = ndtr((edges - centre) / smearing_mev)
        per_cell += strength * np.diff(below) / (below[-1] - below[0])
    grid = step * np.arange(1.0, count + 1.0)
    return Alpha2F(grid, 0.5 * grid * per_cell / step)


def _check(couplings: FloatArray, energies: FloatArray, shares: FloatArray, smearing_mev: float) -> None:
    if couplings.ndim != 2 or couplings.shape != energies.shape or shares.shape != couplings.shape[:1]:
        raise SpectrumError(
            f"Couplings {couplings.shape}, energies {energies.shape} and weights {shares.shape} do not fit together.",
            "Give (nq, nmodes), (nq, nmodes) and (nq,).",
        )
    if not all(np.isfinite(array).all() for array in (couplings, energies, shares)):
        raise SpectrumError("A coupling, energy or weight is not finite.", "Repeat the calculation.")
    if (couplings < 0.0).any() or (shares < 0.0).any() or not (couplings.T * shares > 0.0).any():
        raise SpectrumError("Couplings and weights must not be negative, nor all zero.", "Use denser meshes.")
    if (energies[couplings > 0.0] <= 0.0).any():
        raise SpectrumError(
            "A phonon that couples has no positive energy.",
            "An unstable crystal has no Tc; set the coupling of the acoustic modes at Gamma to zero.",
        )
    if not (np.isfinite(smearing_mev) and smearing_mev > 0.0):
        raise SpectrumError(f"{smearing_mev:g} meV is not a smearing.", "Use a positive one such as 0.5.")
