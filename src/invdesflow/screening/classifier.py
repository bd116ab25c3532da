"""The superconductor classifier: graph networks and extra trees, and a calibrated probability."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from maggma.utils import grouper
from numpy.typing import NDArray
from pymatgen.core import Element, Structure

from invdesflow.errors import StructureError
from invdesflow.model_files import arrays_under
from invdesflow.screening.classifier_members import Crystal, Inputs, Law, Member, Shape
from invdesflow.screening.crystal_graph import crystal_graph
from invdesflow.screening.description import CrystalDescription
from invdesflow.screening.graph_encoder import CUTOFF, MOST_NEIGHBOURS
from invdesflow.screening.predictions import ClassPrediction
from invdesflow.screening.shipped_model import ShippedModel
from invdesflow.screening.site_features import SiteScale, potential_features

__all__ = ["KIND", "VERSION", "Classifier"]

KIND = "classifier"
VERSION = 1
WEIGHTS = Path(__file__).parent / "weights" / "classifier.safetensors"
PIECE = 256  # crystals in memory at once


class Classifier(ShippedModel):
    """Members of networks and extra trees, each trained without one fifth of the formulas.

    The probability belongs to the mean of their logits; its standard deviation is that of their own probabilities.
    """

    kind, format_version, weights = KIND, VERSION, WEIGHTS

    def _rebuild(self, arrays: Mapping[str, NDArray[Any]], card: Mapping[str, Any]) -> None:
        self.law = Law(**{name: float(card["calibration"][name]) for name in ("networks", "forest", "intercept")})
        shape, members, networks = Shape(**card["shape"]), int(card["members"]), int(card["networks"])
        self.scale = SiteScale(*(arrays[name] for name in ("elements", "potential_mean", "potential_deviation")))
        self.members = [
            Member.from_arrays(arrays_under(arrays, f"member{number}."), shape, self.scale.inputs, networks)
            for number in range(members)
        ]

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
        read = [self.read(structure, description) for structure, description in pairs]
        judged = iter(self.judge([one for one in read if not isinstance(one, str)]))
        return [ClassPrediction(None, None, one) if isinstance(one, str) else next(judged) for one in read]

    def judge(self, crystals: Sequence[Crystal]) -> list[ClassPrediction]:
        """Judge crystals given as graph and features of the sites; all are in memory at once."""
        if not crystals:
            return []
        parts = self.logits(crystals)
        mean, spread = self.law.probability(parts.mean(axis=0)), self.law.probability(parts).std(axis=0)
        return [ClassPrediction(float(p), float(s)) for p, s in zip(mean, spread, strict=True)]

    def logits(self, crystals: Sequence[Crystal]) -> NDArray[np.float64]:
        """Return what networks and forest of each member say, shape (members, crystals, 2)."""
        inputs = Inputs.of(crystals)
        return np.stack([member.logits(inputs) for member in self.members])

    def read(self, structure: Structure, description: CrystalDescription | str) -> Crystal | str:
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
