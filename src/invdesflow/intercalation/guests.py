"""Which elements fit into a void: by size and by electronegativity."""

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence

from ase.data import atomic_numbers, covalent_radii
from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Element, Structure

from invdesflow.errors import ConfigurationError, IntercalationError
from invdesflow.generation.documents import Rejection
from invdesflow.generation.similarity import DEFAULT_ELEMENTS
from invdesflow.intercalation.voids import Void

__all__ = ["ELECTRONEGATIVITY", "SIZE", "GuestSettings", "GuestVerdict", "judge_guests", "require_room"]

SIZE, ELECTRONEGATIVITY = "guest_size", "guest_electronegativity"
"""Names of the two gates, as they stand in rejections."""


class GuestSettings(BaseModel):
    """What fits into a void.

    Notes
    -----
    The radii are the covalent ones of Cordero et al., Dalton Trans. 2832 (2008), of guest and host alike: the only set
    that has every element from H to Cm, that needs no oxidation state or coordination, and the one of the contact gate
    of every other candidate. In the 29 crystals of the catalogue that are a host with a guest in its largest void, the
    ratio below is 0.88 to 1.11 (``benchmarks/guest_sizes.py``); the default leaves room for hosts that widen.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    min_fit: float = Field(
        0.75, gt=0, description="smallest distance of guest and host atom over the sum of their covalent radii"
    )
    max_fit: float = Field(1.3, gt=0, description="largest such ratio of the closest pair: beyond, the guest is loose")
    min_electronegativity_difference: float = Field(
        0.0, description="by so much the host's most electronegative element exceeds the guest (Pauling), or by more"
    )


class GuestVerdict(BaseModel):
    """Whether an element fits into a void, and why not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    guest: str = Field(description="element")
    site: str = Field(description="Wyckoff position of the void, such as 4b")
    fit: float = Field(description="smallest distance to a host atom over the sum of the covalent radii")
    rejection: Rejection | None = None

    @property
    def fits(self) -> bool:
        """Whether nothing speaks against it."""
        return self.rejection is None


def judge_guests(
    structure: Structure,
    voids: Sequence[Void],
    guests: Sequence[str] | None = None,
    settings: GuestSettings | None = None,
) -> Iterator[GuestVerdict]:
    """Ask of every guest and void whether the one fits into the other.

    Parameters
    ----------
    structure
        Ordered host.
    voids
        Its voids, from `find_voids`.
    guests
        Elements; by default all that are neither radioactive nor noble gases.
    settings
        What fits; default `GuestSettings()`.

    Yields
    ------
    GuestVerdict
        Void by void, guest by guest, in the order given.

    Raises
    ------
    ConfigurationError
        If a guest is not an element.
    """
    settings = settings or GuestSettings()
    for symbol in guests or ():
        if not Element.is_valid_symbol(symbol):
            raise ConfigurationError(f"{symbol!r} is not an element.", "Name guests by their symbols, such as Ga,Li.")
    most_electronegative = max((site.specie.symbol for site in structure), key=_electronegativity)
    for void in voids:
        nearest = _nearest(structure, void)
        for symbol in guests if guests is not None else DEFAULT_ELEMENTS:
            fit, partner = min((nearest[host] / _contact(symbol, host), host) for host in nearest)
            rejection = _not_electropositive(symbol, most_electronegative, settings) or _size(
                symbol, partner, fit, settings
            )
            yield GuestVerdict(guest=symbol, site=void.wyckoff, fit=fit, rejection=rejection)


def require_room(structure: Structure, voids: Sequence[Void], settings: GuestSettings | None = None) -> None:
    """Refuse a host that has no void, or only voids that are too small for the smallest atom.

    Raises
    ------
    IntercalationError
        If there is no room.
    """
    settings = settings or GuestSettings()
    formula = structure.composition.reduced_formula
    if not voids:
        raise IntercalationError(f"{formula} has no voids.", "Choose another host, or lower min_radius_a.")
    smallest = min(DEFAULT_ELEMENTS, key=lambda symbol: covalent_radii[atomic_numbers[symbol]])
    room = {void: min(d / _contact(smallest, host) for host, d in _nearest(structure, void).items()) for void in voids}
    if max(room.values()) < settings.min_fit:
        void = max(room, key=lambda one: room[one])
        raise IntercalationError(
            f"The voids of {formula} are smaller than any atom: in the largest, {void.wyckoff} with a radius of"
            f" {void.radius:.2f} A, even {smallest} has {room[void]:.2f} of its distance.",
            f"Choose another host, or lower min_fit (now {settings.min_fit:g}).",
        )


def _nearest(structure: Structure, void: Void) -> Mapping[str, float]:
    """Return the distance in A of the nearest atom of every element."""
    distances = structure.lattice.get_all_distances(void.fractional_coords[:1], structure.frac_coords)[0]
    nearest: dict[str, float] = {}
    for site, distance in zip(structure, distances, strict=True):
        nearest[site.specie.symbol] = min(float(distance), nearest.get(site.specie.symbol, math.inf))
    return nearest


def _contact(first: str, second: str) -> float:
    """Return the sum of two covalent radii in A."""
    return float(covalent_radii[atomic_numbers[first]] + covalent_radii[atomic_numbers[second]])


def _electronegativity(symbol: str) -> float:
    """Return Pauling's electronegativity; minus infinity where there is none (He, Ne, Ar)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = float(Element(symbol).X)
    return value if math.isfinite(value) else -math.inf


def _not_electropositive(symbol: str, host: str, settings: GuestSettings) -> Rejection | None:
    """Refuse a guest that would rather take electrons from the host than give some."""
    own, difference = _electronegativity(symbol), _electronegativity(host) - _electronegativity(symbol)
    if not math.isfinite(own):
        return Rejection(gate=ELECTRONEGATIVITY, reason=f"no electronegativity is tabulated for {symbol}")
    if difference >= settings.min_electronegativity_difference:
        return None
    margin = settings.min_electronegativity_difference
    return Rejection(
        gate=ELECTRONEGATIVITY,
        reason=f"{symbol} ({own:.2f}) is more electronegative than {host} ({own + difference:.2f})"
        + (f" less {margin:g}" if margin else ""),
        value=difference,
        threshold=margin,
    )


def _size(symbol: str, partner: str, fit: float, settings: GuestSettings) -> Rejection | None:
    if settings.min_fit <= fit <= settings.max_fit:
        return None
    small = fit > settings.max_fit
    return Rejection(
        gate=SIZE,
        reason=f"{symbol} is too {'small' if small else 'large'}: its distance from {partner} would be {fit:.2f} of the"
        " sum of the covalent radii",
        value=fit,
        threshold=settings.max_fit if small else settings.min_fit,
    )
