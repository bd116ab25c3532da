"""The 230 space groups and their 1731 Wyckoff positions, in the setting that spglib standardises crystals to."""

import gzip
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from invdesflow.errors import StructureError

__all__ = ["DENOMINATOR", "TABLE_FILE", "OriginShift", "SpaceGroupTable", "WyckoffPosition", "space_group_table"]

DENOMINATOR = 24
"""Every coordinate that symmetry fixes is a multiple of 1/24, and the table holds the integers."""
TABLE_FILE = "wyckoff.json.gz"

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Kind = TypeVar("Kind", bound=np.generic)


@dataclass(frozen=True, eq=False)
class WyckoffPosition:
    """A Wyckoff position: the points ``x = offset + basis @ u`` and their images, fractional in the conventional cell.

    Attributes
    ----------
    letter
        Letter of the International Tables, as spglib gives it.
    multiplicity
        Points per conventional cell.
    offset
        Shape (3,).
    basis
        Columns are the free directions: a basis of the lattice vectors that lie along them, so that every parameter
        has period 1; shape (3, n_free), integers.
    chart
        Unimodular integer matrix; of ``chart @ (x - offset)`` the first n_free numbers are the parameters, and x lies
        on the position where the others are integers; shape (3, 3).
    operations
        Indices of the operations that take the representative to the points of the primitive cell, the identity first;
        shape (multiplicity / n_centring,).
    """

    letter: str
    multiplicity: int
    offset: FloatArray
    basis: IntArray
    chart: IntArray
    operations: IntArray

    @property
    def n_free(self) -> int:
        """Number of free parameters."""
        return int(self.basis.shape[1])


@dataclass(frozen=True, eq=False)
class OriginShift:
    """Another choice of the origin: adding `shift` to all points keeps the operations and exchanges positions.

    Attributes
    ----------
    shift
        Fractional in the conventional cell; shape (3,).
    letters
        New letter of every position, in the order of the positions.
    """

    shift: FloatArray
    letters: str


@dataclass(frozen=True, eq=False)
class SpaceGroupTable:
    """A space group in its standard setting: the first of spglib's, hexagonal axes for a rhombohedral lattice.

    Attributes
    ----------
    number
        International number.
    symbol
        Short Hermann-Mauguin symbol, for example ``"Fm-3m"``.
    family
        Crystal family: triclinic, monoclinic (unique axis b), orthorhombic, tetragonal, hexagonal (trigonal groups are
        of this family) or cubic.
    rotations, translations
        All operations x -> R x + t, centring included, the identity first; shapes (n, 3, 3) and (n, 3).
    centring
        Lattice points of the conventional cell, the origin first; shape (n_centring, 3).
    primitive
        Rows of the primitive lattice are ``primitive @ rows of the conventional lattice``; shape (3, 3).
    positions
        In the order of their letters, the general position last.
    origins
        For every way in which a shift of the origin exchanges positions one such shift, none first.

    Notes
    -----
    The primitive cells are those of spglib (A. Togo, K. Shinohara & I. Tanaka, Sci. Technol. Adv. Mater. Meth. 4,
    2384822 (2024)).
    """

    number: int
    symbol: str
    family: str
    rotations: IntArray
    translations: FloatArray
    centring: FloatArray
    primitive: FloatArray
    positions: tuple[WyckoffPosition, ...]
    origins: tuple[OriginShift, ...]

    @property
    def letters(self) -> str:
        """Letters of all positions in their order."""
        return "".join(position.letter for position in self.positions)

    def position(self, letter: str) -> WyckoffPosition:
        """Return the position of a letter.

        Raises
        ------
        StructureError
            If the group has no such position.
        """
        for position in self.positions:
            if position.letter == letter:
                return position
        raise StructureError(
            f"Space group {self.symbol} ({self.number}) has no Wyckoff position {letter!r}.",
            f"Its positions are {self.positions[0].letter} to {self.positions[-1].letter}.",
        )


@cache
def space_group_table(number: int) -> SpaceGroupTable:
    """Return the table of a space group.

    Parameters
    ----------
    number
        International number, 1 to 230.

    Raises
    ------
    StructureError
        If there is no such space group.
    """
    if not 1 <= number <= 230:
        raise StructureError(f"There is no space group {number}.", "Give a number from 1 to 230.")
    row = _rows()[number - 1]
    translations = np.array(row["translations"], dtype=np.int64)
    rotations = np.array(row["rotations"], dtype=np.int64).reshape(-1, 3, 3)
    return SpaceGroupTable(
        number=number,
        symbol=row["symbol"],
        family=_family(number),
        rotations=_constant(rotations),
        translations=_constant(translations / DENOMINATOR),
        centring=_constant(translations[(rotations == np.eye(3, dtype=np.int64)).all(axis=(1, 2))] / DENOMINATOR),
        primitive=_constant(np.array(row["primitive"]) / 6),
        positions=tuple(
            WyckoffPosition(
                letter=position["letter"],
                multiplicity=position["multiplicity"],
                offset=_constant(np.array(position["offset"]) / DENOMINATOR),
                basis=_constant(np.array(position["basis"], dtype=np.int64).reshape(3, -1)),
                chart=_constant(np.array(position["chart"], dtype=np.int64)),
                operations=_constant(np.array(position["operations"], dtype=np.int64)),
            )
            for position in row["positions"]
        ),
        origins=tuple(
            OriginShift(_constant(np.array(origin["shift"]) / DENOMINATOR), origin["letters"])
            for origin in row["origins"]
        ),
    )


@cache
def _rows() -> list[dict[str, Any]]:
    content = files("invdesflow.crystals").joinpath(TABLE_FILE).read_bytes()
    rows: list[dict[str, Any]] = json.loads(gzip.decompress(content))
    return rows


def _family(number: int) -> str:
    """Name the crystal family of a space group by the ranges of the International Tables."""
    last = {"triclinic": 2, "monoclinic": 15, "orthorhombic": 74, "tetragonal": 142, "hexagonal": 194, "cubic": 230}
    return next(family for family, end in last.items() if number <= end)


def _constant(array: NDArray[Kind]) -> NDArray[Kind]:
    """Forbid writing: the tables are shared by everybody who asks for them."""
    array.flags.writeable = False
    return array
