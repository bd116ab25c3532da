"""What the networks for the formation energy are given of a crystal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pymatgen.core import Structure
from torch import Tensor

from invdesflow.screening.crystal_graph import CrystalGraph, GraphBatch, crystal_graph
from invdesflow.screening.description import CrystalDescription
from invdesflow.screening.elements import LAST_ATOMIC_NUMBER

__all__ = ["ATOM_FEATURES", "CUTOFF", "MOST_NEIGHBOURS", "EnergyInputs", "InputBatch", "Sight", "see"]

CUTOFF, MOST_NEIGHBOURS = 8.0, 12
"""Bonds reach so far (Angstrom), and to the nearest so many of them."""
ATOM_FEATURES: Mapping[str, tuple[str, ...]] = {
    "electronegativity": ("electronegativity",),
    "covalent radius": ("covalent_radius",),
    "valence electrons by shell": ("s_electrons", "p_electrons", "d_electrons", "f_electrons"),
    "ionisation energy": ("ionization_energy",),
    "electron affinity": ("electron_affinity",),
    "group": ("group",),
    "period": ("row",),
    "volume per atom": ("molar_volume",),
}
"""The eight atom features beyond the atomic number, and the columns of the element table that hold them."""
_CLIP = 5.0
"""Standard deviations; keeps one strange site from carrying a network away."""
_FRACTION_SCALE = 5.0


@dataclass(frozen=True)
class Sight:
    """What is seen of one crystal.

    Attributes
    ----------
    graph
        Sites and bonds.
    energy
        CHGNet's energy, eV/atom; 0 for networks that do without.
    features
        CHGNet's features of each site, shape (sites, features); without any for networks that do without.
    """

    graph: CrystalGraph
    energy: float
    features: NDArray[np.float32]


def see(structure: Structure, description: CrystalDescription | None, bonds: bool) -> Sight:
    """Look at a crystal.

    Parameters
    ----------
    structure
        Ordered crystal.
    description
        What CHGNet says of it; None for networks that do without.
    bonds
        Whether to look for neighbours; networks without blocks need none, for CHGNet's features know them.

    Raises
    ------
    StructureError
        If the structure is disordered, or a site has no neighbour where they are looked for.
    """
    if bonds:
        graph = crystal_graph(structure, CUTOFF, MOST_NEIGHBOURS)
    else:
        numbers, none = np.array(structure.atomic_numbers, dtype=np.int64), np.empty(0, dtype=np.int64)
        volume = structure.volume / len(structure)
        graph = CrystalGraph(numbers, none, none, np.empty(0, dtype=np.float32), volume)
    if description is None:
        return Sight(graph, 0.0, np.empty((len(structure), 0), dtype=np.float32))
    return Sight(graph, description.energy_ev_per_atom, description.atoms)


@dataclass(frozen=True)
class InputBatch:
    """Crystals as tensors.

    Attributes
    ----------
    graph
        The crystals.
    sites, state
        What the network is given for each site and each crystal: atom features and CHGNet's features; the corrected
        energy, the volume per atom, statistics of the site inputs and the fractions of the elements.
    start
        CHGNet's energy with the elemental correction, eV/atom, shape (crystals,).
    """

    graph: GraphBatch
    sites: Tensor
    state: Tensor
    start: Tensor


@dataclass(frozen=True)
class EnergyInputs:
    """The constants that turn crystals into inputs; they are fitted to the training set.

    Attributes
    ----------
    correction
        Elemental correction by atomic number, eV/atom; NaN where the training set has no such element.
    properties
        Standardised atom features by atomic number, shape (atomic numbers, features).
    feature_mean, feature_scale
        Of CHGNet's site features, shape (features,).
    state_mean, state_scale
        Of the corrected energy (eV/atom) and the logarithm of the volume per atom (Angstrom^3), shape (2,).
    unit
        What the first output of a network is multiplied with, eV/atom, shape (1,).
    """

    correction: NDArray[np.float64]
    properties: NDArray[np.float32]
    feature_mean: NDArray[np.float32]
    feature_scale: NDArray[np.float32]
    state_mean: NDArray[np.float32]
    state_scale: NDArray[np.float32]
    unit: NDArray[np.float32]

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "EnergyInputs":
        """Take the constants from the arrays of a weights file; a missing one raises KeyError."""
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the constants by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether an element can be read, by atomic number."""
        known: NDArray[np.bool_] = np.isfinite(self.correction) & np.isfinite(self.properties).all(axis=1)
        return known

    @property
    def site_inputs(self) -> int:
        """Numbers for each site."""
        return int(self.properties.shape[1]) + len(self.feature_mean)

    @property
    def state_inputs(self) -> int:
        """Numbers for each crystal."""
        return len(self.state_mean) + 4 * self.site_inputs + LAST_ATOMIC_NUMBER + 1

    def start(self, sight: Sight) -> float:
        """Return CHGNet's energy with the elemental correction, eV/atom."""
        return sight.energy + float(self.correction[sight.graph.numbers].mean())

    def batch(self, sights: Sequence[Sight]) -> InputBatch:
        """Join crystals."""
        graph = GraphBatch.of([sight.graph for sight in sights])
        start = np.array([self.start(sight) for sight in sights])
        features = (np.concatenate([sight.features for sight in sights]) - self.feature_mean) / self.feature_scale
        sites = torch.from_numpy(np.concatenate([self.properties[graph.numbers.numpy()], features], axis=1)).float()
        given = np.column_stack([start, np.log(graph.volume_per_atom.numpy())])
        given = (given - self.state_mean) / self.state_scale
        state = torch.cat([torch.from_numpy(given).float(), _statistics(sites, graph), _fractions(graph)], dim=1)
        return InputBatch(graph, sites, state, torch.from_numpy(start))


def _statistics(sites: Tensor, graph: GraphBatch) -> Tensor:
    """Return mean, standard deviation, minimum and maximum over the sites of each crystal, (crystals, 4 inputs)."""
    home = graph.crystal[:, None].expand_as(sites)
    empty = sites.new_zeros(len(graph), sites.shape[1])
    mean = empty.scatter_reduce(0, home, sites, "mean", include_self=False)
    squares = empty.scatter_reduce(0, home, (sites - mean[graph.crystal]) ** 2, "mean", include_self=False)
    ends = [empty.scatter_reduce(0, home, sites, end, include_self=False) for end in ("amin", "amax")]
    return torch.cat([mean, squares.sqrt(), *ends], dim=1).clamp(-_CLIP, _CLIP)


def _fractions(graph: GraphBatch) -> Tensor:
    """Return the atomic fractions of the elements, scaled to order one, shape (crystals, atomic numbers)."""
    pure = torch.eye(LAST_ATOMIC_NUMBER + 1)[graph.numbers]
    counts = torch.zeros(len(graph), pure.shape[1]).index_add(0, graph.crystal, pure)
    return _FRACTION_SCALE * counts / counts.sum(dim=1, keepdim=True)
