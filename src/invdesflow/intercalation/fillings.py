"""Guests in the voids of a host: full and partial fillings, and their symmetry-distinct orderings.

The orderings of a partial filling are the derivative superstructures of the host's guest sites (G. L. W. Hart and
R. W. Forcade, Phys. Rev. B 77, 224115 (2008); 80, 014120 (2009)): supercells in Hermite normal form, one of every set
that the point group exchanges, and in each the colourings of the sites that no operation exchanges.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, product
from math import prod

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Structure

from invdesflow.crystals.symmetry import symmetry_of
from invdesflow.errors import ConfigurationError, IntercalationError
from invdesflow.intercalation.expansion import widened
from invdesflow.intercalation.voids import Void

__all__ = ["FilledCrystal", "OrderingSettings", "SiteFilling", "fill"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

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
    """

    void: Void
    guests: Mapping[str, Fraction]

    @classmethod
    def of(cls, void: Void, guests: Mapping[str, float | Fraction]) -> "SiteFilling":
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
        return cls(void, shares)

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
    """

    structure: Structure
    guests: dict[str, int]
    sites: list[str]
    filling: float
    n_cells: int


@dataclass(frozen=True, eq=False)
class _Supercell:
    """A supercell of the host and what its symmetry does to the guest sites.

    Attributes
    ----------
    matrix
        Rows are its vectors in those of the host; shape (3, 3).
    sites
        Guest sites, orbit by orbit, fractional in the supercell; shape (n_sites, 3).
    permutations
        Of the sites, one for every operation; shape (n_operations, n_sites).
    translations
        Those of them that are translations within the supercell; shape (n_cells - 1, n_sites).
    colours
        For every orbit: number of its sites, and how many of them have which colour; 0 is empty.
    """

    matrix: IntArray
    sites: FloatArray
    permutations: IntArray
    translations: IntArray
    colours: list[tuple[int, dict[int, int]]]


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
    cells: list[_Supercell] = []
    count = 0
    for n_cells in range(1, settings.max_cells + 1):
        for cell in _supercells(structure, fillings, elements, n_cells):
            cells.append(cell)
            count += _count(cell)
            if count > settings.max_orderings:
                raise IntercalationError(
                    f"There are at least {count} orderings when one fills {told} in up to {settings.max_cells} host"
                    f" cells; {settings.max_orderings} are allowed.",
                    "Lower max_cells, choose a fraction with a smaller denominator, or raise max_orderings.",
                )
    if not cells:
        raise IntercalationError(
            f"No cell of up to {settings.max_cells} host cells has whole atoms when one fills {told}.",
            "Raise max_cells, or choose a fraction with a smaller denominator.",
        )
    return [
        _filled(structure, fillings, elements, cell, colouring) for cell in cells for colouring in _colourings(cell)
    ]


def _told(guests: Mapping[str, float | Fraction]) -> str:
    return ", ".join(f"{float(share):.3g} {symbol}" for symbol, share in guests.items()) or "nothing"


def _supercells(
    structure: Structure, fillings: Sequence[SiteFilling], elements: Sequence[str], n_cells: int
) -> Iterator[_Supercell]:
    """Yield the supercells of a size that differ by symmetry, if they hold whole numbers of guests."""
    counts = [filling.counts(n_cells) for filling in fillings]
    whole = [count for count in counts if count is not None]
    if len(whole) < len(counts):
        return
    colours = []
    for filling, count in zip(fillings, whole, strict=True):
        total = filling.void.n_sites * n_cells
        taken = {1 + elements.index(symbol): number for symbol, number in count.items()}
        colours.append((total, {0: total - sum(taken.values())} | taken))
    symmetry = symmetry_of(structure)
    orbits = [filling.void.fractional_coords for filling in fillings]
    seen: list[IntArray] = []
    for matrix in _hermite_normal_forms(n_cells):
        if any(_same_lattice(matrix @ rotation.T, other) for rotation in symmetry.rotations for other in seen):
            continue
        seen.append(matrix)
        keeping = [_same_lattice(matrix @ rotation.T, matrix) for rotation in symmetry.rotations]
        rotations, shifts = symmetry.rotations[keeping], symmetry.translations[keeping]
        points = _lattice_points(matrix)
        sites = np.vstack([(points[:, None] + orbit).reshape(-1, 3) for orbit in orbits])
        permutations = {
            tuple(_permutation(sites @ rotation.T + shift + point, sites, matrix).tolist())
            for rotation, shift in zip(rotations, shifts, strict=True)
            for point in points
        }
        translations = [_permutation(sites + point, sites, matrix) for point in points[1:]]
        yield _Supercell(
            matrix=matrix,
            sites=sites @ np.linalg.inv(matrix),
            permutations=np.array(sorted(permutations)),
            translations=np.array(translations, dtype=np.int64).reshape(-1, len(sites)),
            colours=colours,
        )


def _hermite_normal_forms(determinant: int) -> Iterator[IntArray]:
    """Yield all superlattices of a size, each once; rows are their vectors."""
    divisors = [d for d in range(1, determinant + 1) if determinant % d == 0]
    for a, b in product(divisors, divisors):
        if determinant % (a * b) == 0:
            c = determinant // (a * b)
            for x, y, z in product(range(b), range(c), range(c)):
                yield np.array([[a, x, y], [0, b, z], [0, 0, c]], dtype=np.int64)


def _same_lattice(first: NDArray[np.int_], second: NDArray[np.int_]) -> bool:
    """Tell whether the rows of two matrices of equal determinant span the same lattice."""
    ratio = first @ np.linalg.inv(second)
    return bool(np.abs(ratio - np.rint(ratio)).max() < 1e-6)


def _lattice_points(matrix: IntArray) -> IntArray:
    """Return the host's lattice points in a supercell in Hermite normal form, the origin first; shape (n_cells, 3)."""
    return np.array(list(product(*map(range, np.diag(matrix)))), dtype=np.int64)


