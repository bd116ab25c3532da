"""Fitting the parts of the formation energy model: the elemental correction, the input constants, a network."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import least_squares
from torch import Tensor

from invdesflow.screening.elements import LAST_ATOMIC_NUMBER, periodic_table
from invdesflow.screening.formation_energy_inputs import ATOM_FEATURES, EnergyInputs, InputBatch, Sight
from invdesflow.screening.megnet import Megnet, MegnetShape
from invdesflow.screening.training.loop import LoopSettings, train_network
from invdesflow.screening.training.tuning import Anchor, Tuning

__all__ = ["Recipe", "fit_correction", "fit_inputs", "fit_network", "tune_network"]

FloatArray = NDArray[np.float64]

_ROBUST_EV = 0.05
"""Residuals beyond it count linearly in the fit of the elemental correction, eV/atom."""
_RIDGE_EV = 1e-3
"""Weight of a correction itself, so that an element that only occurs beside one other has one."""


@dataclass(frozen=True)
class Recipe:
    """What a network is and how it is trained.

    Parameters
    ----------
    atom_features
        Names in `ATOM_FEATURES` of those that it is given beside the atomic number.
    blocks, width, hidden
        As in `MegnetShape`.
    epochs, learning_rate, weight_decay, seed
        As in `LoopSettings`.
    batch
        Crystals in a batch.
    """

    atom_features: tuple[str, ...] = tuple(ATOM_FEATURES)
    blocks: int = 0
    width: int = 64
    hidden: int = 64
    epochs: int = 20
    batch: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    seed: int = 0


def fit_correction(sights: Sequence[Sight], energies: FloatArray) -> FloatArray:
    """Fit one energy for each element to what CHGNet's energy differs from the formation energy by.

    The loss is the soft L1, since the labels have outliers.

    Returns
    -------
    array
        eV/atom by atomic number; NaN where no crystal has the element.
    """
    fractions = np.array([np.bincount(s.graph.numbers, minlength=LAST_ATOMIC_NUMBER + 1) for s in sights], dtype=float)
    fractions /= fractions.sum(axis=1, keepdims=True)
    present = fractions.any(axis=0)
    known = fractions[:, present]
    gap = energies - np.array([s.energy for s in sights])
    start = np.linalg.lstsq(known, gap, rcond=None)[0]
    ridge = _RIDGE_EV * np.eye(len(start))

    def residuals(values: FloatArray) -> FloatArray:
        return np.concatenate([known @ values - gap, ridge @ (values - start)])

    jacobian = np.concatenate([known, ridge])
    found = least_squares(residuals, start, lambda _: jacobian, loss="soft_l1", f_scale=_ROBUST_EV).x
    correction = np.full(LAST_ATOMIC_NUMBER + 1, nan)
    correction[present] = found
    return correction


def fit_inputs(sights: Sequence[Sight], energies: FloatArray, atom_features: Sequence[str]) -> EnergyInputs:
    """Fit the constants that turn crystals into inputs."""
    table = periodic_table()
    columns = [column for name in atom_features for column in ATOM_FEATURES[name]]
    properties = table.values[:, [table.names.index(column) for column in columns]]
    numbers = np.concatenate([sight.graph.numbers for sight in sights])
    features = np.concatenate([sight.features for sight in sights])
    correction = fit_correction(sights, energies)
    start = np.array([sight.energy + correction[sight.graph.numbers].mean() for sight in sights])
    state = np.column_stack([start, np.log([sight.graph.volume_per_atom for sight in sights])])
    return EnergyInputs(
        correction=correction,
        properties=((properties - properties[numbers].mean(axis=0)) / _scale(properties[numbers])).astype(np.float32),
        feature_mean=features.mean(axis=0),
        feature_scale=_scale(features).astype(np.float32),
        state_mean=state.mean(axis=0).astype(np.float32),
        state_scale=_scale(state).astype(np.float32),
        unit=np.array([np.abs(energies - start).mean()], dtype=np.float32),
    )


def _scale(values: NDArray[np.floating]) -> NDArray[np.floating]:
    deviation = values.std(axis=0)
    return np.where(deviation > 1e-9, deviation, 1.0)


def fit_network(
    sights: Sequence[Sight],
    energies: FloatArray,
    inputs: EnergyInputs,
    recipe: Recipe,
    *,
    checkpoint: Path | None = None,
    identity: str = "",
) -> Megnet:
    """Train one network for what the corrected energy differs from the formation energy by.

    The loss of the first output is the mean absolute error; the second output learns the logarithm of that error as
    the scale of a Laplace distribution around the first, which it leaves alone.

    Raises
    ------
    TrainingError
        If the loss is not finite, or the checkpoint belongs to another training.
    """
    torch.manual_seed(recipe.seed)
    network = Megnet(MegnetShape(inputs.site_inputs, inputs.state_inputs, recipe.blocks, recipe.width, recipe.hidden))
    settings = LoopSettings(recipe.epochs, recipe.learning_rate, recipe.weight_decay, seed=recipe.seed)
    batches = _Batches(sights, energies, inputs, recipe.batch, recipe.seed)
    return train_network(
        network, batches, _loss, settings, steps_per_epoch=batches.steps, checkpoint=checkpoint, identity=identity
    )


def tune_network(
    start: Megnet,
    sights: Sequence[Sight],
    energies: FloatArray,
    inputs: EnergyInputs,
    tuning: Tuning,
    *,
    checkpoint: Path | None = None,
    identity: str = "",
) -> Megnet:
    """Fine-tune a network, held close to the weights that it starts from, which are not changed themselves.

    Raises
    ------
    TrainingError
        If the loss is not finite, or the checkpoint belongs to another training.
    """
    network, anchor = copy.deepcopy(start), Anchor(start)
    batches = _Batches(sights, energies, inputs, tuning.batch, tuning.seed)

    def loss(network: Megnet, crystals: tuple[InputBatch, Tensor]) -> Tensor:
        return _loss(network, crystals) + tuning.anchor * anchor.distance(network)

    return train_network(
        network, batches, loss, tuning.loop(), steps_per_epoch=batches.steps, checkpoint=checkpoint, identity=identity
    )


@dataclass(frozen=True)
class _Batches:
    """Batches of crystals with what their corrected energies differ from the formation energies by."""

    sights: Sequence[Sight]
    energies: FloatArray
    inputs: EnergyInputs
    size: int
    seed: int

    @property
    def steps(self) -> int:
        return max(1, len(self.sights) // self.size)

    def __call__(self, epoch: int) -> Iterator[tuple[InputBatch, Tensor]]:
        unit = float(self.inputs.unit[0])
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.sights))
        for rows in np.array_split(order, self.steps):
            batch = self.inputs.batch([self.sights[row] for row in rows])
            yield batch, ((torch.from_numpy(self.energies[rows]) - batch.start) / unit).float()


def _loss(network: Megnet, crystals: tuple[InputBatch, Tensor]) -> Tensor:
    batch, gap = crystals
    error = network(batch.graph, batch.sites, batch.state)
    missed, log_scale = (error[:, 0] - gap).abs(), error[:, 1]
    surprise = missed.detach() * torch.exp(-log_scale) + log_scale
    return torch.mean(missed + 0.1 * surprise)
