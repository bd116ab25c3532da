"""Fine-tuning one member of the ALIGNN model on few crystals, held close to the weights that it comes from."""

import copy
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from invdesflow.screening.alignn_graph import AlignnBatch
from invdesflow.screening.alignn_network import AlignnNetwork
from invdesflow.screening.perceptron import PerceptronCommittee
from invdesflow.screening.tc_alignn import Member
from invdesflow.screening.training.alignn_data import AlignnData
from invdesflow.screening.training.alignn_fitting import LOSS_CORNER, TASK_WEIGHTS
from invdesflow.screening.training.loop import train_network
from invdesflow.screening.training.splits import formulas_digest
from invdesflow.screening.training.tuning import Anchor, Tuning

__all__ = ["tune_member"]


class _Learner(nn.Module):
    """The network of a member and its perceptrons; both give standardised outputs."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, member: Member) -> None:
        super().__init__()
        self.network = copy.deepcopy(member.network)
        weights = [torch.from_numpy(w.astype(np.float32)) for w in member.perceptrons.weights]
        biases = [torch.from_numpy(b.astype(np.float32)) for b in member.perceptrons.biases]
        self.weights = nn.ParameterList([nn.Parameter(weight) for weight in weights])
        self.biases = nn.ParameterList([nn.Parameter(bias) for bias in biases])
        self.register_buffer("mean", torch.from_numpy(member.output_mean).float())
        self.register_buffer("deviation", torch.from_numpy(member.output_scale).float())

    def forward(self, graphs: AlignnBatch, atoms: Tensor, crystals: Tensor) -> Tensor:
        """Return the outputs of the network and of each perceptron, shape (1 + perceptrons, crystals, outputs)."""
        signal = crystals[None]
        last = len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            signal = torch.matmul(signal, weight) + bias[:, None]
            if layer < last:
                signal = nn.functional.silu(signal)
        perceptrons = (signal - self.mean) / self.deviation
        return torch.cat([self.network(graphs, atoms, crystals)[None], perceptrons])

    def committee(self) -> PerceptronCommittee:
        """Return the perceptrons as arrays."""
        return PerceptronCommittee(
            tuple(weight.detach().numpy() for weight in self.weights),
            tuple(bias.detach().numpy() for bias in self.biases),
        )


@dataclass(frozen=True)
class _Batch:
    inputs: tuple[AlignnBatch, Tensor, Tensor]
    targets: Tensor
    known: Tensor


def tune_member(
    member: Member,
    data: AlignnData,
    elements: NDArray[np.float32],
    tuning: Tuning,
    *,
    checkpoint: Path | None = None,
) -> Member:
    """Fine-tune the network and the perceptrons of a member; its trees, which cannot be moved a little, stay.

    Parameters
    ----------
    member
        Where to start; it is not changed.
    data
        What to learn: new crystals, and old ones so that they are not forgotten.
    elements
        Features of the elements by atomic number, shape (numbers, element features).
    tuning
        How.
    checkpoint
        File from which an interrupted training goes on.

    Raises
    ------
    TrainingError
        If the loss is not finite, or the checkpoint belongs to another training.
    """
    torch.set_num_threads(1)
    targets = torch.from_numpy((data.targets - member.output_mean) / member.output_scale).float()
    steps = max(1, len(data) // tuning.batch)

    def batches(epoch: int) -> Iterator[_Batch]:
        order = np.random.default_rng((tuning.seed, epoch)).permutation(len(data))
        for rows in np.array_split(order, steps):
            chosen = targets[rows]
            inputs = member.scale.tensors([data.inputs[row] for row in rows], elements)
            yield _Batch(inputs, torch.nan_to_num(chosen), ~torch.isnan(chosen))

    learner = _Learner(member)
    anchor = Anchor(learner)

    def loss(learner: _Learner, batch: _Batch) -> Tensor:
        found = learner(*batch.inputs)
        wanted = batch.targets.expand_as(found)
        each = nn.functional.smooth_l1_loss(found, wanted, beta=LOSS_CORNER, reduction="none")
        missed = (each * batch.known * torch.tensor(TASK_WEIGHTS)).mean()
        return missed + tuning.anchor * anchor.distance(learner)

    learner = train_network(
        learner,
        batches,
        loss,
        tuning.loop(),
        steps_per_epoch=steps,
        checkpoint=checkpoint,
        identity=_identity(data, tuning),
    )
    network: AlignnNetwork = learner.network
    return Member(network, member.scale, member.output_mean, member.output_scale, learner.committee(), member.trees)


def _identity(data: AlignnData, tuning: Tuning) -> str:
    content = f"{tuning} {len(data)} {formulas_digest(data.formulas.tolist())}"
    return hashlib.sha256(content.encode() + data.targets.tobytes()).hexdigest()
