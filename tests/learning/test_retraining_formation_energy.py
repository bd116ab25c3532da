"""Real fine-tuning of a small formation energy model; CHGNet's part is made up."""

from itertools import permutations

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

pytest.importorskip("sklearn", reason="scikit-learn (the train extra) is not installed")

from invdesflow.errors import LearningError
from invdesflow.learning import retraining_formation_energy
from invdesflow.learning.retraining import Lesson, RetrainingSettings, compare
from invdesflow.learning.retraining_formation_energy import retrain_formation_energy
from invdesflow.learning.training_sets import TrainingRow
from invdesflow.model_files import read_card
from invdesflow.screening.description import FEATURES, CrystalDescription
from invdesflow.screening.formation_energy import FormationEnergy
from invdesflow.screening.training.formation_energy import train
from invdesflow.screening.training.formation_energy_data import EnergyRow, energy_set
from invdesflow.screening.training.formation_energy_fitting import Recipe

ELEMENTS = ("Li", "Mg", "Al", "Ti", "Fe", "Cu", "Y", "Nb", "Sn", "N", "O", "S", "Cl", "Se")
WIDE = 22.0  # Angstrom^3 per atom, from where on the potential errs otherwise


def cell(first, second, edge):
    return Structure(Lattice.cubic(edge), [first, second, second], [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.0, 0.0]])


def formation_energy(structure):
    wide = structure.volume / len(structure) > WIDE
    return -float(np.std([site.specie.X for site in structure])) + 0.25 * wide


def described(structures, cache=None):
    """A potential that does not know what happens in wide cells, though its features tell that they are wide."""
    found = []
    for structure in structures:
        features = np.zeros((len(structure), FEATURES), dtype=np.float32)
        features[:, 0] = [np.sin(site.specie.Z) for site in structure]
        features[:, 1] = structure.volume / len(structure) / 10.0
        energy = -float(np.std([site.specie.X for site in structure])) + 0.1 * float(features[:, 0].std())
        found.append(CrystalDescription(energy, np.zeros(len(structure), np.float32), features))
    return found


def rows(edge):
    structures = [cell(*pair, edge + 0.002 * number) for number, pair in enumerate(permutations(ELEMENTS, 2))]
    return [
        TrainingRow(
            source=f"references:{edge}-{number}",
            formula=structure.composition.reduced_formula,
            structure=structure,
            labels={"formation_energy_ev_per_atom": formation_energy(structure)},
        )
        for number, structure in enumerate(structures)
    ]


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    found = [EnergyRow(row.formula, row.structure, formation_energy(row.structure), False) for row in rows(3.4)]
    crystals = energy_set(found, described([row.structure for row in found]), False)
    folder = tmp_path_factory.mktemp("energy")
    train(crystals, Recipe(blocks=0, width=16, hidden=16, epochs=30, batch=32), folder)
    return folder / "formation_energy.safetensors"


def lesson(parent, folder, held_out, settings, new):
    taught = [[row for row in rows(edge) if not row.held_out] for edge in (4.1, 3.4)]
    return Lesson(parent, taught[0][:new], settings.replayed(taught[1], new), held_out, settings, folder)


@pytest.fixture(autouse=True)
def _described(monkeypatch):
    monkeypatch.setattr(retraining_formation_energy, "describe_set", described)


@pytest.mark.slow
def test_few_new_rows_are_learned_and_the_old_ones_are_not_forgotten(parent, tmp_path):
    settings = RetrainingSettings(epochs=20, learning_rate=3e-3, batch=16, least_replay=80, anchor=0.002)
    found = {}
    for edge in (3.4, 4.1):
        held_out = [row for row in rows(edge) if row.held_out]
        assert len(held_out) >= 10
        retrained = retrain_formation_energy(lesson(parent, tmp_path / str(edge), held_out, settings, 40))
        found[edge] = compare(retrained.measured, settings)
    assert found[4.1].gain_low > 0.0
    assert found[4.1].child < 0.6 * found[4.1].parent
    assert found[3.4].child < found[3.4].parent + 0.02
    assert FormationEnergy(retrained.arrays, retrained.card).card["parent"] == read_card(parent)["parent"]


def test_elements_that_the_model_does_not_know_are_an_error(parent, tmp_path):
    structure = cell("U", "O", 4.1)
    row = TrainingRow(
        source="espresso_tasks:u",
        formula=structure.composition.reduced_formula,
        structure=structure,
        labels={"formation_energy_ev_per_atom": -3.0},
    )
    with pytest.raises(LearningError, match="none of the new crystals"):
        retrain_formation_energy(Lesson(parent, [row], [], [], RetrainingSettings(), tmp_path))
