"""Derive the Wyckoff positions of all space groups from spglib's operations: ``python -m`` this writes the table.

A Wyckoff position is a class of points whose site-symmetry groups are conjugate. The points that a site-symmetry group
fixes form a point, a line, a plane or all space; here they are called a variety. The varieties of a group are found
by asking, for every space of directions that a rotation or reflection of the group leaves alone and for every offset
on a grid of 1/24, whether the operations that fix it fix no more than it. The group permutes them: an orbit of
varieties is a Wyckoff position. Everything is computed in integers, in units of 1/24. Only the letters are asked of
spglib, with a crystal that occupies every position of the group.
"""

import gzip
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import spglib
from numpy.typing import NDArray

from invdesflow.crystals.wyckoff import DENOMINATOR, TABLE_FILE

__all__ = ["main", "space_group_row"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

CENTRED = {  # rows of the primitive cell in sixths of the conventional vectors, spglib's choice
    "P": [[6, 0, 0], [0, 6, 0], [0, 0, 6]],
    "A": [[6, 0, 0], [0, 3, -3], [0, 3, 3]],
    "C": [[3, 3, 0], [-3, 3, 0], [0, 0, 6]],
    "I": [[-3, 3, 3], [3, -3, 3], [3, 3, -3]],
    "F": [[0, 3, 3], [3, 0, 3], [3, 3, 0]],
    "R": [[4, 2, 2], [-2, 2, 2], [-2, -4, 2]],
}
LETTERS = "abcdefghijklmnopqrstuvwxyzA"


@dataclass(frozen=True, eq=False)
class Directions:
    """A space of directions; `basis` spans its lattice vectors, ``chart @ basis`` is the identity over zeros."""

    basis: IntArray
    chart: IntArray

    @property
    def dimension(self) -> int:
        """Number of free directions."""
        return int(self.basis.shape[1])

    def offset(self, heights: tuple[int, ...]) -> IntArray:
        """Return a point of the variety with the given heights, in 1/24."""
        return np.rint(np.linalg.inv(self.chart) @ [*[0] * self.dimension, *heights]).astype(np.int64)

    def heights(self, point: IntArray) -> tuple[int, ...]:
        """Return what tells the varieties along these directions from each other: the heights of a point of it."""
        return tuple(int(height) for height in (self.chart @ point)[self.dimension :] % DENOMINATOR)


@dataclass(frozen=True)
class Variety:
    """A variety: the number of its directions in the list of the group, and its heights in 1/24."""

    directions: int
    heights: tuple[int, ...]


class Group:
    """The operations of a space group in spglib's first setting, and its varieties."""

    def __init__(self, number: int) -> None:
        hall = next(hall for hall in range(1, 531) if spglib.get_spacegroup_type(hall).number == number)
        operations = spglib.get_symmetry_from_database(hall)
        self.number = number
        self.symbol = str(spglib.get_spacegroup_type(hall).international_short)
        self.rotations: IntArray = operations["rotations"].astype(np.int64)
        scaled = operations["translations"] * DENOMINATOR
        self.translations: IntArray = np.rint(scaled).astype(np.int64) % DENOMINATOR
        if np.abs(scaled - np.rint(scaled)).max() > 1e-6:
            raise ValueError(f"a translation of space group {number} is no multiple of 1/{DENOMINATOR}")
        self.primitive = np.array(CENTRED[self.symbol[0]])
        self.directions = _directions(self.rotations)

    def orbits(self) -> list[list[Variety]]:
        """Group the varieties that the group takes to each other."""
        found: list[list[Variety]] = []
        seen: set[Variety] = set()
        for variety in self._varieties():
            if variety not in seen:
                images = sorted(self._images(variety), key=self._plainness)
                seen.update(images)
                found.append(images)
        return found

    def point(self, variety: Variety) -> IntArray:
        """Return the offset of a variety in 1/24."""
        return self.directions[variety.directions].offset(variety.heights)

    def locate(self, basis: IntArray, point: IntArray) -> Variety:
        """Return the variety along the columns of a basis through a point."""
        for index, space in enumerate(self.directions):
            if space.dimension == basis.shape[1] and not (space.chart @ basis)[space.dimension :].any():
                return Variety(index, space.heights(point))
        raise ValueError(f"no operation of space group {self.number} fixes the directions {basis.T.tolist()}")

    def operations(self, variety: Variety) -> IntArray:
        """Return the first operation for every image of the variety's generic point in the primitive cell."""
        basis, point = self.directions[variety.directions].basis, self.point(variety)
        inverse = np.rint(np.linalg.inv(self.primitive.T / 6)).astype(np.int64)
        slopes = (self.rotations @ basis).reshape(len(self.rotations), -1)
        points = (self.rotations @ point + self.translations) @ inverse.T % DENOMINATOR
        return np.sort(np.unique(np.hstack([slopes, points]), axis=0, return_index=True)[1])

    def shifts(self) -> IntArray:
        """Return the shifts of the origin, in 1/24, that take the group to itself; the simplest first."""
        inverse = np.rint(np.linalg.inv(self.primitive.T / 6)).astype(np.int64)
        changes = np.concatenate(inverse @ (np.unique(self.rotations, axis=0) - np.eye(3, dtype=np.int64)))
        grid = np.array(list(itertools.product(range(DENOMINATOR), repeat=3)))
        normal = grid[(grid @ changes.T % DENOMINATOR == 0).all(axis=1)]
        simplest: IntArray = normal[np.lexsort((*normal.T[::-1], normal.sum(axis=1)))]
        return simplest

    def _varieties(self) -> Iterator[Variety]:
        """Yield what is fixed by the operations that fix it, and by no others."""
        for index, space in enumerate(self.directions):
            fixing = (self.rotations @ space.basis == space.basis).all(axis=(1, 2))
            rotations, translations = self.rotations[fixing], self.translations[fixing]
            grid = list(itertools.product(range(DENOMINATOR), repeat=3 - space.dimension))
            points = np.array([space.offset(heights) for heights in grid])
            moved = np.einsum("gij,pj->pgi", rotations, points) + translations - points[:, None]
            stabiliser = (moved % DENOMINATOR == 0).all(axis=2)
            invariant = stabiliser @ np.trace(rotations, axis1=1, axis2=2) / stabiliser.sum(axis=1)
            for chosen in np.flatnonzero(np.isclose(invariant, space.dimension)):
                yield Variety(index, grid[chosen])

    def _images(self, variety: Variety) -> set[Variety]:
        basis, point = self.directions[variety.directions].basis, self.point(variety)
        return {
            self.locate(rotation @ basis, rotation @ point + translation)
            for rotation, translation in zip(self.rotations, self.translations, strict=True)
        }

    def _plainness(self, variety: Variety) -> tuple[Any, ...]:
        """Order varieties so that the one comes first that is the simplest to write down."""
        basis, point = self.directions[variety.directions].basis, self.point(variety) % DENOMINATOR
        return int((basis < 0).sum()), int(point.sum()), tuple(-basis.ravel()), tuple(point)


def space_group_row(number: int) -> dict[str, Any]:
    """Derive one row of the table; all fractions are integers in 1/24, but those of the primitive cell in 1/6."""
    group = Group(number)
    orbits = group.orbits()
    letters = _letters(group, orbits)
    order = sorted(range(len(orbits)), key=lambda index: LETTERS.index(letters[index]))
    letters, orbits = [letters[index] for index in order], [orbits[index] for index in order]
    centring = int((group.rotations == np.eye(3, dtype=np.int64)).all(axis=(1, 2)).sum())
    positions = []
    for letter, orbit in zip(letters, orbits, strict=True):
        space, operations = group.directions[orbit[0].directions], group.operations(orbit[0])
        positions.append(
            {
                "letter": letter,
                "multiplicity": len(operations) * centring,
                "offset": (group.point(orbit[0]) % DENOMINATOR).tolist(),
                "basis": space.basis.tolist(),
                "chart": space.chart.tolist(),
                "operations": operations.tolist(),
            }
        )
    return {
        "symbol": group.symbol,
        "rotations": group.rotations.reshape(-1, 9).tolist(),
        "translations": group.translations.tolist(),
        "primitive": group.primitive.tolist(),
        "positions": positions,
        "origins": [{"shift": shift, "letters": moved} for moved, shift in _origins(group, orbits, letters).items()],
    }


def _origins(group: Group, orbits: list[list[Variety]], letters: list[str]) -> dict[str, list[int]]:
    """Find for every rearrangement of the letters that a shift of the origin makes the simplest such shift."""
    owner = {variety: letter for letter, orbit in zip(letters, orbits, strict=True) for variety in orbit}
    found: dict[str, list[int]] = {}
    for shift in group.shifts():
        moved = (group.locate(group.directions[o[0].directions].basis, group.point(o[0]) + shift) for o in orbits)
        found.setdefault("".join(owner[variety] for variety in moved), shift.tolist())
    return found


def _directions(rotations: IntArray) -> list[Directions]:
    """List the spaces that a rotation or reflection of a point group fixes: points, axes, planes and all space."""
    spaces: dict[bytes, Directions] = {}
    vectors = np.array(
        sorted(itertools.product(range(-2, 3), repeat=3), key=lambda v: (np.abs(v).sum(), np.less(v, 0).sum()))
    )
    for rotation in [-np.eye(3, dtype=np.int64), *np.unique(rotations, axis=0)]:
        fixed = vectors[(vectors @ rotation.T == vectors).all(axis=1) & vectors.any(axis=1)]
        space = _span(fixed)
        spaces.setdefault(np.round(space.basis @ np.linalg.pinv(space.basis), 6).tobytes(), space)
    return list(spaces.values())


def _span(vectors: IntArray) -> Directions:
    """Complete the first vectors that form a lattice basis of all of them to a basis of the whole lattice."""
    dimension = int(np.linalg.matrix_rank(vectors)) if len(vectors) else 0
    units = np.eye(3, dtype=np.int64)
    for basis in itertools.combinations(vectors, dimension):
        for others in itertools.combinations(units, 3 - dimension):
            completed = np.array([*sorted(basis, key=lambda v: tuple(-v)), *others]).T
            if abs(round(float(np.linalg.det(completed)))) == 1:
                return Directions(completed[:, :dimension], np.rint(np.linalg.inv(completed)).astype(np.int64))
    raise ValueError(f"no basis of the vectors {vectors.tolist()}")


def _letters(group: Group, orbits: list[list[Variety]]) -> list[str]:
    """Ask spglib for the letters, with a crystal in which every position holds an element of its own.

    The answer holds in spglib's standard setting, which may differ from ours by an element of the normaliser of the
    group: the letter belongs to the variety that the position has become there.
    """
    random = np.random.default_rng(group.number)
    # The general position is occupied twice more: alone, its orbit may be more symmetric than the group.
    general = next(orbit for orbit in orbits if group.directions[orbit[0].directions].dimension == 3)
    positions, kinds = [], []
    for kind, orbit in enumerate([*orbits, general, general], start=1):
        points = _generic_orbit(group, orbit[0], random)
        positions.append(points)
        kinds += [kind] * len(points)
    dataset = spglib.get_symmetry_dataset((_generic_lattice(group), np.vstack(positions), kinds), symprec=1e-4)
    if dataset is None or dataset.number != group.number:
        raise ValueError(f"spglib does not find space group {group.number} in its own crystal")
    letters: dict[int, str] = {}
    owner = {variety: index for index, orbit in enumerate(orbits) for variety in orbit}
    for kind, orbit in enumerate(orbits, start=1):
        basis, point = group.directions[orbit[0].directions].basis, group.point(orbit[0])
        there = np.rint(dataset.transformation_matrix @ basis).astype(np.int64)
        moved = dataset.transformation_matrix @ point + DENOMINATOR * dataset.origin_shift
        variety = group.locate(there, np.rint(moved).astype(np.int64))
        letters[owner[variety]] = dataset.wyckoffs[kinds.index(kind)]
    if sorted(letters.values(), key=LETTERS.index) != list(LETTERS[: len(orbits)]):
        raise ValueError(f"the letters of space group {group.number} do not belong to one position each: {letters}")
    return [letters[index] for index in range(len(orbits))]


def _generic_orbit(group: Group, variety: Variety, random: np.random.Generator) -> FloatArray:
    """Return the points of a position in the conventional cell, fractional, at random parameters."""
    space = group.directions[variety.directions]
    point = group.point(variety) / DENOMINATOR + space.basis @ random.random(space.dimension)
    images = (group.rotations @ point + group.translations / DENOMINATOR) % 1
    first = np.unique(np.round(images, 6) % 1, axis=0, return_index=True)[1]
    return np.asarray(images[np.sort(first)])


def _generic_lattice(group: Group) -> FloatArray:
    """Return a lattice that has the symmetry of the group's family and no more."""
    metric = np.array([[900.0, -37.0, -53.0], [-37.0, 1210.0, -71.0], [-53.0, -71.0, 1770.0]])
    averaged = np.mean(group.rotations.transpose(0, 2, 1) @ metric @ group.rotations, axis=0)
    return np.linalg.cholesky(averaged)


def main() -> None:
    """Write the table next to this module; the bytes depend on nothing but spglib's operations."""
    rows = [space_group_row(number) for number in range(1, 231)]
    content = json.dumps(rows, separators=(",", ":")).encode()
    Path(__file__).with_name(TABLE_FILE).write_bytes(gzip.compress(content, compresslevel=9, mtime=0))


if __name__ == "__main__":
    main()
