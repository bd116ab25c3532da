"""What training minimises: how well the network undoes the noise that was put on crystals."""

from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor
from torch.nn import functional

from invdesflow.generation.diffusion.batch import Frames, State
from invdesflow.generation.diffusion.network import Denoiser
from invdesflow.generation.diffusion.schedules import score_scale, sigma, signal, wrapped_score

__all__ = ["Losses", "Objective", "add_noise"]

_EARLIEST_TIME = 1e-3
_NOISE_TYPES = 20.0
"""Weight of the types in DiffCSP, whose mean squared error over 100 elements is small."""


@dataclass(frozen=True)
class Losses:
    """The three parts of the loss, each a mean over the batch, before they are weighted; scalars."""

    types: Tensor
    lattice: Tensor
    parameters: Tensor


@dataclass(frozen=True)
class Objective:
    """What is predicted, and what counts how much.

    Parameters
    ----------
    predict
        ``"clean"``: the network predicts the clean types (cross entropy) and lattice. ``"noise"``: it predicts the
        noise on both, as DiffCSP does; others then saw 17.8 % of the lattices diverge in sampling.
    types, lattice, parameters
        Weights of the parts. DiffCSP weighs 20, 1, 1 with mean squared errors; a cross entropy is itself of order one.
    label_dropout
        Share of the labels that are hidden, for classifier-free guidance (Ho and Salimans, arXiv:2207.12598).
    """

    predict: Literal["clean", "noise"] = "clean"
    types: float = 1.0
    lattice: float = 1.0
    parameters: float = 1.0
    label_dropout: float = 0.2

    @classmethod
    def predicting(cls, predict: Literal["clean", "noise"]) -> Self:
        """Return the objective with the weights that suit what is predicted."""
        return cls(predict=predict, types=_NOISE_TYPES if predict == "noise" else 1.0)

    def total(self, losses: Losses) -> Tensor:
        """Return the weighted sum."""
        return self.types * losses.types + self.lattice * losses.lattice + self.parameters * losses.parameters

    def losses(
        self, network: Denoiser, frames: Frames, clean: State, label: Tensor, generator: torch.Generator
    ) -> Losses:
        """Add noise at random times and compare what the network says with what is true.

        Parameters
        ----------
        network
            The denoiser.
        frames, clean
            Crystals; types as one-hot vectors.
        label
            Logarithm of 1 + Tc/K, nan where unknown; shape (B,).
        generator
            Source of times, noise and dropout, on the CPU: the same on every device.
        """
        device = clean.lattice.device
        batch = len(frames)
        # Stratified times: one in every B-th part of the interval.
        time = (torch.arange(batch) + torch.rand(batch, generator=generator)) / batch
        time = time[torch.randperm(batch, generator=generator)].clamp_min(_EARLIEST_TIME).to(device)
        hidden = torch.rand(batch, generator=generator) < self.label_dropout
        label = label.masked_fill(hidden.to(device), float("nan"))
        noisy, noise = add_noise(frames, clean, time, generator)
        predicted = network(frames, noisy, time, label)
        wanted_score = wrapped_score(noisy.parameters - clean.parameters, sigma(time)[:, None, None])
        error = (predicted.parameters - wanted_score / score_scale(time)[:, None, None]) ** 2 * frames.free
        return Losses(
            self._type_loss(predicted.types, frames, clean, noise),
            self._lattice_loss(predicted.lattice, frames, clean, noise),
            error.sum() / frames.free.sum().clamp_min(1),
        )

    def _type_loss(self, predicted: Tensor, frames: Frames, clean: State, noise: State) -> Tensor:
        if self.predict == "noise":
            error = ((predicted - noise.types) ** 2).mean(-1)
        else:
            error = functional.cross_entropy(predicted.transpose(1, 2), clean.types.argmax(-1), reduction="none")
        return (error * frames.orbit_mask).sum() / frames.orbit_mask.sum()

    def _lattice_loss(self, predicted: Tensor, frames: Frames, clean: State, noise: State) -> Tensor:
        wanted = noise.lattice if self.predict == "noise" else clean.lattice
        return ((predicted - wanted) ** 2 * frames.lattice_free).sum() / frames.lattice_free.sum()


def add_noise(frames: Frames, clean: State, time: Tensor, generator: torch.Generator) -> tuple[State, State]:
    """Add the noise of a time to crystals.

    Returns
    -------
    noisy, noise
        The noisy state, with parameters in [0, 1), and the standard normal noise that went into it; the lattice is
        noisy only in its free components, the parameters only in the free directions.
    """
    noise = State(
        *(
            torch.randn(part.shape, generator=generator).to(part)
            for part in (clean.types, clean.lattice, clean.parameters)
        )
    )
    kept = signal(time)[:, None]
    lattice = (kept.sqrt() * clean.lattice + (1 - kept).sqrt() * noise.lattice) * frames.lattice_free
    kept = kept[:, :, None]
    types = kept.sqrt() * clean.types + (1 - kept).sqrt() * noise.types
    parameters = (clean.parameters + sigma(time)[:, None, None] * noise.parameters * frames.free) % 1.0
    return State(types, lattice, parameters), noise
