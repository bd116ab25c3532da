"""Crystals of similar size side by side in padded arrays: what the network reads."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from invdesflow.generation.diffusion.lattice import FAMILIES
from invdesflow.generation.diffusion.templates import Template

__all__ = ["MAX_ATOMIC_NUMBER", "Frames", "State", "size_batches"]

MAX_ATOMIC_NUMBER = 100
"""Elements are one-hot vectors over the atomic numbers 1 to 100."""


@dataclass(frozen=True)
class Frames:
    """Space groups and Wyckoff positions of a batch of B crystals: everything that diffusion leaves alone.

    At most R orbits and N atoms in a primitive cell; smaller crystals are padded.

    Attributes
    ----------
    space_group
        International number; shape (B,).
    orbit_mask
        True for orbits that exist; shape (B, R).
    offset, basis
        A representative is at offset + basis @ u in the conventional cell; shapes (B, R, 3) and (B, R, 3, 3).
    free
        True for the parameters u that are free; shape (B, R, 3).
    multiplicity
        Atoms of the orbit in the primitive cell; shape (B, R).
    atom_mask
        True for atoms that exist; shape (B, N).
    atom_orbit
        Orbit of the atom; shape (B, N).
    rotation, translation
        The operation that takes the representative to the atom; shapes (B, N, 3, 3) and (B, N, 3).
    primitive
        Rows are the vectors of the primitive cell in those of the conventional one; shape (B, 3, 3).
    lattice_free, lattice_fixed
        Which lattice components are free, and the value where not; shape (B, 6).
    """

    space_group: Tensor
    orbit_mask: Tensor
    offset: Tensor
    basis: Tensor
    free: Tensor
    multiplicity: Tensor
    atom_mask: Tensor
    atom_orbit: Tensor
    rotation: Tensor
    translation: Tensor
    primitive: Tensor
    lattice_free: Tensor
    lattice_fixed: Tensor

    @classmethod
    def of(cls, templates: Sequence[Template], device: torch.device | str = "cpu") -> Self:
        """Collate templates."""
        arrays = [template.arrays() for template in templates]
        batch = len(arrays)
        n_orbits = max(a.n_orbits for a in arrays)
        n_atoms = max(a.n_atoms for a in arrays)
        padded: dict[str, NDArray[np.generic]] = {
            "orbit_mask": np.zeros((batch, n_orbits), bool),
            "offset": np.zeros((batch, n_orbits, 3), np.float32),
            "basis": np.zeros((batch, n_orbits, 3, 3), np.float32),
            "free": np.zeros((batch, n_orbits, 3), bool),
            "multiplicity": np.zeros((batch, n_orbits), np.float32),
            "atom_mask": np.zeros((batch, n_atoms), bool),
            "atom_orbit": np.zeros((batch, n_atoms), np.int64),
            "rotation": np.zeros((batch, n_atoms, 3, 3), np.float32),
            "translation": np.zeros((batch, n_atoms, 3), np.float32),
        }
        for row, a in enumerate(arrays):
            orbits, atoms = slice(a.n_orbits), slice(a.n_atoms)
            padded["orbit_mask"][row, orbits] = True
            padded["offset"][row, orbits] = a.offset
            padded["basis"][row, orbits] = a.basis
            padded["free"][row, orbits] = np.arange(3) < a.n_free[:, None]
            padded["multiplicity"][row, orbits] = a.multiplicity
            padded["atom_mask"][row, atoms] = True
            padded["atom_orbit"][row, atoms] = a.orbit
            padded["rotation"][row, atoms] = a.rotation
            padded["translation"][row, atoms] = a.translation
        families = [FAMILIES[a.family] for a in arrays]
        padded |= {
            "space_group": np.array([template.space_group for template in templates], np.int64),
            "primitive": np.array([a.primitive for a in arrays], np.float32),
            "lattice_free": np.array([family.free for family in families], bool),
            "lattice_fixed": np.array([family.fixed for family in families], np.float32),
        }
        return cls(**{name: torch.from_numpy(array).to(device) for name, array in padded.items()})

    def __len__(self) -> int:
        return len(self.space_group)

    def to(self, device: torch.device | str) -> Self:
        """Return a copy on another device."""
        return type(self)(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    @property
    def atoms_per_conventional_cell(self) -> Tensor:
        """Number of atoms in the conventional cell; shape (B,)."""
        count: Tensor = self.atom_mask.sum(1) / torch.linalg.det(self.primitive).abs()
        return count

    def representatives(self, parameters: Tensor) -> Tensor:
        """Return the positions of the representatives in the conventional cell; (B, R, 3) to (B, R, 3)."""
        return self.offset + torch.einsum("brxp,brp->brx", self.basis, parameters)

    def atoms(self, representatives: Tensor) -> Tensor:
        """Return the positions of all atoms of the primitive cell, in the conventional cell; (B, R, 3) to (B, N, 3)."""
        own = torch.gather(representatives, 1, self.atom_orbit[..., None].expand(-1, -1, 3))
        return torch.einsum("bnxy,bny->bnx", self.rotation, own) + self.translation


@dataclass(frozen=True)
class State:
    """What diffuses.

    Attributes
    ----------
    types
        One-hot vector over the elements for every orbit, or what noise made of it; shape (B, R, MAX_ATOMIC_NUMBER).
    lattice
        Lattice components (`invdesflow.generation.diffusion.lattice`) in units of the training set's spread; (B, 6).
    parameters
        Free parameters u of the representatives; shape (B, R, 3).
    """

    types: Tensor
    lattice: Tensor
    parameters: Tensor


def size_batches(
    n_atoms: NDArray[np.integer],
    n_orbits: NDArray[np.integer],
    most_pairs: int,
    order: NDArray[np.integer],
    most_crystals: int = 256,
) -> list[NDArray[np.integer]]:
    """Group crystals of similar size.

    Parameters
    ----------
    n_atoms, n_orbits
        Sizes of the crystals; shape (n,).
    most_pairs
        Most pairs of an orbit and an atom in a batch, padding included.
    order
        A permutation; crystals of equal size stay in it.
    most_crystals
        Most crystals in a batch.

    Returns
    -------
    list of numpy.ndarray
        Indices of the crystals of every batch.
    """
    ranked = order[np.lexsort((n_orbits[order], n_atoms[order]))]
    batches: list[NDArray[np.integer]] = []
    start = 0
    while start < len(ranked):
        stop = start + 1
        width = n_orbits[ranked[start]]
        while stop < len(ranked):
            width = max(width, n_orbits[ranked[stop]])
            if (stop + 1 - start) * width * n_atoms[ranked[stop]] > most_pairs or stop - start == most_crystals:
                break
            stop += 1
        batches.append(ranked[start:stop])
        start = stop
    return batches
