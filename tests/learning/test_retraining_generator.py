"""Real fine-tuning of a small generator in a real database."""

import pytest
from learned import coupled

from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.generation.diffusion.model import GeneratorModel
from invdesflow.learning import models
from invdesflow.learning.models import model_registry
from invdesflow.learning.retraining import RetrainingSettings
from invdesflow.learning.retraining_jobs import retrain
from invdesflow.superconductors.catalogue import load_catalogue
from invdesflow.superconductors.documents import SuperconductorDocument


@pytest.mark.slow
def test_the_generator_learns_new_crystals(database, untrained_generator, monkeypatch):
    monkeypatch.setattr(models.generator, "SHIPPED", (untrained_generator,))
    small = [one for one in load_catalogue() if len(one.structure) <= 4]
    half = len(small) // 2
    database.collection(SuperconductorDocument).upsert(small[half:])
    database.collection(ElectronPhononDocument).upsert([coupled(one.structure) for one in small[:half]])
    settings = RetrainingSettings(epochs=3, learning_rate=3e-3, least_held_out=3, batch=8)
    output = retrain(database, "generator", settings)
    assert output.comparison.rows >= 3
    assert (output.after == output.trained) == (output.comparison.gain_low > 0)
    registry = model_registry(database)
    weights = registry.weights(registry.get(output.trained))
    parent, child = (GeneratorModel.load(path) for path in (untrained_generator, weights))
    done = database.raw["retrainings"].find_one({})
    assert child.prior.counts.sum() == parent.prior.counts.sum() + done["new_rows"]
    assert child.card["parent"] == parent.digest
    assert child.card["metrics"]["train_loss"] > 0
