"""Following phonons at Gamma from a host into a crystal with guests, by the overlap of eigenvectors."""

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Element
from scipy.optimize import linear_sum_assignment

from invdesflow.errors import IntercalationError
from invdesflow.intercalation.gamma_modes import GammaModes
from invdesflow.intercalation.site_mapping import SiteMapping

__all__ = ["FollowedMode", "NetworkModes", "breathing_mode", "follow_modes", "network_element", "overlaps"]

_DOMINATES = 0.5
_BREATHING = "Eg"


class FollowedMode(BaseModel):
    """A phonon of the host at Gamma, degenerate or not, and what becomes of it among guests."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    label: str = Field(description="irreducible representation in the host, such as Eg; empty where it has none")
    degeneracy: int = Field(ge=1)
    network_weight: float = Field(description="share of the network's element in it, in the host")
    host_thz: float = Field(description="negative where imaginary (THz)")
    guest_thz: float = Field(description="mean of the modes that it becomes (THz)")
    guest_labels: list[str] = Field(description="their irreducible representations")
    overlap: float = Field(
        ge=0, le=1 + 1e-6, description="how much of it these modes, and those degenerate with them, hold; 1: all"
    )
    softening_percent: float | None = Field(description="100 (1 - guest/host); none if one is imaginary")


class NetworkModes(BaseModel):
    """The optical phonons at Gamma that are mostly motions of the network, such as H."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    element: str
    count: int = Field(ge=1, description="modes with more than half of their weight on it")
    mean_thz: float
    softest_thz: float = Field(description="negative where imaginary")

    @classmethod
    def of(cls, modes: GammaModes, element: str) -> Self:
        """Find them.

        Raises
        ------
        IntercalationError
            If no optical mode is mostly a motion of this element.
        """
        chosen = [mode for mode in np.flatnonzero(modes.weight_on(element) > _DOMINATES) if mode not in modes.acoustic]
        if not chosen:
            raise IntercalationError(
                f"No optical mode of {modes.structure.reduced_formula} at Gamma is mostly a motion of {element}.",
                "Name another element of the network.",
            )
        frequencies = modes.frequencies_thz[chosen]
        return cls(
            element=element,
            count=len(chosen),
            mean_thz=float(frequencies.mean()),
            softest_thz=float(frequencies.min()),
        )


def network_element(symbols: Sequence[str]) -> str:
    """Return the lightest of some elements, which carries the highest phonons."""
    return min(symbols, key=lambda symbol: float(Element(symbol).atomic_mass))


def overlaps(host: GammaModes, guest: GammaModes, mapping: SiteMapping) -> NDArray[np.float64]:
    """Return how much of every mode of the host every mode of the crystal with guests holds.

    A mode of the host at Gamma moves all its cells alike, and guest atoms not at all.

    Parameters
    ----------
    host, guest
        Phonons of the two crystals.
    mapping
        From the cell of `host` to that of `guest`.

    Returns
    -------
    ndarray
        Squared moduli of the scalar products; shape (host modes, guest modes). Every row sums up to 1.
    """
    turned = host.eigenvectors @ mapping.rotation / np.sqrt(mapping.n_cells)
    extended = np.zeros((len(turned), len(guest.structure), 3), dtype=complex)
    extended[:, mapping.sites] = turned[:, :, None]
    products = np.einsum("hai,gai->hg", extended.conj(), guest.eigenvectors)
    return np.asarray(np.abs(products) ** 2)


def follow_modes(host: GammaModes, guest: GammaModes, mapping: SiteMapping, element: str) -> list[FollowedMode]:
    """Follow every optical phonon of the host into the crystal with guests.

    Every mode of the host becomes the one mode of the other crystal that makes the sum of all overlaps largest. Within
    degenerate modes eigenvectors are arbitrary; only sums over whole groups count.

    Parameters
    ----------
    host, guest, mapping
        As for `overlaps`.
    element
        Of the network.

    Returns
    -------
    list of FollowedMode
        In the order of the host's frequencies.
    """
    shared = overlaps(host, guest, mapping)
    invariant = _average(_average(shared, host.groups).T, guest.groups).T
    _, partners = linear_sum_assignment(invariant, maximize=True)
    return [
        _followed(index, partners[list(group)], shared, (host, guest), element)
        for index, group in enumerate(host.groups)
        if not host.acoustic.intersection(group)
    ]


def breathing_mode(modes: Sequence[FollowedMode]) -> FollowedMode:
    """Choose the Eg mode in which the network stretches and compresses its bonds: the highest one.

    Raises
    ------
    IntercalationError
        If the host has none.
    """
    found = [mode for mode in modes if mode.label == _BREATHING and mode.network_weight > _DOMINATES]
    if not found:
        raise IntercalationError(
            "The host has no Eg mode at Gamma that is mostly a motion of its network.", "Look at the other modes."
        )
    return max(found, key=lambda mode: mode.host_thz)


def _followed(
    index: int,
    partners: NDArray[np.int_],
    shared: NDArray[np.float64],
    crystals: tuple[GammaModes, GammaModes],
    element: str,
) -> FollowedMode:
    """Describe what a group of modes of the host becomes."""
    host, guest = crystals
    group = list(host.groups[index])
    before, after = float(host.frequencies_thz[group].mean()), float(guest.frequencies_thz[partners].mean())
    met = [other for other, members in enumerate(guest.groups) if set(members) & set(partners.tolist())]
    held = [mode for other in met for mode in guest.groups[other]]
    return FollowedMode(
        label=host.labels[index],
        degeneracy=len(group),
        network_weight=float(host.weight_on(element)[group].mean()),
        host_thz=before,
        guest_thz=after,
        guest_labels=sorted({guest.labels[other] for other in met} - {""}),
        overlap=float(shared[np.ix_(group, held)].sum() / len(group)),
        softening_percent=100.0 * (1.0 - after / before) if before > 0.0 and after >= 0.0 else None,
    )


def _average(values: NDArray[np.float64], groups: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """Give every row of a group the mean of its rows."""
    averaged = np.array(values)
    for group in groups:
        averaged[list(group)] = values[list(group)].mean(axis=0)
    return averaged
