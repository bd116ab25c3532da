"""The graphs of ALIGNN: atoms and bonds, and bonds and angles; one of each kind that symmetry makes alike.

ALIGNN passes messages between bonded atoms, and between bonds that share an atom (Choudhary and DeCost, npj Comput.
Mater. 7, 185 (2021)). Atoms that a symmetry operation carries onto each other have the same state in every layer, and
so have bonds. One of each orbit is therefore kept, and counted as often as it occurs: the network gives the same, at a
fraction of the cost (a tenth in a cubic crystal).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pymatgen.core import Lattice, Structure
from torch import Tensor

from invdesflow.crystals.symmetry import Symmetry, symmetry_of
from invdesflow.errors import StructureError

__all__ = ["AlignnBatch", "AlignnGraph", "alignn_graph"]

CUTOFF = 8.0
"""Longest bond, Angstrom: where the radial functions of ALIGNN end."""
TIE = 0.02
"""Neighbours this much farther than the last one that is kept are kept too, Angstrom."""
COSINE_DIGITS = 3
"""Angles whose cosines agree to so many digits count as one."""

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class AlignnGraph:
    """Atoms, bonds and angles of one crystal, one of each orbit.

    Attributes
    ----------
    numbers
        Atomic numbers, shape (atoms,).
    sites
        Where the atom stands in the structure, shape (atoms,).
    multiplicity
        How many atoms of the primitive cell an atom stands for, shape (atoms,).
    source, target
        Atoms at the ends of a bond; messages go from the source to the target, shape (bonds,).
    distance
        Angstrom, shape (bonds,).
    bond_count
        How many bonds of the target a bond stands for, shape (bonds,).
    first, second
        Bonds at an atom, the first of which ends where the second begins, shape (angles,).
    cosine
        Of the angle between them, shape (angles,).
    angle_count
        How many angles of the second bond an angle stands for, shape (angles,).
    """

    numbers: IntArray
    sites: IntArray
    multiplicity: FloatArray
    source: IntArray
    target: IntArray
    distance: FloatArray
    bond_count: FloatArray
    first: IntArray
    second: IntArray
    cosine: FloatArray
    angle_count: FloatArray


@dataclass(frozen=True)
class _Bonds:
    """All bonds of a primitive cell, sorted by their target."""

    target: IntArray
    source: IntArray
    image: IntArray
    vector: NDArray[np.float64]
    distance: NDArray[np.float64]

    def kept(self, mask: NDArray[np.bool_]) -> "_Bonds":
        return _Bonds(*(getattr(self, name)[mask] for name in ("target", "source", "image", "vector", "distance")))


def alignn_graph(structure: Structure, neighbours: int) -> AlignnGraph:
    """Build the graph of a crystal and its line graph.

    Parameters
    ----------
    structure
        Ordered crystal; its primitive cell is taken.
    neighbours
        Bonds of each atom: to so many nearest neighbours, and to those that are as far as the last of them.

    Raises
    ------
    StructureError
        If the structure is disordered, its symmetry cannot be found, or a site has no neighbour within 8 Angstrom.
    """
    symmetry = symmetry_of(structure)
    sites = symmetry.primitive_atoms
    cell = Structure(
        Lattice(symmetry.primitive_lattice),
        [structure[int(site)].specie for site in sites],
        structure.cart_coords[sites],
        coords_are_cartesian=True,
    )
    bonds = _nearest(cell, neighbours)
    atom_kind, bond_kind = _orbits(cell, bonds, *_operations(structure.lattice, symmetry))
    atoms, atom_of, multiplicity = np.unique(atom_kind, return_inverse=True, return_counts=True)
    here = np.flatnonzero(bonds.target == atom_kind[bonds.target])
    kinds, chosen, bond_count = np.unique(bond_kind[here], return_index=True, return_counts=True)
    chosen = here[chosen]
    first, second, cosine, angle_count = _angles(bonds, np.searchsorted(kinds, bond_kind), chosen)
    return AlignnGraph(
        numbers=np.array([cell[int(atom)].specie.Z for atom in atoms], dtype=np.int64),
        sites=np.asarray(sites[atoms], dtype=np.int64),
        multiplicity=multiplicity.astype(np.float32),
        source=atom_of[bonds.source[chosen]],
        target=atom_of[bonds.target[chosen]],
        distance=bonds.distance[chosen].astype(np.float32),
        bond_count=bond_count.astype(np.float32),
        first=first,
        second=second,
        cosine=cosine.astype(np.float32),
        angle_count=angle_count.astype(np.float32),
    )


def _nearest(cell: Structure, neighbours: int) -> _Bonds:
    target, source, image, distance = cell.get_neighbor_list(CUTOFF, exclude_self=True)
    order = np.lexsort((distance, target))
    target, source, image, distance = target[order], source[order], image[order], distance[order]
    counts = np.bincount(target, minlength=len(cell))
    if not counts.all():
        raise StructureError(f"a site has no neighbour within {CUTOFF:g} A.", "Check the lattice constants.")
    last = np.cumsum(counts) - counts + np.minimum(counts, neighbours) - 1
    fractional = cell.frac_coords[source] + image - cell.frac_coords[target]
    bonds = _Bonds(target, source, np.rint(image).astype(np.int64), fractional @ cell.lattice.matrix, distance)
    return bonds.kept(distance <= distance[last][target] + TIE)


def _operations(lattice: Lattice, symmetry: Symmetry) -> tuple[IntArray, NDArray[np.float64]]:
    """Return rotations and translations on fractional coordinates of the primitive cell, one of each rotation."""
    basis = lattice.matrix @ np.linalg.inv(symmetry.primitive_lattice)  # x_primitive = x @ basis
    rotations = np.rint(basis.T @ symmetry.rotations @ np.linalg.inv(basis).T).astype(np.int64)
    unique, chosen = np.unique(rotations, axis=0, return_index=True)
    return unique, symmetry.translations[chosen] @ basis


def _orbits(
    cell: Structure, bonds: _Bonds, rotations: IntArray, translations: NDArray[np.float64]
) -> tuple[IntArray, IntArray]:
    """Return for each atom and each bond the first one that symmetry carries it to."""
    positions = cell.frac_coords
    moved = np.einsum("gxy,ay->gax", rotations, positions) + translations[:, None]
    gaps = moved[:, :, None] - positions[None, None]
    lengths = np.linalg.norm((gaps - np.rint(gaps)) @ cell.lattice.matrix, axis=-1)
    atom = lengths.argmin(axis=-1)
    shift = np.rint(moved - positions[atom]).astype(np.int64)
    source, target = atom[:, bonds.source], atom[:, bonds.target]
    image = np.einsum("gxy,by->gbx", rotations, bonds.image)
    image += shift[:, bonds.source] - shift[:, bonds.target]
    reach = int(max(np.abs(image).max(), np.abs(bonds.image).max()))
    known = _codes(bonds.target, bonds.source, bonds.image, len(cell), reach)
    asked = _codes(target, source, image, len(cell), reach)
    order = np.argsort(known)
    place = order[np.minimum(np.searchsorted(known[order], asked), len(known) - 1)]
    # A distorted crystal within spglib's tolerance can lose a bond at the edge of the neighbourhood.
    closed = (known[place] == asked).all(axis=1)
    return atom[closed].min(axis=0), place[closed].min(axis=0)


def _codes(target: IntArray, source: IntArray, image: IntArray, atoms: int, reach: int) -> IntArray:
    """Give every bond its own number."""
    code: IntArray = target * atoms + source
    for axis in range(3):
        code = code * (2 * reach + 1) + image[..., axis] + reach
    return code


def _angles(
    bonds: _Bonds, kind: IntArray, chosen: IntArray
) -> tuple[IntArray, IntArray, NDArray[np.float64], IntArray]:
    """Return the angles between the chosen bonds and the bonds that end where they begin; alike ones are counted."""
    counts = np.bincount(bonds.target)
    starts = np.cumsum(counts) - counts
    many = counts[bonds.source[chosen]]
    second = np.repeat(np.arange(len(chosen)), many)
    within = np.arange(len(second)) - np.repeat(np.cumsum(many) - many, many)
    first = np.repeat(starts[bonds.source[chosen]], many) + within
    ends = chosen[second]
    # Vectors lead from the target of a bond to its source.
    dot = -(bonds.vector[first] * bonds.vector[ends]).sum(axis=1)
    cosine = np.clip(dot / (bonds.distance[first] * bonds.distance[ends]), -1.0, 1.0)
    step = np.rint((cosine + 1.0) * 10**COSINE_DIGITS).astype(np.int64)
    code = (second * (kind.max() + 1) + kind[first]) * (2 * 10**COSINE_DIGITS + 1) + step
    _, one, count = np.unique(code, return_index=True, return_counts=True)
    return kind[first[one]], second[one], cosine[one], count


@dataclass(frozen=True)
class AlignnBatch:
    """Many crystals as one graph without bonds between them; the attributes are those of `AlignnGraph` as tensors.

    Attributes
    ----------
    crystal
        Which crystal an atom belongs to, shape (atoms,).
    crystals
        Number of crystals.
    """

    numbers: Tensor
    multiplicity: Tensor
    source: Tensor
    target: Tensor
    distance: Tensor
    bond_count: Tensor
    first: Tensor
    second: Tensor
    cosine: Tensor
    angle_count: Tensor
    crystal: Tensor
    crystals: int

    @classmethod
    def of(cls, graphs: Sequence[AlignnGraph]) -> "AlignnBatch":
        """Join graphs."""
        atoms = np.array([len(graph.numbers) for graph in graphs])
        bonds = np.array([len(graph.distance) for graph in graphs])
        first_atom, first_bond = np.cumsum(atoms) - atoms, np.cumsum(bonds) - bonds

        def joined(name: str) -> Tensor:
            return torch.from_numpy(np.concatenate([getattr(graph, name) for graph in graphs]))

        def shifted(name: str, shifts: IntArray, counts: IntArray) -> Tensor:
            return joined(name) + torch.from_numpy(np.repeat(shifts, counts))

        angles = np.array([len(graph.cosine) for graph in graphs])
        return cls(
            **{name: joined(name) for name in ("numbers", "multiplicity", "distance", "bond_count")},
            **{name: joined(name) for name in ("cosine", "angle_count")},
            source=shifted("source", first_atom, bonds),
            target=shifted("target", first_atom, bonds),
            first=shifted("first", first_bond, angles),
            second=shifted("second", first_bond, angles),
            crystal=torch.from_numpy(np.repeat(np.arange(len(graphs)), atoms)),
            crystals=len(graphs),
        )
