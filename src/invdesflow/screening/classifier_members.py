"""What the superconductor classifier is made of: networks beside extra trees, and the law that joins them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor

from invdesflow.errors import ModelError
from invdesflow.model_files import arrays_under
from invdesflow.screening.crystal_graph import CrystalGraph, GraphBatch
from invdesflow.screening.graph_encoder import ClassifierNetwork
from invdesflow.screening.site_features import site_statistics
from invdesflow.screening.tree_ensemble import TreeEnsemble

__all__ = ["Crystal", "Inputs", "Law", "Member", "Shape", "forest_logits"]

FLOOR = 0.01  # keeps the logit of a forest finite that is unanimous

FloatArray = NDArray[np.float64]
Crystal = tuple[CrystalGraph, NDArray[np.float32]]
"""Graph, and features of the sites."""


@dataclass(frozen=True)
class Shape:
    """Size of a network.

    Parameters
    ----------
    width
        Length of the representation of a site.
    layers
        Convolutions.
    dropout
        Share of the units of the head that are left out in training.
    """

    width: int = 48
    layers: int = 2
    dropout: float = 0.2

    def network(self, inputs: int) -> ClassifierNetwork:
        """Make a network for sites with so many features."""
        return ClassifierNetwork(inputs, self.width, self.layers, self.dropout)


@dataclass(frozen=True)
class Inputs:
    """What the members read of some crystals.

    Parameters
    ----------
    features
        Of the sites of all crystals, shape (sites, inputs).
    batch
        Their graphs.
    statistics
        From `site_statistics`, shape (crystals, 4 inputs + 1).
    """

    features: Tensor
    batch: GraphBatch
    statistics: NDArray[np.float32]

    @classmethod
    def of(cls, crystals: Sequence[Crystal]) -> "Inputs":
        """Collect crystals."""
        return cls(
            torch.from_numpy(np.concatenate([rows for _, rows in crystals])),
            GraphBatch.of([graph for graph, _ in crystals]),
            np.array([site_statistics(rows, graph.volume_per_atom) for graph, rows in crystals]),
        )


def forest_logits(forest: TreeEnsemble, statistics: NDArray[np.float32]) -> FloatArray:
    """Return the logit of the share of superconductors that a forest sees, shape (crystals,)."""
    share = forest.predict(statistics)[:, :, 0].mean(axis=1)
    logits: FloatArray = np.log((share + FLOOR) / (1.0 + FLOOR - share))
    return logits


@dataclass(frozen=True)
class Member:
    """Networks and a forest of extra trees that learned from the same crystals.

    Parameters
    ----------
    networks
        They read the graph; their logits are averaged.
    forest
        It reads statistics of the sites.
    """

    networks: Sequence[ClassifierNetwork]
    forest: TreeEnsemble

    @torch.no_grad()
    def logits(self, inputs: Inputs) -> FloatArray:
        """Return the logits of networks and forest, shape (crystals, 2)."""
        found = torch.stack([network(inputs.features, inputs.batch) for network in self.networks])
        return np.column_stack([found.mean(dim=0).numpy(), forest_logits(self.forest, inputs.statistics)])

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to store; weights and leaves in half precision."""
        arrays = {f"forest.{name}": array for name, array in self.forest.to_arrays().items()}
        arrays["forest.values"] = self.forest.values.astype(np.float16)
        for number, network in enumerate(self.networks):
            arrays |= {f"network{number}.{name}": w.half().numpy() for name, w in network.state_dict().items()}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], shape: Shape, inputs: int, networks: int) -> "Member":
        """Rebuild a member from its arrays.

        Raises
        ------
        ModelError
            If arrays are missing or do not fit.
        """
        trees = arrays_under(arrays, "forest.")
        trees |= {name: array.astype(np.float32) for name, array in trees.items() if name == "values"}
        made = [shape.network(inputs) for _ in range(networks)]
        for number, network in enumerate(made):
            state = arrays_under(arrays, f"network{number}.")
            try:
                network.load_state_dict({name: torch.from_numpy(w.astype(np.float32)) for name, w in state.items()})
            except RuntimeError as error:
                raise ModelError("the weights do not fit the network.", "Install the package again.") from error
        return cls([network.eval() for network in made], TreeEnsemble.from_arrays(trees))


@dataclass(frozen=True)
class Law:
    """Logistic law from the logits of networks and forest to a calibrated probability.

    Parameters
    ----------
    networks, forest
        What their logits weigh.
    intercept
        Constant.
    """

    networks: float
    forest: float
    intercept: float

    def logits(self, parts: FloatArray) -> FloatArray:
        """Return calibrated logits, without the last axis of `parts`: the logits of networks and forest."""
        found: FloatArray = parts @ np.array([self.networks, self.forest]) + self.intercept
        return found

    def probability(self, parts: FloatArray) -> FloatArray:
        """Return calibrated probabilities, without the last axis of `parts`."""
        found: FloatArray = expit(self.logits(parts))
        return found
