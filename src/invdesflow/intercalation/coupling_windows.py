"""Where lambda comes from: which frequencies, which atoms."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from invdesflow.eliashberg.spectrum import Alpha2F
from invdesflow.errors import IntercalationError

__all__ = ["AtomCoupling", "CouplingWindow", "dos_gaps", "lambda_by_atom", "lambda_by_window"]

FloatArray = NDArray[np.float64]

_EMPTY = 1e-3  # share of the largest density of states below which there are no states
_LEAST_GAP_MEV = 2.0
_REACH_MEV = 5.0  # a smeared alpha2F reaches so far beyond the states that it belongs to
_TOLERATED = 0.01


class CouplingWindow(BaseModel):
    """The coupling by the phonons of some range."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    low_mev: float = Field(ge=0)
    high_mev: float = Field(gt=0)
    lambda_: float = Field(ge=0)


class AtomCoupling(BaseModel):
    """The coupling by the motion of one atom."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    element: str
    lambda_: float = Field(ge=0)


def dos_gaps(energies_mev: FloatArray, density: FloatArray, least_mev: float = _LEAST_GAP_MEV) -> list[float]:
    """Find the middles of the gaps in a phonon density of states.

    Parameters
    ----------
    energies_mev
        Increasing, in meV; shape (n,).
    density
        Density of states in any unit; shape (n,).
    least_mev
        Width below which a gap does not count (meV).

    Returns
    -------
    list of float
        In meV; none where the phonons form one band.
    """
    filled = energies_mev[(density > _EMPTY * density.max()) & (energies_mev > 0.0)]
    widths = np.diff(filled)
    return [float(low + 0.5 * width) for low, width in zip(filled, widths, strict=False) if width >= least_mev]


def lambda_by_window(spectrum: Alpha2F, boundaries_mev: Sequence[float]) -> list[CouplingWindow]:
    """Split lambda by ranges of the phonon energy.

    Parameters
    ----------
    spectrum
        Spectral function.
    boundaries_mev
        Increasing, between the lowest and the highest energy (meV), such as `dos_gaps` finds them.

    Returns
    -------
    list of CouplingWindow
        One more than there are boundaries, from zero to the end of the spectrum. Their lambda add up to all of it.

    Raises
    ------
    IntercalationError
        If the boundaries do not increase, or leave the spectrum.
    """
    ends = [0.0, *boundaries_mev, float(spectrum.energies_mev[-1])]
    if any(high <= low for low, high in pairwise(ends)):
        raise IntercalationError(
            f"Boundaries at {', '.join(f'{value:g}' for value in boundaries_mev)} meV do not divide a spectrum up to "
            f"{ends[-1]:g} meV.",
            "Give increasing boundaries within it.",
        )
    window = np.searchsorted(np.asarray(boundaries_mev, dtype=float), spectrum.energies_mev)
    shares = np.bincount(window, weights=spectrum.coupling, minlength=len(ends) - 1)
    return [
        CouplingWindow(low_mev=low, high_mev=high, lambda_=float(share))
        for (low, high), share in zip(pairwise(ends), shares, strict=True)
    ]


def lambda_by_atom(
    spectrum: Alpha2F, energies_mev: FloatArray, density_by_atom: FloatArray, symbols: Sequence[str]
) -> list[AtomCoupling]:
    r"""Split lambda by atoms, as their motions share the phonons of each energy.

    Atom a gets :math:`\lambda_a = 2 \int \alpha^2F(\omega) / \omega \; g_a(\omega) / g(\omega) \, d\omega`. This takes
    all phonons of one energy to couple alike: EPW writes alpha2F by branches, not by atoms. It is right where the
    phonons of an energy are of one kind, which gaps between light and heavy atoms make likely.

    Parameters
    ----------
    spectrum
        Spectral function.
    energies_mev
        Of the density of states, increasing, in meV; shape (m,).
    density_by_atom
        Projected phonon density of states in any unit; shape (atoms, m).
    symbols
        Elements of the atoms.

    Returns
    -------
    list of AtomCoupling
        In the order of the atoms. Their lambda add up to all of it.

    Raises
    ------
    IntercalationError
        If more than a hundredth of lambda is at energies that have no phonons.
    """
    total = density_by_atom.sum(axis=0)
    filled = (total > _EMPTY * total.max()) & (energies_mev > 0.0)
    known = energies_mev[filled]
    shares = (density_by_atom[:, filled] / total[filled]).clip(min=0.0)
    shares /= shares.sum(axis=0)
    distance = np.abs(spectrum.energies_mev[:, None] - known).min(axis=1)
    # Below the lowest states on the mesh there are the sound waves, whose shares go on unchanged.
    lost = spectrum.coupling[(distance > _REACH_MEV) & (spectrum.energies_mev > known[0])].sum()
    if lost > _TOLERATED * spectrum.lambda_:
        raise IntercalationError(
            f"{lost:.3g} of lambda is more than {_REACH_MEV:g} meV away from any phonon of the density of states.",
            "Use the same force constants for both, and denser meshes.",
        )
    at_each = np.array([np.interp(spectrum.energies_mev, known, share) for share in shares])
    return [
        AtomCoupling(element=symbol, lambda_=float(share))
        for symbol, share in zip(symbols, at_each @ spectrum.coupling, strict=True)
    ]
