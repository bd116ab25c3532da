"""A crystal graph encoder after CGCNN (Xie & Grossman, Phys. Rev. Lett. 120, 145301 (2018)), and the classifier."""

import torch
from torch import Tensor, nn

from invdesflow.screening.crystal_graph import GraphBatch

__all__ = ["CUTOFF", "MOST_NEIGHBOURS", "ClassifierNetwork", "GraphEncoder"]

CUTOFF, MOST_NEIGHBOURS = 8.0, 12
"""Edges of the graph: the nearest neighbours of a site, and the longest edge, Angstrom."""
_FIRST, _LAST, _STEP = 0.75, 6.0, 0.25  # centres of the Gaussians of the distance, Angstrom


class GatedConvolution(nn.Module):
    """Eq. 5 of CGCNN: gated messages along the edges, with the mean over the neighbours and a layer norm.

    The linear maps of centre and neighbour are applied to sites, before they are spread over the edges: the same sum,
    an order of magnitude less work.
    """

    def __init__(self, width: int, radial: int) -> None:
        super().__init__()
        self.centre = nn.Linear(width, 2 * width)
        self.neighbour = nn.Linear(width, 2 * width, bias=False)
        self.edge = nn.Linear(radial, 2 * width, bias=False)
        self.norm = nn.LayerNorm(width)

    def forward(self, sites: Tensor, edges: Tensor, batch: GraphBatch) -> Tensor:
        """Return the new representation of the sites, shape (sites, width)."""
        mixed = self.centre(sites)[batch.centre] + self.neighbour(sites)[batch.neighbour] + self.edge(edges)
        gate, core = mixed.chunk(2, dim=1)
        message = torch.sigmoid(gate) * nn.functional.silu(core)
        total = torch.zeros_like(sites).index_add(0, batch.centre, message) / MOST_NEIGHBOURS
        return nn.functional.silu(sites + self.norm(total))


class GraphEncoder(nn.Module):
    """Represents the sites of crystals by their features and surroundings.

    Parameters
    ----------
    inputs
        Number of features of a site.
    width
        Length of a representation.
    layers
        Number of convolutions: how many bonds far a site sees.
    """

    centres: Tensor

    def __init__(self, inputs: int, width: int, layers: int) -> None:
        super().__init__()
        self.register_buffer("centres", torch.arange(_FIRST, _LAST + _STEP / 2, _STEP), persistent=False)
        self.embed = nn.Linear(inputs, width)
        self.layers = nn.ModuleList(GatedConvolution(width, len(self.centres)) for _ in range(layers))

    def forward(self, features: Tensor, batch: GraphBatch) -> list[Tensor]:
        """Encode the sites.

        Parameters
        ----------
        features
            Shape (sites, inputs).
        batch
            Their graphs.

        Returns
        -------
        list of Tensor
            Representation after the embedding and after each convolution, shape (sites, width) each.
        """
        edges = torch.exp(-0.5 * ((batch.distance[:, None] - self.centres) / _STEP) ** 2)
        found = [nn.functional.silu(self.embed(features))]
        for layer in self.layers:
            found.append(layer(found[-1], edges, batch))
        return found


class ClassifierNetwork(nn.Module):
    """Encoder, mean over the sites, and a perceptron that gives one logit for a crystal."""

    def __init__(self, inputs: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.encoder = GraphEncoder(inputs, width, layers)
        self.head = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(width, width), nn.SiLU(), nn.Dropout(dropout), nn.Linear(width, 1)
        )

    def forward(self, features: Tensor, batch: GraphBatch) -> Tensor:
        """Return the logits of the class of superconductors, shape (crystals,)."""
        sites = self.encoder(features, batch)[-1]
        total = sites.new_zeros(len(batch), sites.shape[1]).index_add(0, batch.crystal, sites)
        counts = torch.bincount(batch.crystal, minlength=len(batch))
        logits: Tensor = self.head(total / counts[:, None])[:, 0]
        return logits
