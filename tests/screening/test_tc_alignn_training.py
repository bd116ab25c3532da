"""Training of the ALIGNN Tc model at a size for tests, on crystals made here; CHGNet's part is made up."""

import json
from itertools import combinations

import numpy as np
import pytest
from pymatgen.core import Element, Lattice, Structure

pytest.importorskip("alignn", reason="alignn is not installed")
pytest.importorskip("sklearn", reason="scikit-learn (the train extra) is not installed")

from invdesflow.screening.alignn_inputs import Featuriser
from invdesflow.screening.description import FEATURES, CrystalDescription
from invdesflow.screening.elements import periodic_table
from invdesflow.screening.tc_alignn import TcEnsemble
from invdesflow.screening.training import alignn_data
from invdesflow.screening.training.alignn_data import AlignnData
from invdesflow.screening.training.alignn_fitting import Recipe
from invdesflow.screening.training.electron_phonon_data import Compound
from invdesflow.screening.training.splits import fold_of, is_held_out
from invdesflow.screening.training.tc_alignn import recalibrate, train

METALS = ("Al", "Ti", "V", "Cr", "Zr", "Nb", "Mo", "Ta", "W", "Re", "Ru", "Rh", "Pd", "Cu", "Ag")
SMALL = Recipe(epochs=12, batch=16, neighbours=8, hidden=16, readout=32, perceptron_epochs=30, trees=3)


def compound(first, second):
    """CsCl-type alloy whose coupling follows the band filling, as Matthias' rule has it."""
    radius = (Element(first).atomic_radius + Element(second).atomic_radius) * 2 / np.sqrt(3)
    filling = (Element(first).group + Element(second).group) / 2
    mass = (Element(first).atomic_mass + Element(second).atomic_mass) / 2
    structure = Structure(Lattice.cubic(radius), [first, second], [[0, 0, 0], [0.5, 0.5, 0.5]])
    return Compound(structure, float(0.25 + np.exp(-((filling - 5) ** 2) / 2)), float(200 / np.sqrt(mass)))


def description(structure):
    """Features that a potential could have learned: functions of the element alone."""
    atoms = np.sin(np.outer(structure.atomic_numbers, np.arange(1, FEATURES + 1))).astype(np.float32)
    return CrystalDescription(-1.0, np.zeros(len(structure), np.float32), atoms)


def described(structures, cache=None):
    return [description(structure) for structure in structures]


@pytest.fixture(scope="module")
def featuriser():
    return Featuriser(periodic_table(), tuple(Element(metal).Z for metal in METALS), SMALL.neighbours)


@pytest.fixture(scope="module")
def compounds():
    return [compound(*pair) for pair in combinations(METALS, 2)]


@pytest.fixture
def data(compounds, featuriser, monkeypatch):
    monkeypatch.setattr(alignn_data, "describe_set", described)
    return AlignnData.of([compounds], featuriser, None)


def test_targets_and_splits(data, compounds):
    assert len(data) == len(compounds) == 105
    assert np.exp(data.targets[:, 0]) == pytest.approx([one.lambda_ for one in compounds])
    assert np.isnan(data.targets[:, 3]).all()  # no density of states was given
    formulas = [one.structure.composition.reduced_formula for one in compounds]
    assert data.folds.tolist() == [fold_of(formula) for formula in formulas]
    assert data.held_out.tolist() == [is_held_out(formula) for formula in formulas]


def test_inputs_come_back_from_the_cache(compounds, featuriser, monkeypatch, tmp_path):
    monkeypatch.setattr(alignn_data, "describe_set", described)
    isolated = Compound(Structure(Lattice.cubic(15), ["Nb"], [[0, 0, 0]]), 1.0, 10.0)
    some = [compounds[0], isolated, compounds[40]]
    fresh = AlignnData.of([some], featuriser, tmp_path)
    monkeypatch.setattr(alignn_data, "describe_set", None)
    cached = AlignnData.of([some], featuriser, tmp_path)
    assert len(fresh) == len(cached) == 2
    for one, other in zip(fresh.inputs, cached.inputs, strict=True):
        np.testing.assert_array_equal(one.features, other.features)
        np.testing.assert_array_equal(one.atoms, other.atoms)
        for name, array in vars(one.graph).items():
            np.testing.assert_array_equal(array, getattr(other.graph, name))


@pytest.mark.slow
def test_learns_a_known_law_and_is_reproducible(data, featuriser, tmp_path):
    figures = train(data, featuriser, SMALL, tmp_path / "one", tmp_path)
    out_of_fold = figures["cross-validation"]
    assert out_of_fold["MAE (K)"] < 0.6 * out_of_fold["mean of the training set: MAE (K)"]
    for number in range(5):
        (tmp_path / f"alignn-{number}.pt").unlink()
    train(data, featuriser, SMALL, tmp_path / "two")
    first, second = ((tmp_path / name / "tc_alignn.safetensors").read_bytes() for name in ("one", "two"))
    assert first == second
    model = TcEnsemble.load(tmp_path / "one" / "tc_alignn.safetensors")
    card = json.loads((tmp_path / "one" / "tc_alignn.json").read_text())
    assert card["held_out"]["rows"] + card["training_sets"][0]["rows"] == len(data)
    structures = [compound("Nb", "Mo").structure, compound("Cu", "Ag").structure]
    niobium, silver = model.predict(structures, described(structures))
    assert niobium.tc_k > silver.tc_k
    measured = recalibrate(tmp_path / "one" / "tc_alignn.safetensors", data, tmp_path / "three")
    for name, found in figures.items():
        assert measured[name] == pytest.approx(found, rel=1e-4, abs=1e-6, nan_ok=True)
    assert (tmp_path / "three" / "tc_alignn.safetensors").read_bytes() == first
    again = json.loads((tmp_path / "three" / "tc_alignn.json").read_text())
    assert again["calibration"] == pytest.approx(card["calibration"], rel=1e-4)
    assert {name for name in card if again[name] != card[name]} <= {"calibration", "cross_validation", "held_out"}
