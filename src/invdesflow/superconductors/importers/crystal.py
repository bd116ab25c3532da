"""A crystal from the numbers of a data set."""

from collections.abc import Sequence

import numpy as np
from pymatgen.core import Element, Lattice, Structure

from invdesflow.crystals.geometry import closest_contact
from invdesflow.errors import StructureError

__all__ = ["crystal", "require_separate"]

MIN_DISTANCE = 0.5
"""Distance in Angstrom below which two atoms overlap; the shortest bond there is, H2, has 0.74."""


def crystal(
    lattice: Sequence[Sequence[float]],
    species: Sequence[str],
    coordinates: Sequence[Sequence[float]],
    cartesian: bool = False,
) -> Structure:
    """Build a crystal that can be computed.

    Parameters
    ----------
    lattice
        Rows are the cell vectors in Angstrom; shape (3, 3).
    species
        Element symbols; shape (n_atoms,).
    coordinates
        Fractional, or Cartesian in Angstrom; shape (n_atoms, 3).
    cartesian
        Which of the two.

    Raises
    ------
    StructureError
        If a species is no element, a number is not finite, the cell has no volume or atoms overlap.
    """
    cell, positions = np.asarray(lattice, dtype=float), np.asarray(coordinates, dtype=float)
    if not (np.isfinite(cell).all() and np.isfinite(positions).all()):
        raise StructureError("The structure holds a number that is not finite.", "Repair the source.")
    unknown = sorted({symbol for symbol in species if not Element.is_valid_symbol(symbol)})
    if len(species) != len(positions):
        raise StructureError(
            f"The structure has {len(species)} species and {len(positions)} positions.", "Repair the source."
        )
    if unknown or len(species) == 0:
        raise StructureError(f"The structure holds no elements: {unknown}.", "Repair the source.")
    if not abs(np.linalg.det(cell)) > 0:
        raise StructureError("The cell of the structure has no volume.", "Repair the source.")
    structure = Structure(Lattice(cell), species, positions, coords_are_cartesian=cartesian)
    require_separate(structure)
    return structure


def require_separate(structure: Structure) -> None:
    """Raise StructureError where two atoms overlap."""
    contact = closest_contact(structure)
    if contact.distance < MIN_DISTANCE:
        raise StructureError(
            f"Two atoms ({'-'.join(contact.elements)}) are {contact.distance:.2f} A apart.", "Repair the source."
        )
