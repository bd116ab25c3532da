"""Space group, orbits and standard cells of a crystal; remembered, because substitution keeps the shape."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import spglib
from numpy.typing import NDArray
from pymatgen.core import Lattice, Structure

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
    """

    number: int
    symbol: str
    orbits: NDArray[np.int_]
    primitive_atoms: NDArray[np.int_]
    primitive_lattice: NDArray[np.float64]


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
    if not structure.is_ordered:
        raise StructureError("A disordered structure has no space group.", "Give an ordered approximant.")
    if not (structure.volume > 0 and np.isfinite(structure.frac_coords).all()):
        raise StructureError("The cell has no volume, or a number is not finite.", "Check the lattice and positions.")
    scale = (structure.volume / len(structure)) ** (1 / 3)
    kinds = _first_occurrence([site.specie.Z for site in structure])
    lattice = np.round(structure.lattice.matrix / scale, 8) + 0.0
    positions = np.round(structure.frac_coords, 8) + 0.0
    shape = _shape_symmetry(lattice.tobytes(), positions.tobytes(), kinds)
    return Symmetry(shape.number, shape.symbol, shape.orbits, shape.primitive_atoms, shape.primitive_lattice * scale)


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
    if not structure.is_ordered:
        raise StructureError("A disordered structure has no standard cell.", "Give an ordered approximant.")
    cell = (structure.lattice.matrix, structure.frac_coords, [site.specie.Z for site in structure])
    symprec = SYMPREC * (structure.volume / len(structure)) ** (1 / 3)
    standard = spglib.standardize_cell(cell, to_primitive=to_primitive, symprec=symprec)
    if standard is None:
        raise StructureError("The symmetry of the structure cannot be found.", "Check it for overlapping atoms.")
    lattice, positions, numbers = standard
    return Structure(Lattice(lattice), numbers, positions)


@lru_cache(maxsize=4096)
def _shape_symmetry(lattice: bytes, positions: bytes, kinds: tuple[int, ...]) -> Symmetry:
    cell = (np.frombuffer(lattice).reshape(3, 3), np.frombuffer(positions).reshape(-1, 3), kinds)
    dataset = spglib.get_symmetry_dataset(cell, symprec=SYMPREC)
    if dataset is None:
        raise StructureError("The symmetry of the structure cannot be found.", "Check it for overlapping atoms.")
    primitive_atoms = np.unique(dataset.mapping_to_primitive, return_index=True)[1]
    orbits = np.asarray(dataset.crystallographic_orbits)
    return Symmetry(
        number=int(dataset.number),
        symbol=str(dataset.international),
        orbits=orbits,
        primitive_atoms=primitive_atoms,
        primitive_lattice=np.asarray(dataset.primitive_lattice, dtype=float),
    )


def _first_occurrence(numbers: list[int]) -> tuple[int, ...]:
    order: dict[int, int] = {}
    return tuple(order.setdefault(number, len(order)) for number in numbers)
