"""Train a denoiser: resumable to the bit, averaged weights, early stopping on crystals held out by formula."""

import csv
import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from invdesflow.errors import TrainingError
from invdesflow.generation.diffusion.batch import Frames, State, size_batches
from invdesflow.generation.diffusion.network import Denoiser, NetworkSettings
from invdesflow.generation.diffusion.objective import Losses, Objective
from invdesflow.generation.diffusion.training_set import LatticeStatistics, TrainingSet

__all__ = ["Epoch", "Trainer", "TrainingSettings"]

_VALIDATION_SEED = 2**31
_WARMUP_STEPS, _WARMUP_SHARE = 100, 0.1


@dataclass(frozen=True)
class TrainingSettings:
    """How to train.

    Parameters
    ----------
    epochs
        Passes over the crystals; the learning rate falls to zero with a cosine over all of them.
    learning_rate
        Of AdamW, after a linear warm-up of 100 steps, but at most a tenth of all steps.
    most_pairs, most_crystals
        Size of a batch: most pairs of an orbit and an atom, and most crystals.
    gradient_norm
        Where gradients are clipped.
    average
        Decay of the running average of the weights per step.
    patience
        Epochs without a better validation loss after which training stops.
    validation_share
        Share of the formulas that are held out.
    checkpoint_steps
        Steps between checkpoints.
    seed
        Of weights, order, times and noise.
    device
        Where to train, as torch names it.
    mixed_precision
        Use bfloat16 where torch holds it safe. It pays on a GPU, not on most CPUs.
    """

    epochs: int = 40
    learning_rate: float = 1e-3
    most_pairs: int = 6_000
    most_crystals: int = 128
    gradient_norm: float = 0.5
    average: float = 0.999
    patience: int = 15
    validation_share: float = 0.05
    checkpoint_steps: int = 100
    seed: int = 0
    device: str = "cpu"
    mixed_precision: bool = False


@dataclass(frozen=True)
class Epoch:
    """Metrics of one epoch: mean losses, of the running weights in training and of the averaged ones in validation."""

    epoch: int
    learning_rate: float
    train_loss: float
    train_types: float
    train_lattice: float
    train_parameters: float
    validation_loss: float
    validation_types: float
    validation_lattice: float
    validation_parameters: float


@dataclass
class _Progress:
    """What a checkpoint holds beside weights and optimiser."""

    epoch: int = 0
    batch: int = 0
    sums: list[float] = field(default_factory=lambda: [0.0] * 4)
    crystals: int = 0
    best_loss: float = math.inf
    best_epoch: int = -1