def _permutation(images: FloatArray, sites: FloatArray, matrix: IntArray) -> IntArray:
    """Return the site that every image falls on."""
    apart = (images[:, None] - sites) @ np.linalg.inv(matrix)
    distances = np.abs(apart - np.rint(apart)).max(axis=2)
    partners = distances.argmin(axis=1)
    if distances.min(axis=1).max() > 1e-3 or len(set(partners.tolist())) < len(sites):
        raise IntercalationError("The voids are no orbit of the host.", "Give the voids that find_voids finds in it.")
    return np.asarray(partners, dtype=np.int64)


def _count(cell: _Supercell) -> int:
    """Count the colourings that no operation exchanges (Burnside's lemma), without making one."""
    ends = np.cumsum([0, *(total for total, _ in cell.colours)])
    fixed = 0
    for permutation in cell.permutations:
        cycles = _cycles(permutation)
        fixed += prod(
            _ways([len(cycle) for cycle in cycles if start <= cycle[0] < end], counts)
            for (_, counts), start, end in zip(cell.colours, ends[:-1], ends[1:], strict=True)
        )
    return fixed // len(cell.permutations)


def _cycles(permutation: IntArray) -> list[list[int]]:
    cycles, left = [], set(range(len(permutation)))
    while left:
        cycle = [min(left)]
        while (following := int(permutation[cycle[-1]])) != cycle[0]:
            cycle.append(following)
        left.difference_update(cycle)
        cycles.append(cycle)
    return cycles


def _ways(lengths: Sequence[int], counts: Mapping[int, int]) -> int:
    """Count the ways to give every cycle one colour so that every colour has its number of sites."""
    states = Counter({tuple(counts.values()): 1})
    for length in lengths:
        following: Counter[tuple[int, ...]] = Counter()
        for left, ways in states.items():
            for colour, amount in enumerate(left):
                if amount >= length:
                    following[(*left[:colour], amount - length, *left[colour + 1 :])] += ways
        states = following
    return states[(0,) * len(counts)]


def _colourings(cell: _Supercell) -> Iterator[IntArray]:
    """Yield one of every set of colourings that the operations exchange, but none that a translation keeps."""
    seen: set[bytes] = set()
    for parts in product(*(list(_arrangements(total, counts)) for total, counts in cell.colours)):
        colouring = np.concatenate(parts)
        if colouring.tobytes() in seen:
            continue
        seen.update(image.tobytes() for image in colouring[cell.permutations])
        if not (colouring[cell.translations] == colouring).all(axis=1).any():
            yield colouring


def _arrangements(total: int, counts: Mapping[int, int]) -> Iterator[IntArray]:
    """Yield all ways to give `counts` sites of `total` every colour; the rest is 0."""
    painted = {colour: count for colour, count in counts.items() if colour}
    if not painted:
        yield np.zeros(total, dtype=np.int64)
        return
    colour, count = painted.popitem()
    for arrangement in _arrangements(total, painted):
        for chosen in combinations(np.flatnonzero(arrangement == 0), count):
            further = arrangement.copy()
            further[list(chosen)] = colour
            yield further


def _filled(
    structure: Structure,
    fillings: Sequence[SiteFilling],
    elements: Sequence[str],
    cell: _Supercell,
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
    )
