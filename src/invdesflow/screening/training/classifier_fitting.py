"""Training the networks of the classifier: an auto-encoder first, then its encoder as a classifier."""

import copy
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from invdesflow.screening.classifier_members import Shape
from invdesflow.screening.crystal_graph import GraphBatch
from invdesflow.screening.graph_encoder import ClassifierNetwork, GraphEncoder
from invdesflow.screening.reconstruction import NeighbourhoodDecoder
from invdesflow.screening.site_features import SiteScale
from invdesflow.screening.training.classifier_table import ClassTable
from invdesflow.screening.training.loop import LoopSettings, train_network
from invdesflow.screening.training.splits import formulas_digest

__all__ = ["AutoEncoder", "Recipe", "fine_tune", "network_logits", "pre_train"]

Rows = NDArray[np.int64]
Features = tuple[Tensor, GraphBatch]


@dataclass(frozen=True)
class Recipe:
    """How the members are trained.

    Parameters
    ----------
    shape
        Size of the networks.
    pretraining_epochs, epochs
        Passes over the pre-training crystals and the labelled ones.
    pretraining_crystals
        At most so many, drawn at random.
    batch
        Crystals in a batch.
    learning_rate
        Its height.
    seed
        Of everything random.
    """

    shape: Shape = field(default_factory=Shape)
    pretraining_epochs: int = 4
    epochs: int = 8
    pretraining_crystals: int = 5000
    batch: int = 128
    learning_rate: float = 3e-3
    seed: int = 0


class AutoEncoder(nn.Module):
    """Encoder and decoder of the pre-training."""

    def __init__(self, encoder: GraphEncoder, inputs: int, shape: Shape) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = NeighbourhoodDecoder(inputs, shape.width, shape.layers)

    def forward(self, features: Tensor, batch: GraphBatch) -> Tensor:
        """Return the sum of the three parts of the reconstruction loss."""
        parts = self.decoder(features, self.encoder(features, batch), batch)
        return torch.stack(list(parts.values())).sum()


@dataclass(frozen=True)
class _Batches:
    """Batches of rows in an order that the number of the epoch decides; the last, smaller one is kept."""

    table: ClassTable
    scale: SiteScale
    rows: Rows
    size: int
    seed: int

    @property
    def steps(self) -> int:
        return -(-len(self.rows) // self.size)

    def __call__(self, epoch: int) -> Iterator[tuple[Features, Rows]]:
        order = np.random.default_rng((self.seed, epoch)).permutation(self.rows)
        for rows in np.array_split(order, self.steps):
            yield self.table.batch(rows, self.scale), rows

    @property
    def identity(self) -> str:
        return f"{formulas_digest(self.table.formulas[self.rows].tolist())} {len(self.rows)} {self.scale.inputs}"


def _settings(recipe: Recipe, epochs: int, member: int) -> LoopSettings:
    return LoopSettings(epochs, recipe.learning_rate, average=0.98, seed=recipe.seed + member)


def pre_train(
    table: ClassTable, scale: SiteScale, recipe: Recipe, member: int, *, checkpoints: Path | None = None
) -> GraphEncoder:
    """Train an auto-encoder on conductors without moments, and return its encoder.

    Parameters
    ----------
    table
        All crystals.
    scale
        Of the features.
    recipe
        How to train.
    member
        Fold whose formulas it may not see.
    checkpoints
        Folder for the states after every epoch.
    """
    allowed = np.flatnonzero(table.pretraining & table.taught(member))
    rng = np.random.default_rng((recipe.seed, member))
    rows = np.sort(rng.permutation(allowed)[: recipe.pretraining_crystals])
    torch.manual_seed(recipe.seed + member)
    encoder = GraphEncoder(scale.inputs, recipe.shape.width, recipe.shape.layers)
    batches = _Batches(table, scale, rows, recipe.batch, recipe.seed + member)
    train_network(
        AutoEncoder(encoder, scale.inputs, recipe.shape),
        batches,
        lambda network, batch: network(*batch[0]),
        _settings(recipe, recipe.pretraining_epochs, member),
        steps_per_epoch=batches.steps,
        checkpoint=None if checkpoints is None else checkpoints / f"auto-encoder-{scale.inputs}-{member}.pt",
        identity=f"{batches.identity} {asdict(recipe.shape)}",
    )
    return encoder


def fine_tune(
    table: ClassTable,
    scale: SiteScale,
    recipe: Recipe,
    member: int,
    *,
    encoder: GraphEncoder | None = None,
    checkpoints: Path | None = None,
) -> ClassifierNetwork:
    """Train a classifier on the labelled crystals; positives weigh as much as negatives together.

    Parameters
    ----------
    table, scale, recipe, member, checkpoints
        As for `pre_train`.
    encoder
        Where to start; None for random weights.
    """
    rows = np.flatnonzero(table.labelled & table.taught(member))
    truth = torch.from_numpy(table.positive.astype(np.float32))
    weight = torch.tensor((~table.positive[rows]).sum() / table.positive[rows].sum(), dtype=torch.float32)
    torch.manual_seed(recipe.seed + 100 + member)
    network = recipe.shape.network(scale.inputs)
    if encoder is not None:
        network.encoder = copy.deepcopy(encoder)
    batches = _Batches(table, scale, rows, recipe.batch, recipe.seed + member)

    def loss(network: ClassifierNetwork, batch: tuple[Features, Rows]) -> Tensor:
        return nn.functional.binary_cross_entropy_with_logits(network(*batch[0]), truth[batch[1]], pos_weight=weight)

    start = "random" if encoder is None else "pretrained"
    return train_network(
        network,
        batches,
        loss,
        _settings(recipe, recipe.epochs, member),
        steps_per_epoch=batches.steps,
        checkpoint=None if checkpoints is None else checkpoints / f"{start}-{scale.inputs}-{member}.pt",
        identity=f"{batches.identity} {asdict(recipe)} {start}",
    )


@torch.no_grad()
def network_logits(
    network: ClassifierNetwork, table: ClassTable, scale: SiteScale, rows: Rows, size: int = 256
) -> NDArray[np.float64]:
    """Return the logits of a network for some rows, shape (rows,)."""
    pieces = [network(*table.batch(rows[first : first + size], scale)) for first in range(0, len(rows), size)]
    return torch.cat(pieces).numpy().astype(np.float64) if pieces else np.empty(0)
