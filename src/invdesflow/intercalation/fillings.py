"""Guests in the voids of a host: full and partial fillings, and their symmetry-distinct orderings."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Structure

from invdesflow.errors import ConfigurationError, IntercalationError
from invdesflow.intercalation.expansion import widened
from invdesflow.intercalation.orderings import IntArray, Supercell, colourings, count_colourings, supercells
from invdesflow.intercalation.voids import Void

__all__ = ["FilledCrystal", "OrderingSettings", "SiteFilling", "fill"]

LARGEST_DENOMINATOR = 48


class OrderingSettings(BaseModel):
    """How far the orderings of a partial filling are followed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_cells: int = Field(1, ge=1, description="largest supercell, in cells of the host")
    max_orderings: int = Field(50, ge=1, description="most symmetry-distinct orderings of one filling")


@dataclass(frozen=True)
class SiteFilling:
    """What goes into the voids of one orbit.

    Attributes
    ----------
    void
        The voids.
    guests
        Element -> share of the sites; what is missing to one stays empty.
    energy_ev
        Energy of one guest in such a void above that in the best one (eV); None where voids were not ranked by it.
    energies_converged
        Whether the atoms came to rest around the guest in all voids that were ranked.
    """

    void: Void
    guests: Mapping[str, Fraction]
    energy_ev: float | None = None
    energies_converged: bool = True

    @classmethod
    def of(
        cls,
        void: Void,
        guests: Mapping[str, float | Fraction],
        energy_ev: float | None = None,
        energies_converged: bool = True,
    ) -> "SiteFilling":
        """Make a filling from shares as people write them; 0.333 is a third.

        Raises
        ------
        ConfigurationError
            If a share is not positive, is no fraction with a denominator up to 48, or they exceed one.
        """
        shares = {symbol: Fraction(share).limit_denominator(LARGEST_DENOMINATOR) for symbol, share in guests.items()}
        wrong = [s for s, share in shares.items() if share <= 0 or abs(float(share) - float(guests[s])) > 1e-3]
        if wrong or not shares or sum(shares.values()) > 1:
            raise ConfigurationError(
                f"The voids {void.wyckoff} cannot be filled with {_told(guests)}.",
                f"Give shares above 0 that are fractions with a denominator up to {LARGEST_DENOMINATOR}, 1 in total.",
            )
        return cls(void, shares, energy_ev, energies_converged)

    @property
    def share(self) -> Fraction:
        """Share of the sites that is taken."""
        return sum(self.guests.values(), Fraction(0))

    def counts(self, n_cells: int) -> dict[str, int] | None:
        """Return the atoms of every guest in so many cells; none if the shares are not whole numbers of sites."""
        amounts = {symbol: share * self.void.n_sites * n_cells for symbol, share in self.guests.items()}
        if any(amount.denominator > 1 for amount in amounts.values()):
            return None
        return {symbol: int(amount) for symbol, amount in amounts.items()}


@dataclass(frozen=True, eq=False)
class FilledCrystal:
    """A host with guests: first the atoms of the host, then the guests.

    Attributes
    ----------
    structure
        The crystal, widened as `invdesflow.intercalation.expansion.widened` says.
    guests
        Element -> guest atoms in the cell.
    sites
        Wyckoff positions of the host that they took.
    filling
        Share of these sites that is taken.
    n_cells
        Cells of the host in the cell.
    site_energies_ev
        Site -> `SiteFilling.energy_ev`, where voids were ranked by it.
    energies_converged
        As `SiteFilling.energies_converged` of all its sites.
    """

    structure: Structure
    guests: dict[str, int]
    sites: list[str]
    filling: float
    n_cells: int
    site_energies_ev: dict[str, float]
    energies_converged: bool


def fill(
    structure: Structure, fillings: Sequence[SiteFilling], settings: OrderingSettings | None = None
) -> list[FilledCrystal]:
    """Put guests into the voids of a host, in every symmetry-distinct order.

    Parameters
    ----------
    structure
        Ordered host in a primitive cell; in a larger one, orderings that only the finer lattice exchanges come apart.
    fillings
        What goes where, with the voids of this cell; at least one, every void once.
    settings
        Bounds; default `OrderingSettings()`.

    Returns
    -------
    list of FilledCrystal
        Small cells first. No ordering that repeats itself in a smaller cell comes again in a larger one.

    Raises
    ------
    IntercalationError
        If no supercell has whole numbers of guests, or there are more orderings than allowed; they are counted before
        anything is built.
    StructureError
        If the symmetry of the host cannot be found.
    """
    settings = settings or OrderingSettings()
    elements = sorted({symbol for filling in fillings for symbol in filling.guests})
    told = " and ".join(f"{filling.void.wyckoff} with {_told(filling.guests)}" for filling in fillings)
    orbits = [filling.void.fractional_coords for filling in fillings]
    cells: list[Supercell] = []
    count = 0
    for n_cells in range(1, settings.max_cells + 1):
        colours = [_colours(filling, elements, n_cells) for filling in fillings]
        if any(own is None for own in colours):
            continue
        for cell in supercells(structure, orbits, [own for own in colours if own is not None], n_cells):
            cells.append(cell)
            count += count_colourings(cell)
            if count > settings.max_orderings:
                raise IntercalationError(
                    f"There are at least {count} orderings when one fills {told} in up to {settings.max_cells} host"
                    f" cells; {settings.max_orderings} are allowed.",
                    "Lower max_cells (--cells), choose a fraction with a smaller denominator, or raise max_orderings"
                    " (--orderings).",
                )
    if not cells:
        raise IntercalationError(
            f"No cell of up to {settings.max_cells} host cells has whole atoms when one fills {told}.",
            "Raise max_cells (--cells), or choose a fraction with a smaller denominator.",
        )
    return [_filled(structure, fillings, elements, cell, colouring) for cell in cells for colouring in colourings(cell)]


def _told(guests: Mapping[str, float | Fraction]) -> str:
    return ", ".join(f"{float(share):.3g} {symbol}" for symbol, share in guests.items()) or "nothing"


def _colours(filling: SiteFilling, elements: Sequence[str], n_cells: int) -> dict[int, int] | None:
    """Return colour -> sites in so many cells: 0 is empty, the others count the elements; none if not whole."""
    counts = filling.counts(n_cells)
    if counts is None:
        return None
    empty = filling.void.n_sites * n_cells - sum(counts.values())
    return {0: empty} | {1 + elements.index(symbol): number for symbol, number in counts.items()}


def _filled(
    structure: Structure,
    fillings: Sequence[SiteFilling],
    elements: Sequence[str],
    cell: Supercell,
    colouring: IntArray,
) -> FilledCrystal:
    crystal = structure.make_supercell(cell.matrix, in_place=False, to_unit_cell=True)
    n_host = len(crystal)
    taken = np.flatnonzero(colouring)
    for site in taken:
        crystal.append(elements[colouring[site] - 1], cell.sites[site] % 1.0)
    if len(cell.translations):
        crystal = crystal.get_reduced_structure("LLL")
    crystal = widened(crystal, range(n_host, len(crystal)))
    return FilledCrystal(
        structure=crystal,
        guests=dict(sorted(Counter(elements[colouring[site] - 1] for site in taken).items())),
        sites=[filling.void.wyckoff for filling in fillings],
        filling=len(taken) / len(colouring),
        n_cells=1 + len(cell.translations),
        site_energies_ev={f.void.wyckoff: f.energy_ev for f in fillings if f.energy_ev is not None},
        energies_converged=all(filling.energies_converged for filling in fillings),
    )
