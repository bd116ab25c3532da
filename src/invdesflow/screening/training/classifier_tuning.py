"""Fine-tuning one member of the classifier: its networks move a little, its trees count what falls into leaves."""

import copy
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from invdesflow.screening.classifier_members import Crystal, Inputs, Member
from invdesflow.screening.graph_encoder import ClassifierNetwork
from invdesflow.screening.site_features import site_statistics
from invdesflow.screening.training.loop import train_network
from invdesflow.screening.training.tuning import Anchor, Tuning
from invdesflow.screening.tree_ensemble import TreeEnsemble

__all__ = ["Balance", "Examples", "count_in_leaves", "tune_member"]

Truth = NDArray[np.bool_]


@dataclass(frozen=True)
class Examples:
    """What a member learns from.

    Parameters
    ----------
    formulas, crystals
        One for each example.
    truth, new
        Whether it is a superconductor, and whether the member has not seen it, shape (examples,).
    """

    formulas: list[str]
    crystals: list[Crystal]
    truth: Truth
    new: Truth

    def __len__(self) -> int:
        return len(self.formulas)

    @property
    def has_both_classes(self) -> bool:
        """Whether there are superconductors and others."""
        return bool(self.truth.any() and not self.truth.all())

    def only(self, chosen: Truth) -> "Examples":
        """Return some of the examples."""
        rows = np.flatnonzero(chosen)
        return Examples(
            [self.formulas[row] for row in rows], [self.crystals[row] for row in rows], self.truth[rows], self.new[rows]
        )

    def __add__(self, other: "Examples") -> "Examples":
        return Examples(
            self.formulas + other.formulas,
            self.crystals + other.crystals,
            np.concatenate([self.truth, other.truth]),
            np.concatenate([self.new, other.new]),
        )


@dataclass(frozen=True)
class Balance:
    """What a crystal weighs in the forest, so that both classes weigh the same.

    Parameters
    ----------
    superconductor, other
        Weight of one crystal.
    leaf
        Fewest crystals that a leaf was grown with.
    """

    superconductor: float
    other: float
    leaf: int

    @classmethod
    def of(cls, superconductors: int, others: int, leaf: int) -> "Balance":
        """Weigh the classes of the set that a forest was grown on."""
        half = (superconductors + others) / 2.0
        return cls(half / superconductors, half / others, leaf)


def tune_member(member: Member, examples: Examples, balance: Balance, tuning: Tuning, *, checkpoints: Path) -> Member:
    """Fine-tune the networks on all examples, and let the trees count those that are new.

    Parameters
    ----------
    member
        Where to start; it is not changed.
    examples
        What to learn; of both classes.
    balance
        Of the set that the trees were grown on.
    tuning
        How.
    checkpoints
        Prefix of the files from which an interrupted training goes on.

    Raises
    ------
    TrainingError
        If the loss is not finite, or a checkpoint belongs to another training.
    """
    networks = [
        _tune_network(network, examples, tuning, checkpoints.with_name(f"{checkpoints.name}-{number}.pt"))
        for number, network in enumerate(member.networks)
    ]
    new = examples.only(examples.new)
    if not len(new):
        return Member(networks, member.forest)
    statistics = np.array([site_statistics(sites, graph.volume_per_atom) for graph, sites in new.crystals])
    return Member(networks, count_in_leaves(member.forest, statistics, new.truth, balance))


def count_in_leaves(
    forest: TreeEnsemble, statistics: NDArray[np.float32], truth: Truth, balance: Balance
) -> TreeEnsemble:
    """Count new crystals in the leaves that they fall into; all other leaves stay as they are.

    A leaf knows the weighted share of superconductors among the crystals that it was grown with, but not their number:
    the fewest that there can be are assumed.

    Parameters
    ----------
    forest
        It tells the share of superconductors.
    statistics, truth
        Of the new crystals, shapes (crystals, inputs) and (crystals,).
    balance
        What they weigh.
    """
    leaves = forest.leaves(statistics).ravel()
    weight = np.repeat(np.where(truth, balance.superconductor, balance.other), forest.trees)
    added = np.bincount(leaves, weight, len(forest.values))
    positive = np.bincount(leaves, weight * np.repeat(truth, forest.trees), len(forest.values))
    share = forest.values[:, 0].astype(np.float64)
    odds = share * balance.other + (1.0 - share) * balance.superconductor
    mass = balance.leaf * balance.superconductor * balance.other / odds  # of `leaf` crystals with this share
    counted = (mass * share + positive) / (mass + added)
    return replace(forest, values=counted[:, None].astype(np.float32))


def _tune_network(start: ClassifierNetwork, examples: Examples, tuning: Tuning, checkpoint: Path) -> ClassifierNetwork:
    """Fine-tune a network; positives weigh as much as negatives together."""
    torch.set_num_threads(1)
    network, anchor = copy.deepcopy(start), Anchor(start)
    crystals, truth = examples.crystals, examples.truth
    steps = max(1, len(examples) // tuning.batch)
    weight = torch.tensor((~truth).sum() / truth.sum(), dtype=torch.float32)

    def batches(epoch: int) -> Iterator[tuple[Inputs, Tensor]]:
        order = np.random.default_rng((tuning.seed, epoch)).permutation(len(crystals))
        for rows in np.array_split(order, steps):
            yield Inputs.of([crystals[row] for row in rows]), torch.from_numpy(truth[rows]).float()

    def loss(network: ClassifierNetwork, batch: tuple[Inputs, Tensor]) -> Tensor:
        inputs, wanted = batch
        logits = network(inputs.features, inputs.batch)
        missed = nn.functional.binary_cross_entropy_with_logits(logits, wanted, pos_weight=weight)
        return missed + tuning.anchor * anchor.distance(network)

    return train_network(
        network,
        batches,
        loss,
        tuning.loop(),
        steps_per_epoch=steps,
        checkpoint=checkpoint,
        identity=_identity(examples),
    )


def _identity(examples: Examples) -> str:
    content = hashlib.sha256(examples.truth.tobytes())
    for _, sites in examples.crystals:
        content.update(sites.tobytes())
    return content.hexdigest()
