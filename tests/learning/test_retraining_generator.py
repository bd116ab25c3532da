"""Real fine-tuning of generators in a real database: a small one, and the one that ships."""

from itertools import combinations

import pytest
from learned import METALS, coupled
from pymatgen.core import Lattice, Structure

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


def antiperovskite(first, second):
    """A made family: cells a fifth longer than any that the generator knows of, with nitrogen in the middle."""
    positions = [[0, 0, 0], [0.5] * 3, [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    return Structure(Lattice.cubic(5.2), [first, "N", second, second, second], positions)


@pytest.mark.slow
def test_the_shipped_generator_learns_a_family_better_than_it_knew_it(database):
    """A few dozen steps suffice, because the warm-up takes a tenth of them."""
    database.collection(SuperconductorDocument).upsert([one for one in load_catalogue() if len(one.structure) <= 6])
    pairs = [pair for both in combinations(METALS, 2) for pair in (both, both[::-1])]
    database.collection(ElectronPhononDocument).upsert([coupled(antiperovskite(*pair)) for pair in pairs])
    output = retrain(database, "generator", RetrainingSettings(epochs=4))
    assert output.comparison.rows >= 10
    assert output.comparison.gain_low > 0, output.remark
    assert output.after == output.trained