class Trainer:
    """Train a network on crystals, writing ``checkpoint.pt``, ``best.pt`` and ``metrics.csv`` into a folder.

    Every random number of a step comes from a generator seeded with the seed and the step, so that a run that was
    killed and continued ends in the same bits as one that was not.

    Parameters
    ----------
    crystals
        What to learn from; the validation part is split off as `TrainingSet.split` does.
    folder
        Where the files go. If it holds a checkpoint of the same run, training continues there.
    settings, objective
        How to train, and what to minimise.
    network
        Size of the network; or a network to fine-tune.

    Raises
    ------
    TrainingError
        If nothing can be held out, or the folder holds a checkpoint of another run.
    """

    def __init__(
        self,
        crystals: TrainingSet,
        folder: Path,
        settings: TrainingSettings,
        objective: Objective,
        network: NetworkSettings | Denoiser,
    ) -> None:
        self._settings = settings
        self._objective = objective
        self._folder = folder
        self._train, self._validation = crystals.split(settings.validation_share)
        if not (len(self._train) and len(self._validation)):
            raise TrainingError(
                f"{len(crystals)} crystals cannot be split: one part has to be learned from, one held out.",
                "Give more crystals, or another validation_share.",
            )
        torch.manual_seed(settings.seed)
        self._network = self._initial(network).to(settings.device)
        self._start = _digest(self._network)
        self._averaged = AveragedModel(self._network, avg_fn=partial(_average, settings.average))
        self._optimizer = torch.optim.AdamW(self._network.parameters(), lr=settings.learning_rate, weight_decay=1e-4)
        self._statistics = LatticeStatistics(
            self._network.lattice_mean.cpu().double().numpy(), self._network.lattice_spread.cpu().double().numpy()
        )
        self._progress = _Progress()
        self._steps_per_epoch = len(self._batches(0))
        folder.mkdir(parents=True, exist_ok=True)
        self._resume()

    @property
    def best(self) -> Denoiser:
        """The averaged network of the best epoch."""
        best = Denoiser(self._network.settings, self._network.lattice_mean.cpu(), self._network.lattice_spread.cpu())
        best.load_state_dict(torch.load(self._folder / "best.pt", weights_only=True, map_location="cpu"))
        return best.eval()

    @property
    def best_metrics(self) -> dict[str, float]:
        """Metrics of the best epoch, as ``metrics.csv`` has them."""
        return {name: float(value) for name, value in self._rows()[self._progress.best_epoch].items()}

    @property
    def sizes(self) -> tuple[int, int]:
        """Number of crystals to learn from and to validate on."""
        return len(self._train), len(self._validation)

    def run(self, on_step: Callable[[float], None] = lambda _: None) -> Iterator[Epoch]:
        """Train; yield the metrics of every epoch.

        Parameters
        ----------
        on_step
            Called after every step with the share of all steps that is done.

        Raises
        ------
        TrainingError
            If the loss stops being a number.
        """
        while self._progress.epoch < self._settings.epochs and not self._is_stuck():
            batches = self._batches(self._progress.epoch)
            while self._progress.batch < len(batches):
                self._step(batches[self._progress.batch])
                self._progress.batch += 1
                if self._progress.batch % self._settings.checkpoint_steps == 0:
                    self._save_checkpoint()
                on_step(self._steps_done / (self._settings.epochs * self._steps_per_epoch))
            yield self._finish_epoch()

    @property
    def _steps_done(self) -> int:
        return self._progress.epoch * self._steps_per_epoch + self._progress.batch

    def _is_stuck(self) -> bool:
        return self._progress.epoch - self._progress.best_epoch > self._settings.patience

    def _initial(self, network: NetworkSettings | Denoiser) -> Denoiser:
        if isinstance(network, Denoiser):
            return network.train()
        statistics = self._train.lattice_statistics()
        return Denoiser(network, torch.from_numpy(statistics.mean), torch.from_numpy(statistics.spread))

    def _batches(self, epoch: int) -> list[Any]:
        """Return the batches of an epoch; their number is the same in all, because sizes alone decide it."""
        random = np.random.default_rng([self._settings.seed, epoch])
        batches = size_batches(
            self._train.n_atoms,
            self._train.n_orbits,
            self._settings.most_pairs,
            random.permutation(len(self._train)),
            most_crystals=self._settings.most_crystals,
        )
        return [batches[i] for i in random.permutation(len(batches))]

    def _step(self, indices: Any) -> None:
        settings = self._settings
        for group in self._optimizer.param_groups:
            group["lr"] = self._learning_rate()
        generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + self._steps_done)
        random = np.random.default_rng([settings.seed, self._steps_done])
        batch = self._train.batch(indices, self._statistics, settings.device, random)
        losses = self._losses(self._network, batch, generator)
        total = self._objective.total(losses)
        if not torch.isfinite(total):
            raise TrainingError(
                f"the loss is not a number any more (epoch {self._progress.epoch}, batch {self._progress.batch}).",
                "Lower the learning rate and start again, or continue from an earlier checkpoint.",
            )
        self._optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), settings.gradient_norm)
        self._optimizer.step()
        self._averaged.update_parameters(self._network)
        for i, part in enumerate((total, losses.types, losses.lattice, losses.parameters)):
            self._progress.sums[i] += float(part.detach()) * len(indices)
        self._progress.crystals += len(indices)

    def _losses(self, network: Any, batch: tuple[Frames, State, Tensor], generator: torch.Generator) -> Losses:
        frames, clean, label = batch
        device_type = torch.device(self._settings.device).type
        with torch.autocast(device_type, dtype=torch.bfloat16, enabled=self._settings.mixed_precision):
            return self._objective.losses(network, frames, clean, label, generator)

    def _learning_rate(self) -> float:
        steps, all_steps = self._steps_done, self._settings.epochs * self._steps_per_epoch
        warmed = (steps + 1) / min(_WARMUP_STEPS, max(1.0, _WARMUP_SHARE * all_steps))
        return self._settings.learning_rate * min(1.0, warmed) * 0.5 * (1 + math.cos(math.pi * steps / all_steps))

    def _finish_epoch(self) -> Epoch:
        progress = self._progress
        rate = self._learning_rate()
        train = [total / progress.crystals for total in progress.sums]
        validation = self._validate()
        if validation[0] < progress.best_loss:
            progress.best_loss, progress.best_epoch = validation[0], progress.epoch
            _save(self._averaged.module.state_dict(), self._folder / "best.pt")
        epoch = Epoch(progress.epoch, rate, *train, *validation)
        self._write_metrics(epoch)
        self._progress = replace(progress, epoch=progress.epoch + 1, batch=0, sums=[0.0] * 4, crystals=0)
        self._save_checkpoint()
        return epoch

    @torch.no_grad()
    def _validate(self) -> list[float]:
        """Return the losses of the averaged weights on the held-out crystals, with the same noise in every epoch."""
        sums, crystals = [0.0] * 4, 0
        order = np.arange(len(self._validation))
        batches = size_batches(
            self._validation.n_atoms,
            self._validation.n_orbits,
            self._settings.most_pairs,
            order,
            most_crystals=self._settings.most_crystals,
        )
        for number, indices in enumerate(batches):
            generator = torch.Generator().manual_seed(_VALIDATION_SEED + number)
            batch = self._validation.batch(indices, self._statistics, self._settings.device)
            losses = self._losses(self._averaged.module, batch, generator)
            parts = (self._objective.total(losses), losses.types, losses.lattice, losses.parameters)
            sums = [total + float(part) * len(indices) for total, part in zip(sums, parts, strict=True)]
            crystals += len(indices)
        return [total / crystals for total in sums]

    def _write_metrics(self, epoch: Epoch) -> None:
        """Add a row, dropping rows of a run that had come further before it was continued from a checkpoint."""
        path = self._metrics_file
        rows = [row for row in self._rows() if int(row["epoch"]) < epoch.epoch]
        rows.append(asdict(epoch))
        partial = path.with_suffix(".partial")
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(asdict(epoch)))
            writer.writeheader()
            writer.writerows(rows)
        partial.replace(path)

    @property
    def _metrics_file(self) -> Path:
        return self._folder / "metrics.csv"

    def _rows(self) -> list[dict[str, Any]]:
        if not self._metrics_file.exists():
            return []
        with self._metrics_file.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def _identity(self) -> dict[str, Any]:
        """Return what two runs share if one may continue the other."""
        return {
            "settings": {
                name: value
                for name, value in asdict(self._settings).items()
                if name not in ("device", "checkpoint_steps")
            },
            "objective": asdict(self._objective),
            "network": asdict(self._network.settings),
            "crystals": [self._train.digest, self._validation.digest],
            "start": self._start,
        }

    def _save_checkpoint(self) -> None:
        _save(
            {
                "identity": self._identity(),
                "network": self._network.state_dict(),
                "averaged": self._averaged.state_dict(),
                "optimizer": self._optimizer.state_dict(),
                "progress": asdict(self._progress),
            },
            self._folder / "checkpoint.pt",
        )

    def _resume(self) -> None:
        path = self._folder / "checkpoint.pt"
        if not path.exists():
            return
        checkpoint = torch.load(path, weights_only=True, map_location=self._settings.device)
        if checkpoint["identity"] != self._identity():
            raise TrainingError(
                f"{path} belongs to a training with other settings or other crystals, or from another parent.",
                "Give another folder, or remove the checkpoint to start afresh.",
            )
        self._network.load_state_dict(checkpoint["network"])
        self._averaged.load_state_dict(checkpoint["averaged"])
        self._optimizer.load_state_dict(checkpoint["optimizer"])
        self._progress = _Progress(**checkpoint["progress"])


def _digest(network: Denoiser) -> str:
    """Return the SHA-256 of the weights."""
    content = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        content.update(name.encode() + tensor.cpu().numpy().tobytes())
    return content.hexdigest()


def _average(decay: float, averaged: Tensor, current: Tensor, steps: Tensor | int) -> Tensor:
    """Return the running average, over fewer steps in the beginning so that the random start is soon forgotten."""
    count = int(steps)
    return averaged.lerp(current, 1 - min(decay, (1 + count) / (10 + count)))


def _save(content: Any, path: Path) -> None:
    """Write a file whole or not at all."""
    partial = path.with_suffix(".partial")
    torch.save(content, partial)
    partial.replace(path)
