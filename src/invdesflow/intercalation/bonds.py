"""The bonds of a host, and how long the same bonds are among guests."""

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure

from invdesflow.intercalation.documents import BondChange
from invdesflow.intercalation.site_mapping import SiteMapping

__all__ = ["bond_changes"]

Bond = tuple[tuple[str, str], float, float]

_REACH_A = 8.0
_SHELL = 1.1  # neighbours up to this multiple of the nearest one are nearest neighbours
_SAME_LENGTH_A = 0.02


def bond_changes(host: Structure, guest: Structure, mapping: SiteMapping) -> list[BondChange]:
    """Measure the bonds of the host to nearest neighbours, and the same bonds among guests.

    Parameters
    ----------
    host, guest
        Cells of the two crystals.
    mapping
        From the one to the other.

    Returns
    -------
    list of BondChange
        One for each pair of elements and length in the host, the shortest first.
    """
    found = sorted(_followed_bonds(host, guest, mapping), key=lambda bond: (bond[0], bond[1]))
    changes: list[BondChange] = []
    for elements, bonds in groupby(found, key=lambda bond: bond[0]):
        for alike in _runs(list(bonds)):
            lengths = [after for _, _, after in alike]
            changes.append(
                BondChange(
                    elements=elements,
                    host_a=float(np.mean([before for _, before, _ in alike])),
                    guest_a=float(np.mean(lengths)),
                    guest_shortest_a=min(lengths),
                    guest_longest_a=max(lengths),
                )
            )
    return sorted(changes, key=lambda change: change.host_a)


def _followed_bonds(host: Structure, guest: Structure, mapping: SiteMapping) -> Iterator[Bond]:
    """Yield the elements of every bond of the host, its length, and its length in one copy among guests."""
    centres, partners, images, distances = host.get_neighbor_list(_REACH_A)
    nearest = np.full(len(host), np.inf)
    np.minimum.at(nearest, centres, distances)
    chosen = distances < _SHELL * nearest[centres]
    for centre, partner, image, distance in zip(
        centres[chosen], partners[chosen], images[chosen], distances[chosen], strict=True
    ):
        step = host.frac_coords[partner] + image - host.frac_coords[centre]
        expected = host.lattice.get_cartesian_coords(step) @ mapping.deformation
        first, second = sorted((host[int(centre)].specie.symbol, host[int(partner)].specie.symbol))
        for site in mapping.sites[centre]:
            yield (first, second), float(distance), _length_near(guest, int(site), mapping.sites[partner], expected)


def _length_near(guest: Structure, site: int, partners: NDArray[np.int_], expected: NDArray[np.float64]) -> float:
    """Return the distance to that copy of an atom which lies most nearly where the host has it."""
    wanted = guest.lattice.get_fractional_coords(expected)
    steps = guest.frac_coords[partners] - guest.frac_coords[site]
    vectors = guest.lattice.get_cartesian_coords(steps + np.round(wanted - steps))
    return float(np.linalg.norm(vectors[np.linalg.norm(vectors - expected, axis=1).argmin()]))


def _runs(bonds: Sequence[Bond]) -> Iterator[list[Bond]]:
    """Part bonds of the same elements, sorted by length, where their lengths differ."""
    ends = [index for index in range(1, len(bonds)) if bonds[index][1] - bonds[index - 1][1] > _SAME_LENGTH_A]
    for start, end in zip([0, *ends], [*ends, len(bonds)], strict=True):
        yield list(bonds[start:end])
