"""A trained generator: the network, what was counted in its training set, and the card that says where it is from."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch

from invdesflow.errors import ModelError
from invdesflow.generation.diffusion.network import Denoiser, NetworkSettings
from invdesflow.generation.diffusion.prior import TemplatePrior
from invdesflow.model_files import read_model, write_model

__all__ = ["DEFAULT_MODEL", "KIND", "PRETRAINED_MODEL", "SHIPPED", "GeneratorModel", "new_network"]

KIND = "generator"
VERSION = 1
_WEIGHTS = Path(__file__).parent / "weights"
DEFAULT_MODEL = _WEIGHTS / "superconductors.safetensors"
"""Fine-tuned on superconductors."""
PRETRAINED_MODEL = _WEIGHTS / "crystals.safetensors"
"""Its parent, pre-trained on general crystals."""
SHIPPED = (DEFAULT_MODEL, PRETRAINED_MODEL)


@dataclass(frozen=True, eq=False)
class GeneratorModel:
    """What draws crystals.

    Attributes
    ----------
    network
        The denoiser with averaged weights.
    predict
        What it was trained to predict, see `invdesflow.generation.diffusion.objective.Objective`.
    prior
        Templates of the training set.
    elements
        Atomic numbers that occur in any training set of it or of its parents.
    card
        Everything else that is said of it: data, training, metrics.
    digest
        SHA-256 of the weights.
    """

    network: Denoiser
    predict: Literal["clean", "noise"]
    prior: TemplatePrior
    elements: tuple[int, ...]
    card: dict[str, Any]
    digest: str

    @property
    def name(self) -> str:
        """Name of the model, as its card has it."""
        return str(self.card["model_id"])

    @classmethod
    def load(cls, path: Path = DEFAULT_MODEL) -> Self:
        """Read a model.

        Raises
        ------
        ModelError
            If the file is missing, damaged, was tampered with, or is of another version.
        """
        arrays, card = read_model(path, KIND, VERSION)
        try:
            settings = NetworkSettings(**card["network"])
            state = {
                name.removeprefix("network."): torch.from_numpy(array.astype(np.float32))
                for name, array in arrays.items()
                if name.startswith("network.")
            }
            network = new_network(settings)
            network.load_state_dict(state)
            prior = TemplatePrior.from_arrays(arrays)
            elements = tuple(int(number) for number in arrays["elements"])
            return cls(network.eval(), card["predict"], prior, elements, card, card["sha256"])
        except (KeyError, TypeError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise ModelError(
                f"the model {path} does not hold what its version promises: {reason}.",
                "Train it again with this version.",
            ) from error

    @classmethod
    def save(
        cls,
        path: Path,
        network: Denoiser,
        *,
        predict: Literal["clean", "noise"],
        prior: TemplatePrior,
        elements: tuple[int, ...],
        card: Mapping[str, Any],
    ) -> str:
        """Write a model; weights in half precision, which changes predictions less than the noise of training does.

        Returns
        -------
        str
            SHA-256 of the weights.
        """
        weights = {name for name, _ in network.named_parameters()}
        arrays: dict[str, Any] = {
            f"network.{name}": tensor.detach().cpu().numpy().astype(np.float16 if name in weights else np.float32)
            for name, tensor in network.state_dict().items()
        }
        arrays |= prior.to_arrays() | {"elements": np.array(elements, np.uint8)}
        head = {"kind": KIND, "version": VERSION, "network": asdict(network.settings), "predict": predict}
        return write_model(path, arrays, dict(card) | head)


def new_network(settings: NetworkSettings) -> Denoiser:
    """Return a network whose lattice statistics are still to be set."""
    return Denoiser(settings, torch.zeros(6), torch.ones(6))
