"""Moving the weights of a network a little: what every fine-tuning has in common."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from invdesflow.screening.training.loop import LoopSettings

__all__ = ["Anchor", "Tuning"]


@dataclass(frozen=True)
class Tuning:
    """How weights are moved.

    Parameters
    ----------
    epochs, learning_rate, batch, seed
        Of the training.
    anchor
        What the squared distance from the old weights adds to the loss, for each unit.
    average
        Decay of the running average of the weights per step.
    """

    epochs: int
    learning_rate: float
    anchor: float
    batch: int = 32
    seed: int = 0
    average: float = 0.9

    def loop(self) -> LoopSettings:
        """Return what the training loop asks for; the anchor takes the place of the decay of the weights."""
        return LoopSettings(self.epochs, self.learning_rate, weight_decay=0.0, average=self.average, seed=self.seed)


class Anchor:
    """The weights that a network starts from (L2-SP: Li, Grandvalet & Davoine, ICML 2018).

    Parameters
    ----------
    network
        The network before the training.
    """

    def __init__(self, network: nn.Module) -> None:
        self._start = [parameter.detach().clone() for parameter in network.parameters()]

    def distance(self, network: nn.Module) -> Tensor:
        """Return the squared distance of the weights from where they started."""
        pairs = zip(network.parameters(), self._start, strict=True)
        return torch.stack([((parameter - start) ** 2).sum() for parameter, start in pairs]).sum()
