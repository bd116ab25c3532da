"""Training one member of the ALIGNN model: a network, and perceptrons and trees beside it."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from invdesflow.screening.alignn_graph import AlignnBatch
from invdesflow.screening.alignn_inputs import InputScale, designed_features
from invdesflow.screening.alignn_network import AlignnNetwork, AlignnShape
from invdesflow.screening.tc_alignn import Member
from invdesflow.screening.training.alignn_data import AlignnData
from invdesflow.screening.training.fitting import fit_networks, fit_trees
from invdesflow.screening.training.loop import LoopSettings, train_network
from invdesflow.screening.training.splits import formulas_digest

__all__ = ["Recipe", "fit_member"]

TASK_WEIGHTS = (1.0, 0.5, 2.0, 1.0, 0.5)  # ln lambda, ln omega_log, sqrt(Tc), ln N(E_F), ln Debye temperature
LOSS_CORNER = 0.5  # of the smooth L1 loss, in standard deviations


@dataclass(frozen=True)
class Recipe:
    """How large the model is and how long it learns.

    Parameters
    ----------
    epochs, batch, learning_rate
        Of each network.
    neighbours
        Bonds of an atom.
    hidden, line_layers, bond_layers, readout
        As in `AlignnShape`.
    perceptrons, perceptron_epochs
        Perceptrons of each member, and how long they learn.
    trees, leaf
        Trees of each member, and the fewest rows in a leaf.
    seed
        Seed of everything random in the first member.
    """

    epochs: int = 26
    batch: int = 64
    learning_rate: float = 2e-3
    neighbours: int = 12
    hidden: int = 64
    line_layers: int = 1
    bond_layers: int = 1
    readout: int = 256
    perceptrons: int = 2
    perceptron_epochs: int = 60
    trees: int = 10
    leaf: int = 2
    seed: int = 0


@dataclass(frozen=True)
class _Batch:
    graphs: AlignnBatch
    atoms: Tensor
    crystals: Tensor
    targets: Tensor
    known: Tensor


def fit_member(
    data: AlignnData,
    elements: NDArray[np.float32],
    recipe: Recipe,
    *,
    seed: int,
    checkpoint: Path | None = None,
    report: Callable[[int, float], None] | None = None,
) -> Member:
    """Train an ALIGNN network and perceptrons, and grow trees.

    Parameters
    ----------
    data
        What they learn from.
    elements
        Features of the elements by atomic number, shape (numbers, element features).
    recipe
        How large they are.
    seed
        Seed of the member.
    checkpoint
        File from which an interrupted training goes on.
    report
        Called after every epoch with its number and the mean loss.
    """
    torch.set_num_threads(1)
    scale = InputScale.of(data.inputs)
    mean, deviation = np.nanmean(data.targets, axis=0), np.nanstd(data.targets, axis=0)
    targets = torch.from_numpy((data.targets - mean) / deviation).float()
    steps = max(len(data) // recipe.batch, 1)

    def batches(epoch: int) -> Iterator[_Batch]:
        order = np.random.default_rng((seed, epoch)).permutation(len(data))
        for rows in np.array_split(order, steps):
            tensors = scale.tensors([data.inputs[row] for row in rows], elements)
            chosen = targets[rows]
            yield _Batch(*tensors, torch.nan_to_num(chosen), ~torch.isnan(chosen))

    shape = _shape(data, elements, recipe)
    torch.manual_seed(seed)
    network = train_network(
        AlignnNetwork(shape),
        batches,
        _loss,
        LoopSettings(recipe.epochs, recipe.learning_rate, seed=seed),
        steps_per_epoch=steps,
        checkpoint=checkpoint,
        identity=_identity(data, shape, recipe),
        report=None if report is None else lambda epoch, loss, _: report(epoch, loss),
    )
    samples, first = scale.crystals(data.inputs), seed * recipe.perceptrons
    committee = fit_networks(samples, data.targets, recipe.perceptrons, first, recipe.perceptron_epochs)
    known = data.targets[:, :3]  # the other targets are not known of every row
    trees = fit_trees(designed_features(data.inputs), known, recipe.trees, seed, recipe.leaf)
    return Member(network, scale, mean, deviation, committee, trees)


def _shape(data: AlignnData, elements: NDArray[np.float32], recipe: Recipe) -> AlignnShape:
    atom, crystal = InputScale.widths(elements, data.inputs[0])
    return AlignnShape(
        atom,
        crystal,
        hidden=recipe.hidden,
        line_layers=recipe.line_layers,
        bond_layers=recipe.bond_layers,
        readout=recipe.readout,
    )


def _loss(network: AlignnNetwork, batch: _Batch) -> Tensor:
    """Smooth L1 loss of the standardised outputs that are known."""
    found = network(batch.graphs, batch.atoms, batch.crystals)
    each = torch.nn.functional.smooth_l1_loss(found, batch.targets, beta=LOSS_CORNER, reduction="none")
    return (each * batch.known * torch.tensor(TASK_WEIGHTS)).mean()


def _identity(data: AlignnData, shape: AlignnShape, recipe: Recipe) -> str:
    """Name what a network learns from and how; the seed stands in the settings of the loop."""
    content = f"{shape} {recipe.batch} {recipe.neighbours} {len(data)} {formulas_digest(data.formulas.tolist())}"
    return hashlib.sha256(content.encode() + data.targets.tobytes()).hexdigest()
