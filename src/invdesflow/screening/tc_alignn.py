"""The Tc model of the screening: lambda and omega_log by ALIGNN and others, Tc by Allen and Dynes' formula."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from maggma.utils import grouper
from numpy.typing import NDArray
from pymatgen.core import Structure

from invdesflow.model_files import arrays_under
from invdesflow.screening.alignn_inputs import CrystalInputs, Featuriser, InputScale, designed_features
from invdesflow.screening.alignn_network import OUTPUTS, AlignnNetwork
from invdesflow.screening.description import CrystalDescription
from invdesflow.screening.domain import TrainingDomain
from invdesflow.screening.perceptron import PerceptronCommittee
from invdesflow.screening.predictions import TcPrediction
from invdesflow.screening.shipped_model import ShippedModel
from invdesflow.screening.tc_baseline import critical_temperature, tc_deviation, tc_width
from invdesflow.screening.tree_ensemble import TreeEnsemble

__all__ = ["KIND", "PARTS", "VERSION", "WEIGHTS", "Member", "TcEnsemble", "combine"]

KIND = "tc"
VERSION = 1
WEIGHTS = Path(__file__).parent / "weights" / "tc_alignn.safetensors"
PARTS = ("ALIGNN", "perceptrons", "trees")
"""What each member is made of."""
_BATCH = 128

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Member:
    """An ALIGNN network, and perceptrons and trees that learned from the same crystals.

    Attributes
    ----------
    network
        ALIGNN; its outputs are standardised.
    scale
        Of its inputs, and of those of the perceptrons.
    output_mean, output_scale
        Of its outputs, shape (outputs,).
    perceptrons
        They see the features of the whole crystal alone, and give the same outputs.
    trees
        Extra trees that see the features of structure and composition alone; they give the first three outputs.
    """

    network: AlignnNetwork
    scale: InputScale
    output_mean: FloatArray
    output_scale: FloatArray
    perceptrons: PerceptronCommittee
    trees: TreeEnsemble

    @torch.no_grad()
    def predict(self, inputs: Sequence[CrystalInputs], elements: NDArray[np.float32]) -> FloatArray:
        """Return the `OUTPUTS` of the `PARTS`, shape (crystals, parts, outputs); NaN where a part does not give one."""
        pieces = [self.network(*self.scale.tensors(piece, elements)).numpy() for piece in grouper(inputs, _BATCH)]
        outputs = np.full((len(inputs), len(PARTS), len(OUTPUTS)), np.nan)
        outputs[:, 0] = np.concatenate(pieces).astype(np.float64) * self.output_scale + self.output_mean
        outputs[:, 1] = self.perceptrons.predict(self.scale.crystals(inputs)).mean(axis=1)
        grown = self.trees.predict(designed_features(inputs)).mean(axis=1)
        outputs[:, 2, : grown.shape[1]] = grown
        return outputs

    def stored(self) -> "Member":
        """Return the member as it comes back from its arrays, in which the weights of the networks have 16 bits."""
        return self.from_arrays(self.to_arrays(), self.network.describe())

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to store, by name."""
        arrays: dict[str, NDArray[Any]] = {"output_mean": self.output_mean, "output_scale": self.output_scale}
        arrays |= {f"scale.{name}": array for name, array in vars(self.scale).items()}
        arrays |= {f"network.{name}": array.astype(np.float16) for name, array in self.network.to_arrays().items()}
        committee = self.perceptrons.to_arrays()
        arrays |= {f"perceptrons.{name}": array.astype(np.float16) for name, array in committee.items()}
        return arrays | {f"trees.{name}": array for name, array in self.trees.to_arrays().items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], shape: Mapping[str, Any]) -> "Member":
        """Rebuild a member from its arrays and the shape of its network."""
        return cls(
            network=AlignnNetwork.from_arrays(arrays_under(arrays, "network."), shape),
            scale=InputScale(**arrays_under(arrays, "scale.")),
            output_mean=arrays["output_mean"],
            output_scale=arrays["output_scale"],
            perceptrons=PerceptronCommittee.from_arrays(arrays_under(arrays, "perceptrons.")),
            trees=TreeEnsemble.from_arrays(arrays_under(arrays, "trees.")),
        )


def combine(outputs: FloatArray, shares: Sequence[float]) -> tuple[FloatArray, FloatArray]:
    """Average the parts of a member.

    Parameters
    ----------
    outputs
        Of the `PARTS`, shape (crystals, parts, outputs).
    shares
        Weight of each part; they add up to 1.

    Returns
    -------
    mean, spread
        Shape (crystals, outputs) and, for ln lambda, (crystals,): standard deviation among the parts.
    """
    weights = np.asarray(shares)
    mean = np.einsum("cmo,m->co", outputs, weights)
    deviation = outputs[:, :, 0] - mean[:, :1]
    return mean, np.sqrt(deviation**2 @ weights)


