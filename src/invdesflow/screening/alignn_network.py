"""ALIGNN for the quantities behind Tc: layers of the package ``alignn``, run on one atom and bond of each orbit."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import torch
from alignn.models.alignn_atomwise_pure import ALIGNNConvPure, EdgeGatedGraphConvPure
from alignn.models.utils import MLPLayer, RBFExpansion
from numpy.typing import NDArray
from torch import Tensor, nn

from invdesflow.screening.alignn_graph import CUTOFF, AlignnBatch

__all__ = ["OUTPUTS", "AlignnNetwork", "AlignnShape", "convolve"]

OUTPUTS = ("ln_lambda", "ln_omega_log", "sqrt_tc", "ln_dos", "ln_debye")
"""ln lambda, ln omega_log (meV), sqrt(Tc / K), ln N(E_F) (states/eV/atom) and ln Debye temperature (K)."""
_SILU = nn.functional.silu


@dataclass(frozen=True)
class AlignnShape:
    """How large a network is.

    Parameters
    ----------
    site_inputs, crystal_inputs
        Length of the inputs of an atom and of a crystal.
    hidden
        Width of the states of atoms, bonds and angles.
    line_layers, bond_layers
        Layers on the line graph and the graph, and on the graph alone.
    radial, angular
        Functions that distances and cosines are expanded in.
    readout
        Width of the layers after the pooling.
    dropout
        Share of their inputs that is left out in training.
    """

    site_inputs: int
    crystal_inputs: int
    hidden: int = 64
    line_layers: int = 2
    bond_layers: int = 2
    radial: int = 80
    angular: int = 40
    readout: int = 256
    dropout: float = 0.2


def convolve(
    layer: EdgeGatedGraphConvPure, ends: tuple[Tensor, Tensor], count: Tensor, nodes: Tensor, edges: Tensor
) -> tuple[Tensor, Tensor]:
    """Apply an edge-gated convolution of the package to a graph in which an edge stands for several.

    Parameters
    ----------
    layer
        The layer; with counts of one the result is that of its own ``forward_tensors``.
    ends
        Sources and targets of the edges, each of shape (edges,).
    count
        How many edges of the target an edge stands for, shape (edges,).
    nodes, edges
        States, shapes (nodes, width) and (edges, width).

    Returns
    -------
    nodes, edges
        New states.
    """
    source, target = ends
    message = layer.src_gate(nodes)[source] + layer.dst_gate(nodes)[target] + layer.edge_gate(edges)
    gate = torch.sigmoid(message) * count[:, None]
    empty = torch.zeros_like(nodes)
    flow = empty.index_add(0, target, gate * layer.dst_update(nodes)[source])
    gathered = flow / (empty.index_add(0, target, gate) + 1e-6)
    new_nodes = _SILU(layer.bn_nodes(layer.src_update(nodes) + gathered))
    return nodes + new_nodes, edges + _SILU(layer.bn_edges(message))


class AlignnNetwork(nn.Module):
    """Predicts the standardised `OUTPUTS` of crystals.

    The atoms are described by the package's (CGCNN's) element features and CHGNet's features of the site. After the
    convolutions they are averaged, joined by the features of the whole crystal, and read out by a perceptron.

    Parameters
    ----------
    shape
        How large it is.
    """

    def __init__(self, shape: AlignnShape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.hidden
        self.atom_embedding = MLPLayer(shape.site_inputs, width)
        self.bond_embedding = nn.Sequential(
            RBFExpansion(vmin=0.0, vmax=CUTOFF, bins=shape.radial),
            MLPLayer(shape.radial, width),
            MLPLayer(width, width),
        )
        self.angle_embedding = nn.Sequential(
            RBFExpansion(vmin=-1.0, vmax=1.0, bins=shape.angular),
            MLPLayer(shape.angular, width),
            MLPLayer(width, width),
        )
        self.line_layers = nn.ModuleList(ALIGNNConvPure(width, width) for _ in range(shape.line_layers))
        self.bond_layers = nn.ModuleList(EdgeGatedGraphConvPure(width, width) for _ in range(shape.bond_layers))
        self.crystal_embedding = nn.Sequential(
            nn.Linear(shape.crystal_inputs, shape.readout), nn.SiLU(), nn.Dropout(shape.dropout)
        )
        self.readout = nn.Sequential(
            nn.Linear(width + shape.readout, shape.readout),
            nn.SiLU(),
            nn.Dropout(shape.dropout),
            nn.Linear(shape.readout, shape.readout),
            nn.SiLU(),
            nn.Dropout(shape.dropout),
            nn.Linear(shape.readout, len(OUTPUTS)),
        )

    def forward(self, batch: AlignnBatch, sites: Tensor, crystals: Tensor) -> Tensor:
        """Predict.

        Parameters
        ----------
        batch
            Graphs.
        sites
            Inputs of the atoms, shape (atoms, `AlignnShape.site_inputs`).
        crystals
            Inputs of the crystals, shape (crystals, `AlignnShape.crystal_inputs`).

        Returns
        -------
        Tensor
            Shape (crystals, outputs).
        """
        atoms, bonds = self.atom_embedding(sites), self.bond_embedding(batch.distance)
        angles = self.angle_embedding(batch.cosine)
        graph, line_graph = (batch.source, batch.target), (batch.first, batch.second)
        for layer in self.line_layers:
            atoms, bonds = convolve(layer.node_update, graph, batch.bond_count, atoms, bonds)
            bonds, angles = convolve(layer.edge_update, line_graph, batch.angle_count, bonds, angles)
        for layer in self.bond_layers:
            atoms, bonds = convolve(layer, graph, batch.bond_count, atoms, bonds)
        total = atoms.new_zeros(batch.crystals, atoms.shape[1])
        total = total.index_add(0, batch.crystal, atoms * batch.multiplicity[:, None])
        count = atoms.new_zeros(batch.crystals).index_add(0, batch.crystal, batch.multiplicity)
        pooled = total / count[:, None]
        found: Tensor = self.readout(torch.cat([pooled, self.crystal_embedding(crystals)], dim=1))
        return found

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the weights as arrays, by name."""
        return {name: tensor.detach().numpy() for name, tensor in self.state_dict().items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], shape: Mapping[str, Any]) -> Self:
        """Rebuild a network, ready to predict."""
        network = cls(AlignnShape(**shape))
        network.load_state_dict({name: torch.from_numpy(np.array(array)).float() for name, array in arrays.items()})
        return network.eval()

    def describe(self) -> dict[str, Any]:
        """Return what `from_arrays` needs beside the arrays."""
        return asdict(self.shape)
