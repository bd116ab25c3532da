"""The superconductor classifier: graph networks pre-trained as auto-encoders, and a calibrated probability."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from maggma.utils import grouper
from numpy.typing import NDArray
from pymatgen.core import Element, Structure

from invdesflow.errors import ModelError, StructureError
from invdesflow.model_files import read_model
from invdesflow.screening.crystal_graph import CrystalGraph, GraphBatch, crystal_graph
from invdesflow.screening.description import CrystalDescription
from invdesflow.screening.graph_encoder import CUTOFF, MOST_NEIGHBOURS, ClassifierNetwork
from invdesflow.screening.predictions import ClassPrediction
from invdesflow.screening.site_features import SiteScale, potential_features

__all__ = ["KIND", "VERSION", "Classifier", "Shape", "probabilities"]

KIND = "classifier"
VERSION = 1
WEIGHTS = Path(__file__).parent / "weights" / "classifier.safetensors"
PIECE = 256  # crystals in memory at once

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Shape:
    """Size of a network.

    Parameters
    ----------
    width
        Length of the representation of a site.
    layers
        Convolutions.
    dropout
        Share of the units of the head that are left out in training.
    """

    width: int = 48
    layers: int = 2
    dropout: float = 0.2

    def network(self, inputs: int) -> ClassifierNetwork:
        """Make a network for sites with so many features."""
        return ClassifierNetwork(inputs, self.width, self.layers, self.dropout)


def probabilities(logits: FloatArray, slope: float, intercept: float) -> FloatArray:
    """Turn logits into calibrated probabilities: a logistic law of two constants (Platt)."""
    return 1.0 / (1.0 + np.exp(-(slope * logits + intercept)))


class Classifier:
    """Graph networks, each trained without one fifth of the formulas.

    The probability belongs to the mean of their logits; its standard deviation is that of their own probabilities.

    Parameters
    ----------
    arrays
        Arrays of the weights file.
    card
        Card of the weights file.

    Raises
    ------
    ModelError
        If arrays or entries of the card are missing.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], card: Mapping[str, Any]) -> None:
        try:
            self.model_id = str(card["model_id"])
            self.digest = str(card["sha256"])
            self.slope, self.intercept = (float(card["calibration"][name]) for name in ("slope", "intercept"))
            shape, members = Shape(**card["shape"]), int(card["members"])
            self.scale = SiteScale(*(arrays[name] for name in ("elements", "potential_mean", "potential_deviation")))
        except KeyError as error:
            raise ModelError(f"the model lacks {error.args[0]}.", "Install the package again.") from error
        self._networks = [self._network(shape, f"member{number}.", arrays) for number in range(members)]

    def _network(self, shape: Shape, prefix: str, arrays: Mapping[str, NDArray[Any]]) -> ClassifierNetwork:
        network = shape.network(self.scale.inputs)
        state = {
            name.removeprefix(prefix): torch.from_numpy(array.astype(np.float32))
            for name, array in arrays.items()
            if name.startswith(prefix)
        }
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            raise ModelError("the weights do not fit the network.", "Install the package again.") from error
        return network.eval()

    @classmethod
    def load(cls, path: Path | None = None) -> "Classifier":
        """Load the shipped model, or the one at `path`.

        Raises
        ------
        ModelError
            If a file is missing, damaged or of another version.
        """
        return cls(*read_model(path or WEIGHTS, KIND, VERSION))

    def predict(
        self, structures: Sequence[Structure], descriptions: Sequence[CrystalDescription | str]
    ) -> list[ClassPrediction]:
        """Tell how probable it is that crystals are superconductors.

        Parameters
        ----------
        structures
            Crystals.
        descriptions
            What CHGNet says of each of them, or why it says nothing.

        Returns
        -------
        list of ClassPrediction
            One for each structure in order; one that cannot be judged has a reason.
        """
        pairs = list(zip(structures, descriptions, strict=True))
        return [one for piece in grouper(pairs, PIECE) for one in self._predict(piece)]

    def _predict(self, pairs: Sequence[tuple[Structure, CrystalDescription | str]]) -> list[ClassPrediction]:
        read = [self._read(structure, description) for structure, description in pairs]
        known = [one for one in read if not isinstance(one, str)]
        logits = self.logits(known) if known else np.empty((0, 1))
        mean = probabilities(logits.mean(axis=1), self.slope, self.intercept)
        spread = probabilities(logits, self.slope, self.intercept).std(axis=1)
        judged = (ClassPrediction(float(p), float(s)) for p, s in zip(mean, spread, strict=True))
        return [ClassPrediction(None, None, one) if isinstance(one, str) else next(judged) for one in read]

    def _read(
        self, structure: Structure, description: CrystalDescription | str
    ) -> tuple[CrystalGraph, NDArray[np.float32]] | str:
        """Return graph and features of the sites, or the reason why there are none."""
        try:
            graph = crystal_graph(structure, CUTOFF, MOST_NEIGHBOURS)
        except StructureError as error:
            return str(error)
        unknown = self.scale.unknown(graph.numbers)
        if unknown:
            return f"the model has not seen {', '.join(Element.from_Z(z).symbol for z in unknown)}"
        if isinstance(description, str):
            return description
        return graph, self.scale.features(graph.numbers, potential_features(description))

    @torch.no_grad()
    def logits(self, crystals: Sequence[tuple[CrystalGraph, NDArray[np.float32]]]) -> FloatArray:
        """Return the logit of each member for crystals given as graph and features, shape (crystals, members)."""
        batch = GraphBatch.of([graph for graph, _ in crystals])
        features = torch.from_numpy(np.concatenate([rows for _, rows in crystals]))
        found = torch.stack([network(features, batch) for network in self._networks], dim=1)
        return found.numpy().astype(np.float64)
