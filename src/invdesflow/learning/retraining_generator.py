"""Fine-tuning the crystal diffusion model on new crystals and replayed old ones."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from invdesflow.errors import LearningError
from invdesflow.generation.diffusion.dataset import encode_many
from invdesflow.generation.diffusion.model import KIND, VERSION, GeneratorModel
from invdesflow.generation.diffusion.objective import Objective
from invdesflow.generation.diffusion.orbits import EncodedCrystals
from invdesflow.generation.diffusion.sources import LabelledCrystal
from invdesflow.generation.diffusion.training import Trainer, TrainingSettings
from invdesflow.generation.diffusion.training_set import LatticeStatistics, TrainingSet
from invdesflow.learning.retraining import Lesson, Measured, Retrained
from invdesflow.learning.training_sets import TrainingRow
from invdesflow.model_files import read_model

__all__ = ["retrain_generator"]

_DRAWS = 8
"""Noise that is added to each held-out crystal, the same for parent and child."""
_AVERAGE = 0.95


def retrain_generator(lesson: Lesson) -> Retrained:
    """Fine-tune the denoiser, and add the new crystals to the counts of the prior.

    A twentieth of the formulas is split off to choose the epoch; the held-out rows are not among them. Replay alone
    holds this model, without an anchor.

    Raises
    ------
    LearningError
        If no new crystal can be encoded.
    TrainingError
        If training diverges, or there are too few crystals to split.
    """
    parent, settings = GeneratorModel.load(lesson.parent), lesson.settings
    new, replay, held_out = (_encoded(rows) for rows in (lesson.new, lesson.replay, lesson.held_out))
    if not len(new):
        raise LearningError(
            "The generator can encode none of the new crystals: they are too large, or atoms touch.",
            "Give crystals of at most 20 atoms in the primitive cell.",
        )
    taught = TrainingSet.of(EncodedCrystals.join([new, replay]))
    objective = Objective.predicting(parent.predict)
    training = TrainingSettings(
        epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        most_crystals=settings.batch,
        average=_AVERAGE,
        seed=settings.seed,
    )
    trainer = Trainer(taught, lesson.folder, training, objective, GeneratorModel.load(lesson.parent).network)
    for _ in trainer.run():
        pass
    added = TrainingSet.of(new)
    path = lesson.folder / "child.safetensors"
    GeneratorModel.save(
        path,
        trainer.best,
        predict=parent.predict,
        prior=parent.prior.plus(added.prior()),
        elements=tuple(sorted({*parent.elements, *taught.known_elements})),
        card=_card(parent, training, objective, trainer),
    )
    child = GeneratorModel.load(path)
    arrays, card = read_model(path, KIND, VERSION)
    return Retrained(arrays, card, _measured(parent, child, held_out, objective), len(new), len(replay))


def _card(parent: GeneratorModel, training: TrainingSettings, objective: Objective, trainer: Trainer) -> dict[str, Any]:
    learned, validated = trainer.sizes
    return {
        **parent.card,
        "data": {"learned": learned, "held_out": validated},
        "training": asdict(training) | {"objective": asdict(objective), "torch": torch.__version__},
        "metrics": trainer.best_metrics,
    }


def _encoded(rows: Sequence[TrainingRow]) -> EncodedCrystals:
    crystals = (LabelledCrystal(row.source, row.structure, row.labels.get("tc_k")) for row in rows)
    return encode_many(crystals)[0]


def _measured(
    parent: GeneratorModel, child: GeneratorModel, held_out: EncodedCrystals, objective: Objective
) -> Measured:
    loss = "denoising loss"
    if not len(held_out):
        return Measured(loss, [], np.empty(0), np.empty(0), {})
    crystals = TrainingSet.of(held_out)
    before, after = (_losses(model, crystals, objective) for model in (parent, child))
    return Measured(loss, crystals.formulas, before, after, {loss: float(after.mean())})


@torch.no_grad()
def _losses(model: GeneratorModel, crystals: TrainingSet, objective: Objective) -> NDArray[np.float64]:
    """Return the mean loss of each crystal, shape (crystals,)."""
    network = model.network
    statistics = LatticeStatistics(network.lattice_mean.double().numpy(), network.lattice_spread.double().numpy())
    losses = np.empty((len(crystals), _DRAWS))
    for index in range(len(crystals)):
        frames, clean, label = crystals.batch(np.array([index]), statistics)
        for draw in range(_DRAWS):
            noise = torch.Generator().manual_seed(index * _DRAWS + draw)
            losses[index, draw] = objective.total(objective.losses(network, frames, clean, label, noise)).item()
    means: NDArray[np.float64] = losses.mean(axis=1)
    return means
