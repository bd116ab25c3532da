"""One training from encoded crystals to a model file with its card."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from invdesflow.generation.diffusion.model import GeneratorModel
from invdesflow.generation.diffusion.network import NetworkSettings
from invdesflow.generation.diffusion.objective import Objective
from invdesflow.generation.diffusion.orbits import EncodedCrystals
from invdesflow.generation.diffusion.training import Epoch, Trainer, TrainingSettings
from invdesflow.generation.diffusion.training_set import TrainingSet

__all__ = ["Fit"]


class Fit:
    """Train a generator, from scratch or from a parent.

    Parameters
    ----------
    name
        Name of the model.
    crystals, data_card
        What to learn from, and what the card says of it.
    folder
        Where checkpoints, metrics and at last ``model.safetensors`` with its card go.
    settings, objective
        How to train, and what to minimise; a fine-tuned model predicts what its parent does.
    start
        Size of a new network, or the model to fine-tune.

    Raises
    ------
    TrainingError
        If the crystals cannot be learned from, or the folder holds another training.
    """

    def __init__(
        self,
        name: str,
        crystals: EncodedCrystals,
        data_card: Mapping[str, Any],
        folder: Path,
        *,
        settings: TrainingSettings,
        objective: Objective,
        start: NetworkSettings | GeneratorModel,
    ) -> None:
        self._name = name
        self._data_card = data_card
        self._folder = folder
        self._settings = settings
        self._objective = objective
        self._parent = start if isinstance(start, GeneratorModel) else None
        self._crystals = TrainingSet.of(crystals)
        network = self._parent.network if self._parent else start
        self._trainer = Trainer(self._crystals, folder, settings, objective, network)  # type: ignore[arg-type]

    def run(self, on_progress: Callable[[float], None] = lambda _: None) -> Iterator[Epoch]:
        """Train; yield the metrics of every epoch, and write the model at the end.

        Parameters
        ----------
        on_progress
            Called after every step with the share of all steps that is done.

        Raises
        ------
        TrainingError
            If training diverges.
        """
        yield from self._trainer.run(on_progress)
        self._write()

    @property
    def model_file(self) -> Path:
        """Where the model is written."""
        return self._folder / "model.safetensors"

    def _write(self) -> None:
        elements = set(self._crystals.known_elements) | set(self._parent.elements if self._parent else ())
        learned, held_out = self._trainer.sizes
        network = self._trainer.best
        card = {
            "model_id": self._name,
            "parent": self._parent.digest if self._parent else None,
            "data": dict(self._data_card) | {"learned": learned, "held_out": held_out},
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "training": asdict(self._settings) | {"objective": asdict(self._objective), "torch": torch.__version__},
            "metrics": self._trainer.best_metrics,
        }
        GeneratorModel.save(
            self.model_file,
            network,
            predict=self._objective.predict,
            prior=self._crystals.prior(),
            elements=tuple(sorted(elements)),
            card=card,
        )
