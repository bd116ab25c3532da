"""Derivative superstructures: the symmetry-distinct ways to colour sites of a crystal in its supercells.

G. L. W. Hart and R. W. Forcade, Phys. Rev. B 77, 224115 (2008); 80, 014120 (2009): supercells in Hermite normal form,
one of every set that the point group exchanges, and in each the colourings of the sites that no operation exchanges.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import prod

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure

from invdesflow.crystals.symmetry import symmetry_of
from invdesflow.errors import IntercalationError

__all__ = ["IntArray", "Supercell", "colourings", "count_colourings", "supercells"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Supercell:
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


def supercells(
    structure: Structure, orbits: Sequence[FloatArray], colours: Sequence[Mapping[int, int]], n_cells: int
) -> Iterator[Supercell]:
    """Yield the supercells of a size that differ by symmetry.

    Parameters
    ----------
    structure
        Ordered crystal in a primitive cell.
    orbits
        Sites to be coloured, orbit by orbit, fractional in that cell; shapes (n, 3).
    colours
        For every orbit: colour -> its sites in the supercell; 0 is empty.
    n_cells
        Size of the supercell.

    Raises
    ------
    IntercalationError
        If the sites are no orbits of the crystal.
    StructureError
        If the symmetry of the crystal cannot be found.
    """
    symmetry = symmetry_of(structure)
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
        yield Supercell(
            matrix=matrix,
            sites=sites @ np.linalg.inv(matrix),
            permutations=np.array(sorted(permutations)),
            translations=np.array(translations, dtype=np.int64).reshape(-1, len(sites)),
            colours=[(len(orbit) * n_cells, dict(own)) for orbit, own in zip(orbits, colours, strict=True)],
        )


def count_colourings(cell: Supercell) -> int:
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


def colourings(cell: Supercell) -> Iterator[IntArray]:
    """Yield one of every set of colourings that the operations exchange, but none that a translation keeps."""
    seen: set[bytes] = set()
    for parts in product(*(list(_arrangements(total, counts)) for total, counts in cell.colours)):
        colouring = np.concatenate(parts)
        if colouring.tobytes() in seen:
            continue
        seen.update(image.tobytes() for image in colouring[cell.permutations])
        if not (colouring[cell.translations] == colouring).all(axis=1).any():
            yield colouring


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
