"""Cheap, pure checks of a proposed crystal, before anything is computed for it."""

from collections.abc import Callable
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pymatgen.core import Element, Structure

from invdesflow.crystals.geometry import closest_contact, volume_ratio
from invdesflow.crystals.symmetry import space_group
from invdesflow.errors import StructureError
from invdesflow.generation.documents import Rejection

__all__ = ["GateSettings", "check"]


class GateSettings(BaseModel):
    """Thresholds of the gates.

    With the defaults 99.4 % of the Materials Project's crystals within 0.1 eV/atom of the hull pass the contact and
    volume gates.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    min_contact_ratio: float = Field(0.7, ge=0, description="smallest distance over the sum of covalent radii")
    min_volume_ratio: float = Field(0.65, gt=0, description="smallest volume over what the elements usually take")
    max_volume_ratio: float = Field(2.0, gt=0, description="largest volume over what the elements usually take")
    max_sites: int | None = Field(40, ge=1, description="most atoms in the cell; none: no limit")
    allow_radioactive: bool = Field(False, description="let elements pass that have no stable isotope")
    allow_noble_gases: bool = Field(False, description="let noble gases pass")
    excluded_elements: list[str] = Field([], description="elements that are refused")
    potential_elements: list[str] | None = Field(None, description="what the potential knows; none: not checked")

    @field_validator("excluded_elements", "potential_elements")
    @classmethod
    def _symbols(cls, symbols: list[str] | None) -> list[str] | None:
        unknown = sorted(symbol for symbol in symbols or () if not Element.is_valid_symbol(symbol))
        if unknown:
            raise ValueError(f"not an element: {', '.join(unknown)}")
        return symbols and sorted(set(symbols))

    @model_validator(mode="after")
    def _window(self) -> Self:
        if self.min_volume_ratio >= self.max_volume_ratio:
            raise ValueError("min_volume_ratio must be below max_volume_ratio")
        return self


def check(structure: Structure, settings: GateSettings, intended_space_group: int | None = None) -> list[Rejection]:
    """Ask every gate about a crystal.

    Parameters
    ----------
    structure
        Ordered crystal.
    settings
        Thresholds.
    intended_space_group
        Number that the generator meant the crystal to have; none where it meant nothing.

    Returns
    -------
    list of Rejection
        In the order of the gates; empty if the crystal passes. A crystal that is not finite, or has a degenerate
        cell, is refused for that alone, since nothing else can be measured.
    """
    broken = _finite(structure)
    if broken:
        return [broken]
    gates: list[Callable[[], Rejection | None]] = [
        lambda: _sites(structure, settings),
        lambda: _elements(structure, settings),
        lambda: _potential(structure, settings),
        lambda: _contact(structure, settings),
        lambda: _volume(structure, settings),
    ]
    rejections = [rejection for gate in gates if (rejection := gate())]
    # Symmetry is asked last: it is the dearest, and means nothing where atoms sit on top of each other.
    if intended_space_group is not None and not any(rejection.gate == "contact" for rejection in rejections):
        rejections += [rejection for rejection in [_space_group(structure, intended_space_group)] if rejection]
    return rejections


def _finite(structure: Structure) -> Rejection | None:
    if not len(structure):
        return Rejection(gate="finite", reason="the cell holds no atoms")
    if not (np.isfinite(structure.lattice.matrix).all() and np.isfinite(structure.frac_coords).all()):
        return Rejection(gate="finite", reason="a lattice vector or a coordinate is not a finite number")
    if not structure.is_ordered:
        return Rejection(gate="finite", reason="a site is partially occupied")
    if not structure.volume > 0:
        return Rejection(gate="finite", reason="the cell has no volume", value=0.0)
    return None


def _sites(structure: Structure, settings: GateSettings) -> Rejection | None:
    if settings.max_sites is None or len(structure) <= settings.max_sites:
        return None
    return Rejection(
        gate="sites",
        reason=f"{len(structure)} atoms in the cell are more than {settings.max_sites}",
        value=len(structure),
        threshold=settings.max_sites,
    )


def _elements(structure: Structure, settings: GateSettings) -> Rejection | None:
    refused = sorted(
        element.symbol
        for element in structure.composition.elements
        if element.symbol in settings.excluded_elements
        or (element.is_noble_gas and not settings.allow_noble_gases)
        or (element.is_radioactive and not settings.allow_radioactive)
    )
    return Rejection(gate="elements", reason=f"contains {', '.join(refused)}") if refused else None


def _potential(structure: Structure, settings: GateSettings) -> Rejection | None:
    if settings.potential_elements is None:
        return None
    unknown = sorted(
        {element.symbol for element in structure.composition.elements}.difference(settings.potential_elements)
    )
    return Rejection(gate="potential", reason=f"the potential does not know {', '.join(unknown)}") if unknown else None


def _contact(structure: Structure, settings: GateSettings) -> Rejection | None:
    try:
        contact = closest_contact(structure)
    except StructureError as error:
        return Rejection(gate="contact", reason=error.problem)
    if contact.ratio >= settings.min_contact_ratio:
        return None
    pair = "-".join(contact.elements)
    return Rejection(
        gate="contact",
        reason=f"{pair} at {contact.distance:.2f} A is {contact.ratio:.2f} of the sum of the covalent radii",
        value=contact.ratio,
        threshold=settings.min_contact_ratio,
    )


def _volume(structure: Structure, settings: GateSettings) -> Rejection | None:
    try:
        ratio = volume_ratio(structure)
    except StructureError as error:
        return Rejection(gate="volume", reason=error.problem)
    if settings.min_volume_ratio <= ratio <= settings.max_volume_ratio:
        return None
    small = ratio < settings.min_volume_ratio
    return Rejection(
        gate="volume",
        reason=f"the volume is {ratio:.2f} of what the elements usually take",
        value=ratio,
        threshold=settings.min_volume_ratio if small else settings.max_volume_ratio,
    )


def _space_group(structure: Structure, intended: int) -> Rejection | None:
    try:
        number, symbol = space_group(structure)
    except StructureError as error:
        return Rejection(gate="space_group", reason=error.problem)
    if number == intended:
        return None
    return Rejection(
        gate="space_group",
        reason=f"space group {symbol} ({number}) instead of {intended}",
        value=number,
        threshold=intended,
    )
