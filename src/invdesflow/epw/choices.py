"""Which Wannier functions to try: their first guesses and energy windows, found from the bands alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import curve_fit
from scipy.special import erfc

from invdesflow.errors import EspressoError
from invdesflow.espresso.parsers.projections import AtomicState, Projections

__all__ = ["WannierChoice", "wannier_choices"]

FloatArray = NDArray[np.float64]

_LETTERS = "spdf"
_CORE_DEPTH_EV = 10.0  # bands that end so far below the Fermi level ...
_CORE_GAP_EV = 3.0  # ... and so far below the next band hold no electrons that conduct
_ATOMIC = 0.9  # a state with at least this share of atomic orbitals is one of theirs
_MARGIN_EV = 1e-3
_DIGITS = 3  # of energies in eV, so that the last bits of a band do not ask another question


@dataclass(frozen=True, slots=True)
class WannierChoice:
    """One way to make Wannier functions.

    Attributes
    ----------
    name
        What it starts from.
    n_wannier
        Number of functions.
    skipped
        Lowest bands that are left out.
    parameters
        Projections and windows, as EPW names them.
    """

    name: str
    n_wannier: int
    skipped: int
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def kept(self) -> dict[str, Any]:
        """Parameters that every later run of EPW has to repeat."""
        return {"bands_skipped": f"exclude_bands = 1-{self.skipped}"} if self.skipped else {}


def wannier_choices(
    bands: Projections, orbitals: Sequence[AtomicState], fermi_energy_ev: float, window_ev: float
) -> Iterator[WannierChoice]:
    """Propose Wannier functions, the most likely to succeed first.

    1. Atomic orbitals.
    2. Atomic orbitals and one shell more on one element, for bands that they do not span; the fewest functions first.
    3. Atomic orbitals and one shell more on each element, for bands that are nearly free electrons.
    4. Atomic orbitals; the bands are kept only up to a little above the states that conduct.
    5. Selected columns of the density matrix (SCDM), which need no orbitals for a guess.

    1 to 3 keep the bands up to half way between the Fermi level and the first energy at which there are more states
    than functions, or up to where they stop to be made of atomic orbitals, if that is higher.

    Parameters
    ----------
    bands
        Bands on a uniform mesh, and their overlaps with atomic orbitals.
    orbitals
        These orbitals.
    fermi_energy_ev
        Fermi level.
    window_ev
        States up to so far above the Fermi level have to be kept.

    Raises
    ------
    EspressoError
        If there are fewer bands than orbitals.

    Notes
    -----
    Half way is what was measured. A window that ends at the states that conduct leaves a band that falls steeply
    towards the Fermi level out of the functions where it is above the window, and its interpolation is off by an
    electronvolt in between (H3S at 200 GPa, MgB2); one that ends where the functions are used up leaves them no
    freedom, and they spread.

    Projectabilities for windows: Qiao, Pizzi and Marzari, npj Comput. Mater. 9, 208 (2023). SCDM with the parameters of
    Vitale et al., npj Comput. Mater. 6, 66 (2020), mu = mu_fit - 3 sigma_fit.
    """
    skipped, kept = _without_core(bands, len(orbitals), fermi_energy_ev)
    valence = [orbitals[index] for index in kept]
    energies, weights = bands.energies_ev[:, skipped:], bands.squared[:, skipped:][:, :, kept]
    n_wannier = len(valence)
    if energies.shape[1] < n_wannier:
        raise EspressoError(
            f"{energies.shape[1]} bands are too few for {n_wannier} Wannier functions.", "Raise extra_bands."
        )
    projectability = weights.sum(axis=2)
    least = fermi_energy_ev + window_ev
    wanted = max(least, _atomic_up_to(energies, projectability))
    common = {"dis_win_max": round(float(energies.max() + 1.0), _DIGITS)}

    def frozen(n: int) -> float:
        fits = _fits(energies, n)
        return round(min(fits, max(wanted, 0.5 * (fermi_energy_ev + fits))), _DIGITS)

    narrow = {"dis_froz_max": round(min(least, _fits(energies, n_wannier)), _DIGITS)}
    atomic = {"proj": _projections(_shells(valence))}
    yield WannierChoice("atomic orbitals", n_wannier, skipped, {**common, **atomic, "dis_froz_max": frozen(n_wannier)})
    for name, shells, n_larger in _with_one_shell_more(valence):
        if n_larger <= energies.shape[1]:
            larger = {"proj": _projections(shells), "dis_froz_max": frozen(n_larger)}
            yield WannierChoice(f"atomic orbitals and {name}", n_larger, skipped, {**common, **larger})
    if narrow["dis_froz_max"] < frozen(n_wannier):
        yield WannierChoice("atomic orbitals, narrow window", n_wannier, skipped, {**common, **atomic, **narrow})
    fit = _fit_of_projectability(energies, projectability)
    if fit is not None:
        centre, width = fit
        scdm = {
            "auto_projections": True,
            "scdm_proj": True,
            "scdm_entanglement": "erfc",
            "scdm_mu": round(centre - 3.0 * width, _DIGITS),
            "scdm_sigma": round(width, _DIGITS),
        }
        yield WannierChoice("SCDM", n_wannier, skipped, {**common, **scdm, **narrow})


def _without_core(bands: Projections, n_orbitals: int, fermi_energy_ev: float) -> tuple[int, list[int]]:
    """Return how many of the lowest bands hold core states, and the orbitals of the others."""
    tops, bottoms = bands.energies_ev.max(axis=0), bands.energies_ev.min(axis=0)
    weights = bands.squared.sum(axis=0)
    for band in range(len(tops) - 1, 0, -1):
        if tops[band - 1] < fermi_energy_ev - _CORE_DEPTH_EV and bottoms[band] - tops[band - 1] > _CORE_GAP_EV:
            share = weights[:band].sum(axis=0) / weights.sum(axis=0)
            kept = [index for index, inside in enumerate(share) if inside < 0.5]
            if n_orbitals - len(kept) == band:  # else orbitals and bands do not belong to each other
                return band, kept
    return 0, list(range(n_orbitals))


def _shells(orbitals: Sequence[AtomicState]) -> list[tuple[str, int]]:
    """List element and angular momentum of every shell; all atoms of an element have the same."""
    return [shell[:2] for shell in sorted({(orbital.element, orbital.l, orbital.shell) for orbital in orbitals})]


def _with_one_shell_more(orbitals: Sequence[AtomicState]) -> list[tuple[str, list[tuple[str, int]], int]]:
    """Add the lowest of s, p and d that an element lacks: to one element, the fewest functions first, then to all.

    Returns
    -------
    list of tuple
        What was added, all shells, and the number of functions.
    """
    shells = _shells(orbitals)
    added: list[tuple[str, int, int]] = []
    for element in {element for element, _ in shells}:
        atoms = {orbital.atom for orbital in orbitals if orbital.element == element}
        lacking = [momentum for momentum in range(3) if (element, momentum) not in shells]
        if lacking:
            added.append((element, lacking[0], len(atoms) * (2 * lacking[0] + 1)))
    added.sort(key=lambda one: (one[2], one[0]))
    sets = [[one] for one in added] + ([added] if len(added) > 1 else [])
    return [
        (
            " and ".join(f"{_LETTERS[momentum]} of {element}" for element, momentum, _ in more),
            sorted(shells + [(element, momentum) for element, momentum, _ in more]),
            len(orbitals) + sum(number for _, _, number in more),
        )
        for more in sets
    ]


def _projections(shells: Sequence[tuple[str, int]]) -> list[str]:
    """Write the projections; a second shell of one angular momentum gets one radial node more."""
    written = []
    for (element, momentum), group in groupby(shells):
        for radial, _ in enumerate(group, start=1):
            written.append(f"{element}:{_LETTERS[momentum]}" + (f":r={radial}" if radial > 1 else ""))
    return written


def _atomic_up_to(energies: FloatArray, projectability: FloatArray) -> float:
    """Return the energy up to which all states are made of the orbitals."""
    foreign = energies[projectability < _ATOMIC]
    return float(foreign.min() - _MARGIN_EV) if foreign.size else float(energies.max())


def _fits(energies: FloatArray, n_wannier: int) -> float:
    """Return the highest energy below which no k-point has more states than there are functions."""
    if energies.shape[1] <= n_wannier:
        return float(energies.max())
    return float(energies[:, n_wannier].min() - _MARGIN_EV)


def _fit_of_projectability(energies: FloatArray, projectability: FloatArray) -> tuple[float, float] | None:
    """Fit the fall of the projectability with energy by an error function; none where it does not fall."""
    guess = (float(np.median(energies)), float(np.ptp(energies) / 4))

    def fall(energy: FloatArray, centre: float, width: float) -> FloatArray:
        return 0.5 * np.asarray(erfc((energy - centre) / width))

    try:
        (centre, width), _ = curve_fit(fall, energies.ravel(), projectability.ravel(), p0=guess)
    except RuntimeError:
        return None
    falls = 0 < width < np.ptp(energies) and energies.min() < centre < energies.max()
    return (float(centre), float(width)) if falls else None
