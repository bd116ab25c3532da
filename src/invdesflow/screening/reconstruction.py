"""Decoder and loss of a graph auto-encoder: neighbourhood Wasserstein reconstruction.

From the representation of each site it reconstructs the features of the site, its degree, and, layer by layer, the
distribution of what its neighbours were one layer before (Tang, Yang & Li, ICLR 2022). Two distributions are compared
by the 2-Wasserstein distance between equally many samples of each, which is an assignment problem for each site.
Everything but the assignments is computed for all sites of a batch together.
"""

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from invdesflow.screening.crystal_graph import GraphBatch

__all__ = ["NeighbourhoodDecoder", "optimal_assignment", "sample_neighbours", "wasserstein"]


class NeighbourhoodDecoder(nn.Module):
    """Reconstructs from the representations of sites what they were encoded from.

    Parameters
    ----------
    inputs, width, layers
        Of the encoder.
    samples
        Neighbours and Gaussian samples for each site and layer.
    """

    def __init__(self, inputs: int, width: int, layers: int, samples: int = 8) -> None:
        super().__init__()
        self.samples = samples
        self.features = _perceptron(width, inputs)
        self.degree = _perceptron(width, 1)
        self.gaussians = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(layers))
        self.generators = nn.ModuleList(_perceptron(width, width if layer else inputs) for layer in range(layers))

    def forward(self, features: Tensor, representations: list[Tensor], batch: GraphBatch) -> dict[str, Tensor]:
        """Compute the three parts of the loss.

        Parameters
        ----------
        features
            Features of the sites, shape (sites, inputs).
        representations
            What the encoder made of them.
        batch
            Graphs.

        Returns
        -------
        dict
            "features" (mean square), "degree" (mean square of the logarithm) and "neighbours" (mean over sites and
            layers of the squared 2-Wasserstein distance per component), scalars.
        """
        last = representations[-1]
        degree = torch.bincount(batch.centre, minlength=len(features)).to(features.dtype)
        # What the first layer sees of the neighbours are their features; deeper targets may not follow their decoder.
        targets = [features, *(layer.detach() for layer in representations[1:-1])]
        neighbours = [
            self._distance(layer, own, target, batch)
            for layer, (own, target) in enumerate(zip(representations[1:], targets, strict=True))
        ]
        return {
            "features": nn.functional.mse_loss(self.features(last), features),
            "degree": nn.functional.mse_loss(self.degree(last)[:, 0], degree.log()),
            "neighbours": torch.stack(neighbours).mean(),
        }

    def _distance(self, layer: int, own: Tensor, target: Tensor, batch: GraphBatch) -> Tensor:
        mean, log_width = self.gaussians[layer](own).chunk(2, dim=1)
        noise = torch.randn(len(own), self.samples, mean.shape[1], dtype=own.dtype, device=own.device)
        drawn = self.generators[layer](mean[:, None] + log_width.exp()[:, None] * noise)
        return wasserstein(drawn, target[sample_neighbours(batch, self.samples)]).mean() / target.shape[1]


def _perceptron(width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, outputs))


def sample_neighbours(batch: GraphBatch, samples: int) -> Tensor:
    """Draw neighbours of every site, without replacement as long as it has enough; shape (sites, samples)."""
    degree = torch.bincount(batch.centre, minlength=len(batch.numbers))
    first = torch.cumsum(degree, 0) - degree
    shuffled = torch.argsort(batch.centre + torch.rand(len(batch.centre), dtype=torch.float64))
    turn = torch.arange(samples)[None] % degree[:, None]
    return batch.neighbour[shuffled[first[:, None] + turn]]


def wasserstein(one: Tensor, other: Tensor) -> Tensor:
    """Squared 2-Wasserstein distance between equally many points with equal weights.

    Parameters
    ----------
    one, other
        Points, shape (sets, points, components).

    Returns
    -------
    Tensor
        Mean over the points of the squared distance in the best assignment, shape (sets,); differentiable.
    """
    with torch.no_grad():
        partner = optimal_assignment(torch.cdist(one, other) ** 2)
    matched = other.gather(1, partner[:, :, None].expand_as(other))
    return ((one - matched) ** 2).sum(dim=2).mean(dim=1)


def optimal_assignment(cost: Tensor) -> Tensor:
    """Solve many small assignment problems exactly.

    One call of scipy's compiled solver takes 5 microseconds for eight rows; dynamic programming over sets of columns,
    for all matrices at once, took five times as long.

    Parameters
    ----------
    cost
        Shape (matrices, n, n).

    Returns
    -------
    Tensor
        Column of each row, shape (matrices, n).
    """
    found = np.array([linear_sum_assignment(matrix)[1] for matrix in cost.detach().cpu().numpy()])
    return torch.from_numpy(found).to(cost.device)
