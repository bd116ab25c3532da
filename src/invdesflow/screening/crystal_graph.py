"""Crystals as graphs: sites, and the directed edges to their neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pymatgen.core import Structure
from torch import Tensor

from invdesflow.errors import StructureError

__all__ = ["CrystalGraph", "GraphBatch", "crystal_graph"]


@dataclass(frozen=True)
class CrystalGraph:
    """Sites and edges of one crystal.

    Attributes
    ----------
    numbers
        Atomic numbers, shape (sites,).
    centre, neighbour
        Site at which an edge begins and the one that it leads to, sorted by centre, shape (edges,).
    distance
        Length of the edges, Angstrom, shape (edges,).
    volume_per_atom
        Angstrom^3.
    """

    numbers: NDArray[np.int64]
    centre: NDArray[np.int64]
    neighbour: NDArray[np.int64]
    distance: NDArray[np.float32]
    volume_per_atom: float


def crystal_graph(structure: Structure, cutoff: float, most_neighbours: int | None = None) -> CrystalGraph:
    """Connect every site to its neighbours.

    Parameters
    ----------
    structure
        Ordered crystal.
    cutoff
        Longest edge, Angstrom.
    most_neighbours
        Keep the nearest so many of each site, and those that are as far as the last of them, so that no symmetry is
        broken by the choice.

    Raises
    ------
    StructureError
        If the structure is disordered, or a site has no neighbour.
    """
    if not structure.is_ordered:
        raise StructureError("the structure is disordered.", "Screen an ordered approximant.")
    centre, neighbour, _, distance = structure.get_neighbor_list(cutoff, exclude_self=True)
    order = np.lexsort((distance, centre))
    centre, neighbour, distance = centre[order], neighbour[order], distance[order]
    counts = np.bincount(centre, minlength=len(structure))
    if not counts.all():
        raise StructureError(f"a site has no neighbour within {cutoff:g} A.", "Check the lattice constants.")
    if most_neighbours is not None:
        first = np.concatenate([[0], np.cumsum(counts)[:-1]])
        farthest = distance[first + np.minimum(counts, most_neighbours) - 1]
        near = distance <= farthest[centre] + 1e-3
        centre, neighbour, distance = centre[near], neighbour[near], distance[near]
    return CrystalGraph(
        numbers=np.array([site.specie.Z for site in structure], dtype=np.int64),
        centre=centre.astype(np.int64),
        neighbour=neighbour.astype(np.int64),
        distance=distance.astype(np.float32),
        volume_per_atom=structure.volume / len(structure),
    )


@dataclass(frozen=True)
class GraphBatch:
    """Many crystals as one graph without edges between them.

    Attributes
    ----------
    numbers
        Atomic numbers, shape (sites,).
    crystal
        Which crystal a site belongs to, shape (sites,).
    centre, neighbour, distance
        As in `CrystalGraph`, shape (edges,).
    volume_per_atom
        Angstrom^3, shape (crystals,).
    """

    numbers: Tensor
    crystal: Tensor
    centre: Tensor
    neighbour: Tensor
    distance: Tensor
    volume_per_atom: Tensor

    @classmethod
    def of(cls, graphs: Sequence[CrystalGraph]) -> "GraphBatch":
        """Join graphs."""
        sizes = np.array([len(graph.numbers) for graph in graphs])
        first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        shifted = list(zip(graphs, first, strict=True))
        return cls(
            numbers=torch.from_numpy(np.concatenate([graph.numbers for graph in graphs])),
            crystal=torch.from_numpy(np.repeat(np.arange(len(graphs)), sizes)),
            centre=torch.from_numpy(np.concatenate([graph.centre + shift for graph, shift in shifted])),
            neighbour=torch.from_numpy(np.concatenate([graph.neighbour + shift for graph, shift in shifted])),
            distance=torch.from_numpy(np.concatenate([graph.distance for graph in graphs])),
            volume_per_atom=torch.tensor([graph.volume_per_atom for graph in graphs], dtype=torch.float32),
        )

    def __len__(self) -> int:
        return len(self.volume_per_atom)
