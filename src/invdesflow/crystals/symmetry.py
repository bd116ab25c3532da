"""Space group, orbits and standard cells of a crystal; remembered, because substitution keeps the shape."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Self

import numpy as np
import spglib
from numpy.typing import NDArray
from pymatgen.core import Lattice, Structure

from invdesflow.crystals.spglib_search import found
from invdesflow.errors import StructureError

__all__ = ["Symmetry", "conventional", "primitive", "space_group", "symmetry_of"]

SYMPREC = 0.004
"""Tolerance of equivalent positions in units of the cube root of the volume per atom (about 0.01 A in a metal)."""


@dataclass(frozen=True, eq=False)
class Symmetry:
    """Symmetry of a crystal, in the order of its atoms.

    Attributes
    ----------
    number
        International space group number.
    symbol
        Hermann-Mauguin symbol in its short form, for example ``"Fm-3m"``.
    orbits
        For every atom the index of the first atom that symmetry maps it to; shape (n_atoms,).
    primitive_atoms
        Indices of one atom of the input for every atom of the primitive cell; shape (n_primitive,).
    primitive_lattice
        Rows are the vectors of a primitive cell in the orientation of the input, in Angstrom; shape (3, 3).
    rotations, translations
        Operations of the input cell on fractional coordinates, x -> W x + w; shapes (n_operations, 3, 3) and
        (n_operations, 3).
    """

    number: int
    symbol: str
    orbits: NDArray[np.int_]
    primitive_atoms: NDArray[np.int_]
    primitive_lattice: NDArray[np.float64]
    rotations: NDArray[np.int_]
    translations: NDArray[np.float64]


def symmetry_of(structure: Structure) -> Symmetry:
    """Find the symmetry of an ordered crystal with spglib.

    Symmetry depends on the shape of the cell and on which atoms are alike, not on the size or on what the elements
    are called. It is therefore found for the crystal scaled to one atom per unit volume, and the answer is kept for all
    crystals of that shape: the search takes 30 ms in a face-centred cubic cell, and substitution asks for it often.

    Parameters
    ----------
    structure
        Ordered crystal in any cell.

    Raises
    ------
    StructureError
        If the structure is disordered, degenerate or not finite, or spglib finds no symmetry (overlapping atoms).
    """
    shape = _Shape.of(structure)
    found = _symmetry(shape.lattice, shape.positions, shape.kinds)
    return replace(found, primitive_lattice=found.primitive_lattice * shape.scale)


def space_group(structure: Structure) -> tuple[int, str]:
    """Return the international number and the short Hermann-Mauguin symbol of the space group.

    Raises
    ------
    StructureError
        As `symmetry_of`.
    """
    symmetry = symmetry_of(structure)
    return symmetry.number, symmetry.symbol


def primitive(structure: Structure) -> Structure:
    """Return the standardised primitive cell, with positions moved onto their symmetry elements.

    Raises
    ------
    StructureError
        As `symmetry_of`.
    """
    return _standardised(structure, to_primitive=True)


def conventional(structure: Structure) -> Structure:
    """Return the standardised conventional cell, with positions moved onto their symmetry elements.

    Raises
    ------
    StructureError
        As `symmetry_of`.
    """
    return _standardised(structure, to_primitive=False)


def _standardised(structure: Structure, to_primitive: bool) -> Structure:
    shape = _Shape.of(structure)
    lattice, positions, kinds = _standard_cell(shape.lattice, shape.positions, shape.kinds, to_primitive)
    return Structure(Lattice(lattice * shape.scale), [shape.symbols[kind] for kind in kinds], positions)


@dataclass(frozen=True)
class _Shape:
    """A crystal at one atom per unit volume, its elements numbered in the order in which they occur."""

    lattice: bytes
    positions: bytes
    kinds: tuple[int, ...]
    symbols: tuple[str, ...]
    scale: float

    @classmethod
    def of(cls, structure: Structure) -> Self:
        if not structure.is_ordered:
            raise StructureError("A disordered structure has no symmetry.", "Give an ordered approximant.")
        if not (structure.volume > 0 and np.isfinite(structure.frac_coords).all()):
            raise StructureError("The cell has no volume, or a number is not finite.", "Check lattice and positions.")
        scale = (structure.volume / len(structure)) ** (1 / 3)
        lattice = np.round(structure.lattice.matrix / scale, 8) + 0.0
        positions = np.round(structure.frac_coords, 8) + 0.0
        order: dict[int, int] = {}
        symbols: list[str] = []
        for site in structure:
            if order.setdefault(site.specie.Z, len(order)) == len(symbols):
                symbols.append(site.specie.symbol)
        kinds = tuple(order[site.specie.Z] for site in structure)
        return cls(lattice.tobytes(), positions.tobytes(), kinds, tuple(symbols), scale)


@lru_cache(maxsize=4096)
def _symmetry(lattice: bytes, positions: bytes, kinds: tuple[int, ...]) -> Symmetry:
    dataset = found(spglib.get_symmetry_dataset, _cell(lattice, positions, kinds), symprec=SYMPREC)
    if dataset is None:
        raise StructureError("The symmetry of the structure cannot be found.", "Check it for overlapping atoms.")
    return Symmetry(
        number=int(dataset.number),
        symbol=str(dataset.international),
        orbits=np.asarray(dataset.crystallographic_orbits),
        primitive_atoms=np.unique(dataset.mapping_to_primitive, return_index=True)[1],
        primitive_lattice=np.asarray(dataset.primitive_lattice, dtype=float),
        rotations=np.asarray(dataset.rotations, dtype=np.int_),
        translations=np.asarray(dataset.translations, dtype=float),
    )


@lru_cache(maxsize=4096)
def _standard_cell(
    lattice: bytes, positions: bytes, kinds: tuple[int, ...], to_primitive: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[int, ...]]:
    standard = found(
        spglib.standardize_cell, _cell(lattice, positions, kinds), to_primitive=to_primitive, symprec=SYMPREC
    )
    if standard is None:
        raise StructureError("The symmetry of the structure cannot be found.", "Check it for overlapping atoms.")
    return standard[0], standard[1], tuple(int(kind) for kind in standard[2])


def _cell(
    lattice: bytes, positions: bytes, kinds: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[int, ...]]:
    return np.frombuffer(lattice).reshape(3, 3), np.frombuffer(positions).reshape(-1, 3), kinds
