"""The baseline Tc model: lambda and omega_log from features of the crystal, Tc from Allen and Dynes' formula."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invdesflow.eliashberg.formulas import allen_dynes_tc
from invdesflow.errors import ModelError, StructureError
from invdesflow.model_files import arrays_under
from invdesflow.screening.domain import TrainingDomain
from invdesflow.screening.elements import ElementTable
from invdesflow.screening.features import FEATURES_VERSION, crystal_features
from invdesflow.screening.perceptron import PerceptronCommittee
from invdesflow.screening.predictions import TcPrediction
from invdesflow.screening.shipped_model import ShippedModel
from invdesflow.screening.tree_ensemble import TreeEnsemble

__all__ = ["KIND", "MEMBERS", "VERSION", "FeatureScale", "TcBaseline", "critical_temperature"]

KIND = "tc-baseline"
VERSION = 1
WEIGHTS = Path(__file__).parent / "weights" / "tc_baseline.safetensors"
MEMBERS = ("domain", "trees", "networks")
"""Prefixes of the arrays in the weights file."""
CLIP = 6.0  # standard deviations; keeps the perceptrons from running away on a single strange feature

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class FeatureScale:
    """Mean and scale of the features, each of shape (features,)."""

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]

    def standardise(self, features: FloatArray) -> FloatArray:
        """Subtract the mean and divide by the scale."""
        return (features - self.mean) / self.scale


def critical_temperature(lambda_: FloatArray, omega_log_mev: FloatArray, mu_star: float) -> FloatArray:
    """Tc in K by Allen and Dynes with f1; f2 = 1, because the second moment of the spectrum is not predicted."""
    return allen_dynes_tc(lambda_, omega_log_mev, omega_log_mev, mu_star)


class TcBaseline(ShippedModel):
    """Extra trees and a committee of perceptrons for ln lambda and ln omega_log.

    Both kinds of member see features of structure and composition; their predictions are averaged. The standard
    deviation of ln lambda is that of the members plus a constant, stretched so that the change of Tc that follows
    covers 68.27 % of the held-out training crystals.
    """

    kind, format_version, weights = KIND, VERSION, WEIGHTS

    def _rebuild(self, arrays: Mapping[str, NDArray[Any]], card: Mapping[str, Any]) -> None:
        if card.get("features_version") != FEATURES_VERSION:
            raise ModelError(f"the model needs features of version {card.get('features_version')}.")
        groups = {kind: arrays_under(arrays, f"{kind}.") for kind in MEMBERS}
        self.cross_validation = {str(name): float(value) for name, value in card["cross_validation"].items()}
        self._names = tuple(card["features"])
        self._elements = [int(z) for z in card["elements"]]
        self._tree_share = float(card["tree_share"])
        self._residual = float(card["calibration"]["residual_log_lambda"])
        self._stretch = float(card["calibration"]["stretch_68"])
        self._table = ElementTable(arrays["element_table"], tuple(card["element_properties"]))
        self._scale = FeatureScale(arrays["feature_mean"], arrays["feature_scale"])
        self._domain = TrainingDomain.from_arrays(groups["domain"])
        self._trees = TreeEnsemble.from_arrays(groups["trees"])
        self._networks = PerceptronCommittee.from_arrays(groups["networks"])

    def predict(self, structures: Sequence[Any], mu_star: float = 0.10) -> list[TcPrediction]:
        """Predict Tc at a Coulomb pseudopotential.

        Parameters
        ----------
        structures
            pymatgen ``Structure`` objects.
        mu_star
            Coulomb pseudopotential, dimensionless.

        Returns
        -------
        list of TcPrediction
            One for each structure in order; one that cannot be predicted has a reason.
        """
        rows = [self._row(structure) for structure in structures]
        known = [row for row in rows if not isinstance(row, str)]
        features, fractions = (np.array([row[part] for row in known]) for part in (0, 1))
        predictions = iter(self._predict_rows(features, fractions, mu_star) if known else [])
        return [TcPrediction.refused(row) if isinstance(row, str) else next(predictions) for row in rows]

    def _row(self, structure: Any) -> tuple[FloatArray, FloatArray] | str:
        """Return features and element fractions, or the reason why there are none."""
        unseen = sorted({e.symbol for e in structure.composition.elements if e.Z not in self._elements})
        if unseen:
            return f"the model has not seen {', '.join(unseen)}"
        try:
            return self._features(structure), element_fractions(structure, self._elements)
        except StructureError as error:
            return str(error)

    def _features(self, structure: Any) -> FloatArray:
        features = crystal_features(structure, self._table)
        if tuple(features) != self._names:
            raise ModelError("the features are not those of the model.", "Install the package again.")
        return np.array(list(features.values()))

    def _predict_rows(self, features: FloatArray, fractions: FloatArray, mu_star: float) -> list[TcPrediction]:
        standard = self._scale.standardise(features)
        trees = self._trees.predict(features)
        networks = self._networks.predict(network_inputs(standard, fractions))
        mean, spread = combine(trees, networks, self._tree_share)
        coupling, frequency = np.exp(mean[:, 0]), np.exp(mean[:, 1])
        tc = critical_temperature(coupling, frequency, mu_star)
        width = tc_width(mean, self._stretch * np.hypot(spread, self._residual), mu_star)
        distance = self._domain.distance(standard)
        return [
            TcPrediction(float(t), float(w), float(c), float(f), float(d), bool(d <= 1.0))
            for t, w, c, f, d in zip(tc, width, coupling, frequency, distance, strict=True)
        ]


def element_fractions(structure: Any, elements: Sequence[int]) -> FloatArray:
    """Return the atomic fractions of the elements (atomic numbers) that a model knows, shape (elements,)."""
    numbers = np.array([site.specie.Z for site in structure])
    return np.asarray((numbers[:, None] == np.asarray(elements)).mean(axis=0), dtype=np.float64)


def network_inputs(standardised: FloatArray, fractions: FloatArray) -> FloatArray:
    """Join clipped features and element fractions (scaled to order one), shape (samples, features + elements)."""
    return np.concatenate([np.clip(standardised, -CLIP, CLIP), 5.0 * fractions], axis=1)


def combine(trees: FloatArray, networks: FloatArray, tree_share: float) -> tuple[FloatArray, FloatArray]:
    """Average the members.

    Parameters
    ----------
    trees, networks
        ln lambda and ln omega_log (meV) of each member, shape (samples, members, 2).
    tree_share
        Weight of the trees.

    Returns
    -------
    mean, spread
        Shape (samples, 2) and, for ln lambda, (samples,): standard deviation between the averages of the two kinds
        and within the perceptrons.
    """
    forest, committee = trees.mean(axis=1), networks.mean(axis=1)
    mean = tree_share * forest + (1.0 - tree_share) * committee
    between = tree_share * (1.0 - tree_share) * (forest[:, 0] - committee[:, 0]) ** 2
    return mean, np.sqrt(between + networks[:, :, 0].var(axis=1))


def tc_width(mean: FloatArray, sigma: FloatArray, mu_star: float) -> FloatArray:
    """Return half the change of Tc (K) when ln lambda moves by sigma to either side."""
    frequency = np.exp(mean[:, 1])
    upper = critical_temperature(np.exp(mean[:, 0] + sigma), frequency, mu_star)
    lower = critical_temperature(np.exp(mean[:, 0] - sigma), frequency, mu_star)
    return (upper - lower) / 2.0


def tc_deviation(width: FloatArray, floor: float, factor: float) -> FloatArray:
    """Return the standard deviation of the error of Tc (K) from the half width of its 68 % interval (K)."""
    return np.asarray(np.hypot(floor, factor * width))
