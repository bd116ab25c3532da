"""Train a network: AdamW, a one-cycle learning rate, averaged weights; resumable to the bit."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from invdesflow.errors import TrainingError

__all__ = ["LoopSettings", "train_network"]

Network = TypeVar("Network", bound=nn.Module)
Batch = TypeVar("Batch")


@dataclass(frozen=True)
class LoopSettings:
    """How to train.

    Parameters
    ----------
    epochs
        Passes over the training set.
    learning_rate
        Its height in the one-cycle schedule.
    weight_decay
        Of AdamW.
    gradient_norm
        Where gradients are clipped.
    average
        Decay of the running average of the weights per step.
    seed
        Of everything random in the training; the initial weights are the caller's.
    """

    epochs: int
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    gradient_norm: float = 1.0
    average: float = 0.995
    seed: int = 0


def train_network(
    network: Network,
    batches: Callable[[int], Iterable[Batch]],
    loss: Callable[[Network, Batch], Tensor],
    settings: LoopSettings,
    *,
    steps_per_epoch: int,
    checkpoint: Path | None = None,
    identity: str = "",
    report: Callable[[int, float, Network], None] | None = None,
) -> Network:
    """Train a network and return it with averaged weights, ready to predict.

    Parameters
    ----------
    network
        What to train; changed in place.
    batches
        Batches of an epoch, by its number; the same ones whenever it is asked.
    loss
        Scalar loss of a network on a batch.
    settings
        How to train.
    steps_per_epoch
        Batches in an epoch.
    checkpoint
        File that keeps the state after every epoch; a training that was interrupted goes on from it.
    identity
        Names the training set and the starting weights, so that nothing else goes on from the checkpoint.
    report
        Called after every epoch with its number, the mean loss and the averaged network in evaluation mode.

    Raises
    ------
    TrainingError
        If the loss is not finite, or the checkpoint belongs to another training.
    """
    average = get_ema_multi_avg_fn(settings.average)  # type: ignore[no-untyped-call]
    averaged = AveragedModel(network, multi_avg_fn=average, use_buffers=True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.epochs * steps_per_epoch + 1
    )
    parts = {"network": network, "averaged": averaged, "optimizer": optimizer, "schedule": schedule}
    stamp = {"settings": asdict(settings), "steps_per_epoch": steps_per_epoch, "identity": identity}
    first = _resume(checkpoint, parts, stamp)
    for epoch in range(first, settings.epochs):
        torch.manual_seed(settings.seed * 100_003 + epoch)  # an epoch is the same whether or not the run was resumed
        network.train()
        total = 0.0
        for batch in batches(epoch):
            value = loss(network, batch)
            if not torch.isfinite(value):
                raise TrainingError(f"The loss is not finite in epoch {epoch}.", "Lower the learning rate.")
            optimizer.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), settings.gradient_norm)
            optimizer.step()
            schedule.step()
            averaged.update_parameters(network)
            total += value.item()
        _save(checkpoint, parts, stamp, epoch + 1)
        if report is not None:
            report(epoch, total / steps_per_epoch, cast(Network, averaged.module.eval()))
    network.load_state_dict(averaged.module.state_dict())
    return network.eval()


def _save(checkpoint: Path | None, parts: dict[str, Any], stamp: dict[str, Any], epochs: int) -> None:
    if checkpoint is None:
        return
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    new = checkpoint.with_suffix(".new")
    torch.save({name: part.state_dict() for name, part in parts.items()} | {"stamp": stamp, "epochs": epochs}, new)
    new.replace(checkpoint)


def _resume(checkpoint: Path | None, parts: dict[str, Any], stamp: dict[str, Any]) -> int:
    """Take up the state of a checkpoint, if there is one; return the number of finished epochs."""
    if checkpoint is None or not checkpoint.exists():
        return 0
    state = torch.load(checkpoint, weights_only=True, map_location="cpu")
    if state["stamp"] != stamp:
        raise TrainingError(
            f"{checkpoint} belongs to a training with other settings or other data.",
            "Give another folder, or remove the checkpoint to start afresh.",
        )
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return int(state["epochs"])