class TcEnsemble(ShippedModel):
    """Members that each learned from all folds of the training set but one."""

    kind, format_version, weights = KIND, VERSION, WEIGHTS

    def _rebuild(self, arrays: Mapping[str, NDArray[Any]], card: Mapping[str, Any]) -> None:
        self.featuriser = Featuriser.from_card(card["inputs"], arrays["element_table"])
        self.elements = arrays["element_features"]
        shape = card["network"]
        self.members = [Member.from_arrays(arrays_under(arrays, f"member{k}."), shape) for k in range(card["members"])]
        self._shares = [float(card["shares"][part]) for part in PARTS]
        self._residual = float(card["calibration"]["residual_log_lambda"])
        self._stretch = float(card["calibration"]["stretch_68"])
        self._deviation = float(card["calibration"]["std_floor_k"]), float(card["calibration"]["std_per_width"])
        self._disagreement = float(card["domain"]["largest_disagreement"])
        self._scale = InputScale(**arrays_under(arrays, "scale."))
        self.domain = TrainingDomain.from_arrays(arrays_under(arrays, "domain."))

    def predict(
        self,
        structures: Sequence[Structure],
        descriptions: Sequence[CrystalDescription | str],
        mu_star: float = 0.10,
    ) -> list[TcPrediction]:
        """Predict Tc at a Coulomb pseudopotential.

        Parameters
        ----------
        structures
            Crystals.
        descriptions
            What CHGNet says of each of them, or the reason why there is nothing.
        mu_star
            Coulomb pseudopotential, dimensionless.

        Returns
        -------
        list of TcPrediction
            One for each structure in order; one that cannot be predicted has a reason.
        """
        predictions: list[TcPrediction] = []
        for piece in grouper(zip(structures, descriptions, strict=True), _BATCH):
            rows = [self.featuriser.inputs(*pair) for pair in piece]
            known = [row for row in rows if not isinstance(row, str)]
            found = iter(self._predict(known, mu_star) if known else [])
            predictions += [TcPrediction.refused(row) if isinstance(row, str) else next(found) for row in rows]
        return predictions

    def outputs(self, inputs: Sequence[CrystalInputs]) -> FloatArray:
        """Return what each member gives, shape (members, crystals, parts, outputs)."""
        return np.array([member.predict(inputs, self.elements) for member in self.members])

    def average(self, outputs: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Average what `outputs` returns.

        Returns
        -------
        mean
            Shape (crystals, outputs).
        spread
            Standard deviation of ln lambda within a member, as the intervals were calibrated with, (crystals,).
        disagreement
            Standard deviation of ln lambda among the members, shape (crystals,).
        """
        parts = [combine(one, self._shares) for one in outputs]
        means = np.array([mean for mean, _ in parts])
        spread = np.sqrt(np.mean([spread**2 for _, spread in parts], axis=0))
        return means.mean(axis=0), spread, means[:, :, 0].std(axis=0)

    def member_tc(self, outputs: FloatArray, mu_star: float) -> FloatArray:
        """Return the Tc (K) by each member from what `outputs` returns, shape (crystals, members)."""
        means = np.array([combine(one, self._shares)[0] for one in outputs])
        return critical_temperature(np.exp(means[..., 0]), np.exp(means[..., 1]), mu_star).T

    def standardised(self, inputs: Sequence[CrystalInputs]) -> NDArray[np.float32]:
        """Return the features in which the domain is described, shape (crystals, features)."""
        return self._scale.features(inputs)

    def width(self, mean: FloatArray, spread: FloatArray, mu_star: float) -> FloatArray:
        """Return the half width of the interval that covers 68 % (K), shape (crystals,)."""
        return tc_width(mean, self._stretch * np.hypot(spread, self._residual), mu_star)

    def deviation(self, width: FloatArray) -> FloatArray:
        """Return the standard deviation of the error (K) from the `width` of the interval, shape (crystals,)."""
        return tc_deviation(width, *self._deviation)

    def _predict(self, inputs: Sequence[CrystalInputs], mu_star: float) -> list[TcPrediction]:
        outputs = self.outputs(inputs)
        mean, spread, disagreement = self.average(outputs)
        members = self.member_tc(outputs, mu_star).tolist()
        coupling, frequency = np.exp(mean[:, 0]), np.exp(mean[:, 1])
        tc = critical_temperature(coupling, frequency, mu_star)
        std = self.deviation(self.width(mean, spread, mu_star))
        distance = self.domain.distance(self.standardised(inputs))
        inside = (distance <= 1.0) & (disagreement <= self._disagreement)
        columns = (tc, std, coupling, frequency, distance, disagreement)
        return [
            TcPrediction(t, s, c, f, d, in_domain=known, disagreement=apart, members_k=tuple(each))
            for (t, s, c, f, d, apart), known, each in zip(
                np.column_stack(columns).tolist(), inside.tolist(), members, strict=True
            )
        ]
