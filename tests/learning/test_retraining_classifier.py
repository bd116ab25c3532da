"""Real fine-tuning of the classifier that ships: what is new is learned, what is old is kept."""

from itertools import combinations

import numpy as np
import pytest
from learned import METALS, alloy, coupled
from pymatgen.core import Lattice, Structure

pytest.importorskip("sklearn", reason="scikit-learn (the train extra) is not installed")

from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.errors import LearningError
from invdesflow.learning.models import model_registry
from invdesflow.learning.retraining import RetrainingSettings
from invdesflow.learning.retraining_jobs import retrain
from invdesflow.screening.classifier import Classifier
from invdesflow.screening.description import Descriptor
from invdesflow.screening.training.classifier_tuning import Balance, count_in_leaves
from invdesflow.screening.tree_ensemble import TreeEnsemble
from invdesflow.superconductors.catalogue import load_catalogue
from invdesflow.superconductors.documents import SuperconductorDocument


def test_a_leaf_counts_as_if_it_had_been_grown_with_the_new_crystals():
    """A stump with two crystals in each leaf: half of the left leaf superconducts, nothing of the right one."""
    balance = Balance.of(superconductors=1, others=3, leaf=2)
    assert (balance.superconductor, balance.other) == (2.0, pytest.approx(2 / 3))
    left = balance.superconductor / (balance.superconductor + balance.other)
    stump = TreeEnsemble(
        feature=np.array([0, -1, -1], np.int16),
        threshold=np.array([0.5, 0, 0], np.float32),
        right=np.array([2, 0, 0], np.uint16),
        values=np.array([[left], [0.0]], np.float32),
        roots=np.array([0], np.int32),
    )
    new, truth = np.array([[0.1], [0.2], [0.3]], np.float32), np.array([True, True, False])
    counted = count_in_leaves(stump, new, truth, balance)
    superconductors, others = 1 + 2, 1 + 1
    weight = balance.superconductor * superconductors
    assert counted.values[0, 0] == pytest.approx(weight / (weight + balance.other * others))
    assert counted.values[1, 0] == 0.0, "nothing fell into the right leaf"
    other = count_in_leaves(stump, np.array([[0.9]], np.float32), np.array([True]), balance)
    assert other.values[1, 0] == pytest.approx(2.0 / (2.0 + 2 * 2 / 3))
    assert other.values[0, 0] == stump.values[0, 0]


def cubic(group, a, species, places):
    return Structure.from_spacegroup(group, Lattice.cubic(a), species, places).get_primitive_structure()


OTHERS = [
    cubic("Fm-3m", 5.640, ["Na", "Cl"], [[0, 0, 0], [0.5] * 3]),
    cubic("Fm-3m", 4.212, ["Mg", "O"], [[0, 0, 0], [0.5] * 3]),
    cubic("F-43m", 3.615, ["B", "N"], [[0, 0, 0], [0.25] * 3]),
    cubic("Im-3m", 2.867, ["Fe"], [[0, 0, 0]]),
    cubic("Fm-3m", 4.177, ["Ni", "O"], [[0, 0, 0], [0.5] * 3]),
]
"""Insulators and magnets: the database has none of those that the classifier was trained with."""
SUPERCONDUCTORS = [
    cubic("Fm-3m", 4.39, ["Nb", "N"], [[0, 0, 0], [0.5] * 3]),
    cubic("Fm-3m", 4.47, ["Nb", "C"], [[0, 0, 0], [0.5] * 3]),
    cubic("Im-3m", 3.30, ["Nb"], [[0, 0, 0]]),
]


def said(path):
    crystals = OTHERS + SUPERCONDUCTORS
    found = Classifier.load(path).predict(crystals, Descriptor().describe(crystals))
    return np.array([one.probability for one in found])


def by_filling(structure):
    """Superconductors are those alloys, and no others, that have five to six and a half electrons for each atom."""
    filling = np.mean([site.specie.group for site in structure])
    return coupled(structure, 1.2 if 5 <= filling <= 6.5 else 0.15, 20.0)


@pytest.mark.slow
def test_the_shipped_classifier_learns_a_family_and_keeps_what_it_knew(database):
    database.collection(SuperconductorDocument).upsert(load_catalogue())
    family = [by_filling(alloy(*pair)) for pair in combinations((*METALS, "Sc", "Y", "Hf"), 2)]
    database.collection(ElectronPhononDocument).upsert(family)
    registry = model_registry(database)
    parent = registry.find("classifier")
    output = retrain(database, "classifier", RetrainingSettings())
    assert output.comparison.loss == "cross-entropy of the class"
    assert output.comparison.gain > 0.03  # of 13 formulas, so that whether it is promoted is left to chance
    before, after = said(parent), said(registry.find("classifier", output.trained))
    assert (after[: len(OTHERS)] < 0.2).all()
    assert (after[len(OTHERS) :] > 0.5).all()
    assert np.abs(after - before).max() < 0.2


def test_one_class_alone_teaches_nothing(database):
    database.collection(ElectronPhononDocument).upsert(
        [coupled(alloy("Nb", one), 1.2, 20.0) for one in ("Mo", "Ti", "Zr")]
    )
    with pytest.raises(LearningError, match=r"superconductors only, or none.*invdesflow import"):
        retrain(database, "classifier", RetrainingSettings())


def test_a_potential_is_fine_tuned_by_its_own_command(database):
    with pytest.raises(LearningError, match=r"learns from forces.*invdesflow potential finetune"):
        retrain(database, "potential", RetrainingSettings())
