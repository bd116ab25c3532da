"""The smallest cell that holds all of a crystal, and the way back to the cell it was given in."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import spglib
from ase import Atoms
from numpy.typing import NDArray

__all__ = ["PrimitiveCell", "find_primitive_cell"]


@dataclass(frozen=True)
class PrimitiveCell:
    """A primitive cell of a crystal, with the cell and the sites of the crystal counted in it.

    Parameters
    ----------
    atoms
        The primitive cell, in the orientation of the crystal.
    multiples
        Integer matrix T with ``crystal.cell = T @ atoms.cell``, shape (3, 3).
    sites
        Site of the primitive cell that each site of the crystal repeats, shape (n_atoms,).
    offsets
        Integer lattice translations to each site of the crystal, shape (n_atoms, 3).
    """

    atoms: Atoms
    multiples: NDArray[np.int64]
    sites: NDArray[np.int64]
    offsets: NDArray[np.int64]

    @classmethod
    def of_itself(cls, atoms: Atoms) -> Self:
        """Take the whole crystal as its primitive cell."""
        n_atoms = len(atoms)
        return cls(atoms, np.eye(3, dtype=int), np.arange(n_atoms), np.zeros((n_atoms, 3), dtype=int))

    def __len__(self) -> int:
        """Return the number of primitive cells in the crystal."""
        return len(self.sites) // len(self.atoms)

    def crystal(self) -> Atoms:
        """Build the crystal in its own cell from the primitive cell as it is now."""
        cell = self.atoms.cell[:]
        positions = self.atoms.positions[self.sites] + self.offsets @ cell
        return Atoms(self.atoms.numbers[self.sites], positions=positions, cell=self.multiples @ cell, pbc=True)


def find_primitive_cell(atoms: Atoms, dataset: spglib.SpglibDataset) -> PrimitiveCell:
    """Find a primitive cell of a crystal, without turning or standardising it.

    Parameters
    ----------
    atoms
        Crystal; where its symmetry is not exact, the first of each set of equivalent sites stands for the others.
    dataset
        Its symmetry, from `symmetry_dataset`.
    """
    to_multiples = np.linalg.inv(dataset.primitive_lattice)
    multiples = np.rint(atoms.cell[:] @ to_multiples).astype(int)
    cell = np.linalg.inv(multiples) @ atoms.cell[:]
    _, first, sites = np.unique(dataset.mapping_to_primitive, return_index=True, return_inverse=True)
    offsets = np.rint((atoms.positions - atoms.positions[first][sites]) @ np.linalg.inv(cell)).astype(int)
    primitive = Atoms(atoms.numbers[first], positions=atoms.positions[first], cell=cell, pbc=True)
    return PrimitiveCell(primitive, multiples, sites, offsets)
