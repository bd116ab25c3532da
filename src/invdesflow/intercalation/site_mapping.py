"""Which atoms of a crystal with guests are those of its host, and how the one crystal lies in the other."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure

from invdesflow.errors import IntercalationError

__all__ = ["SiteMapping", "host_cells"]

# Guests stretch a lattice and move atoms: Cu-H grows from 1.56 to 1.82 A when Ga enters K2CuH6.
_LENGTHS, _SITES, _ANGLES = 0.2, 0.5, 5.0


def host_cells(host: Structure, guest: Structure, guest_elements: Collection[str]) -> int:
    """Count the cells of the host in the cell of a crystal with guests.

    Parameters
    ----------
    host, guest
        Cells of the two crystals.
    guest_elements
        Elements that were put in.

    Raises
    ------
    IntercalationError
        If the second crystal is not the first one with guests.
    """
    before, after = host.composition.get_el_amt_dict(), guest.composition.get_el_amt_dict()
    ratios = {after.get(element, 0.0) / amount for element, amount in before.items() if element not in guest_elements}
    n_cells = round(float(min(ratios, default=guest.volume / host.volume)))
    added = {element: after[element] - n_cells * before.get(element, 0.0) for element in after}
    unchanged = all(abs(ratio - n_cells) < 1e-6 for ratio in ratios)
    only_guests = {element for element, amount in added.items() if amount} == set(guest_elements)
    if n_cells < 1 or not unchanged or not only_guests or min(added.values()) < 0:
        raise IntercalationError(
            f"{guest.formula} is not {host.formula} with {', '.join(sorted(guest_elements))} put in.",
            "Compare a crystal with its own host.",
        )
    return n_cells


@dataclass(frozen=True, eq=False)
class SiteMapping:
    """Where the atoms of the host are in a crystal with guests.

    Parameters
    ----------
    sites
        Indices in the crystal with guests of the copies of every atom of the host; shape (n_host, n_cells).
    deformation
        Matrix F with ``x_guest = x_host @ F`` for Cartesian vectors between atoms, but for what atoms do on their
        own; shape (3, 3).
    rotation
        Its part that is a rotation or a reflection; shape (3, 3).
    """

    sites: NDArray[np.int_]
    deformation: NDArray[np.float64]
    rotation: NDArray[np.float64]

    @property
    def n_cells(self) -> int:
        """Cells of the host in the cell with guests."""
        return int(self.sites.shape[1])

    @classmethod
    def find(cls, host: Structure, guest: Structure, guest_elements: Collection[str]) -> Self:
        """Recognise the host in a crystal with guests.

        Parameters
        ----------
        host, guest
            Cells of the two crystals, in any orientation.
        guest_elements
            Elements that were put in; the host may contain them too.

        Raises
        ------
        IntercalationError
            If the second crystal is not the first one with guests, or its atoms have moved too far to be recognised.
        """
        n_cells = host_cells(host, guest, guest_elements)
        matcher = StructureMatcher(
            ltol=_LENGTHS,
            stol=_SITES,
            angle_tol=_ANGLES,
            primitive_cell=False,
            attempt_supercell=n_cells > 1,
            allow_subset=True,
            supercell_size=_counted_by(host, guest_elements),
        )
        found = matcher.get_transformation(guest, host)
        if found is None:
            raise IntercalationError(
                f"The atoms of {host.reduced_formula} cannot be followed into {guest.reduced_formula}.",
                "Compare the two by eye: the host has rebuilt itself.",
            )
        supercell, _, partners = found
        # Sites of a supercell follow each other copy by copy, atom by atom.
        where = np.full(len(host) * n_cells, -1)
        for site, partner in enumerate(partners[: len(guest)]):
            if partner is not None:
                where[partner] = site
        deformation = np.linalg.inv(supercell @ host.lattice.matrix) @ guest.lattice.matrix
        left, _, right = np.linalg.svd(deformation)
        return cls(where.reshape(len(host), n_cells), deformation, left @ right)


def _counted_by(host: Structure, guest_elements: Collection[str]) -> list[str] | str:
    """Say what tells the size of the supercell: the elements that are only the host's, if there are such."""
    own = sorted(set(host.symbol_set) - set(guest_elements))
    return own or "volume"
