"""Training of the classifier at a size for tests, on crystals made here."""

import csv
import gzip
import json
from itertools import combinations

import numpy as np
import pytest
from pymatgen.core import Element, Lattice, Structure

pytest.importorskip("sklearn", reason="scikit-learn (the train extra) is not installed")
from sklearn.ensemble import ExtraTreesClassifier

from invdesflow.errors import ModelError
from invdesflow.model_files import arrays_under, read_model
from invdesflow.screening.classifier import KIND, VERSION, Classifier
from invdesflow.screening.classifier_members import Inputs, Member, Shape, forest_logits
from invdesflow.screening.description import FEATURES, CrystalDescription
from invdesflow.screening.training.classes import Crystal, kinds_of, read_crystals
from invdesflow.screening.training.classifier import TOGETHER, evaluate_table, train
from invdesflow.screening.training.classifier_fitting import Recipe, pre_train
from invdesflow.screening.training.classifier_forest import Growth, grow_forest
from invdesflow.screening.training.classifier_report import Judged, calibrate, figures, ranking
from invdesflow.screening.training.classifier_table import build_table, fit_scale
from invdesflow.screening.training.splits import FOLDS, fold_of, is_held_out

METALS = ("Ti", "V", "Zr", "Nb", "Mo", "Ta", "W", "Ru", "Rh", "Pd", "Cu", "Ag", "Hf")
SMALL = Recipe(shape=Shape(16, 1, 0.0), pretraining_epochs=1, epochs=15, pretraining_crystals=30, batch=16)
FEW = Growth(trees=10)


def describe(structure, moment=0.0):
    groups = np.array([site.specie.group for site in structure])
    atoms = np.sin(np.outer(groups, np.arange(1, FEATURES + 1)) / 60).astype(np.float32)
    return CrystalDescription(-5.0, np.full(len(structure), moment, np.float32), atoms)


def crystal(first, second):
    """CsCl-type alloy that superconducts at 4.5 to 6.5 electrons an atom, as Matthias' rule has it."""
    radius = (Element(first).atomic_radius + Element(second).atomic_radius) * 2 / np.sqrt(3)
    structure = Structure(Lattice.cubic(radius), [first, second], [[0, 0, 0], [0.5, 0.5, 0.5]])
    filling = (Element(first).group + Element(second).group) / 2
    tc_k = 10.0 if 4.5 <= filling <= 6.5 else 0.01
    return Crystal("alexandria", structure, structure.composition.reduced_formula, tc_k, gap_ev=0.0, moment=0.0)


@pytest.fixture(scope="module")
def table():
    crystals = [crystal(*pair) for pair in combinations(METALS, 2)]
    return build_table(crystals, [describe(one.structure) for one in crystals])


@pytest.fixture(scope="module")
def trained(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("classifier")
    return folder, train(table, SMALL, FEW, folder)


def test_learns_a_known_rule_and_loads(table, trained):
    folder, learned = trained
    found = ranking(learned.judged(table))
    assert found["AP"] > 0.8 > 1.5 * found["superconductors"] / found["rows"]
    model = Classifier.load(folder / "classifier.safetensors")
    alloys = [crystal("Nb", "Mo").structure, crystal("Cu", "Ag").structure]
    high, low = model.predict(alloys, [describe(one) for one in alloys])
    assert high.probability > 0.6 > 0.3 > low.probability


def test_parts_alone_and_together_judge_all_that_may_be_learned(table, trained):
    _, learned = trained
    rows = table.labelled & ~table.held_out
    assert len(learned.scores) == 5
    for scores in learned.scores.values():
        assert np.isnan(scores).tolist() == (~rows).tolist()
    likelihood = {name: log_likelihood(scores[rows], table.positive[rows]) for name, scores in learned.scores.items()}
    assert max(likelihood, key=likelihood.get) == TOGETHER


def log_likelihood(logits, truth):
    return -np.logaddexp(0, np.where(truth, -logits, logits)).mean()


def test_each_fold_is_judged_by_the_stored_member_that_has_not_seen_it(table, trained):
    folder, learned = trained
    scale = learned.scale
    for fold in range(FOLDS):
        rows = np.flatnonzero(table.labelled & ~table.held_out & (table.folds == fold))
        parts = stored_member(folder, fold).logits(Inputs.of(table.crystals(rows, scale)))
        assert learned.law.logits(parts) == pytest.approx(learned.scores[TOGETHER][rows], abs=0.05)


def stored_member(folder, fold):
    arrays, card = read_model(folder / "classifier.safetensors", KIND, VERSION)
    inputs = arrays["elements"].shape[1] + len(arrays["potential_mean"])
    return Member.from_arrays(arrays_under(arrays, f"member{fold}."), SMALL.shape, inputs, card["networks"])


def test_the_card_names_what_was_learned_and_what_was_not(table, trained):
    card = json.loads((trained[0] / "classifier.json").read_text())
    assert sum(one["rows"] for one in card["training_sets"]) == (~table.held_out).sum()
    assert card["held_out"]["rows"] == table.held_out.sum() > 0
    model = Classifier.load(trained[0] / "classifier.safetensors")
    assert evaluate_table(model, table) == pytest.approx(card["held_out"]["metrics"])


def test_no_member_has_seen_the_fold_that_it_judges(table):
    for fold in range(FOLDS):
        taught = set(table.formulas[table.taught(fold)])
        assert not any(fold_of(formula) == fold or is_held_out(formula) for formula in taught)


def test_pre_training_sees_no_formula_of_its_fold(table):
    scale = fit_scale(table, True)
    changed = build_table_without_fold(table, 0)
    one, other = (pre_train(each, scale, SMALL, 0) for each in (table, changed))
    for first, second in zip(one.parameters(), other.parameters(), strict=True):
        assert (first == second).all()


def build_table_without_fold(table, fold):
    """Return the table with another crystal in place of each of the fold: whatever is learned from it would show."""
    graphs = [table.graphs[0] if table.folds[row] == fold else graph for row, graph in enumerate(table.graphs)]
    return type(table)(**{**vars(table), "graphs": graphs})


def test_stored_trees_tell_the_share_of_superconductors():
    """The stored trees against scikit-learn's own probabilities."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(300, 6)).astype(np.float32)
    truth = inputs[:, 0] + inputs[:, 1] > 1.0
    growth = Growth(trees=30, leaf=3, share=0.5)
    other = ExtraTreesClassifier(
        growth.trees, max_features=0.5, min_samples_leaf=3, class_weight="balanced", random_state=0
    ).fit(inputs, truth)
    found = forest_logits(grow_forest(inputs, truth, growth), inputs)
    share = other.predict_proba(inputs)[:, 1]
    assert found == pytest.approx(np.log((share + 0.01) / (1.01 - share)), abs=1e-4)


def test_calibration_recovers_the_law_that_made_the_classes():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(40_000, 2))
    truth = rng.random(40_000) < 1 / (1 + np.exp(-(2.0 * logits[:, 0] + 0.5 * logits[:, 1] - 1.0)))
    law = calibrate(logits, truth)
    assert (law.networks, law.forest, law.intercept) == pytest.approx((2.0, 0.5, -1.0), abs=0.08)


def test_figures_of_a_small_case_by_hand():
    kinds = np.array(["superconductor", "superconductor", "metal", "magnet", "insulator"])
    found = figures(Judged(np.array([0.9, 0.25, 0.4, 0.05, 0.15]), kinds, np.array([True, *[False] * 4])))
    assert found["AP against metals"] == pytest.approx((1 + 2 / 3) / 2)
    assert found["AP against magnets"] == 1.0
    assert found["metals passed at 90% recall"] == 1.0
    assert found["insulators passed at 90% recall"] == 0.0
    assert found["superconductors passed at p >= 0.5"] == 0.5
    assert found["the checked 105 passed at p >= 0.5"] == 1.0
    assert found["Brier"] == pytest.approx((0.1**2 + 0.75**2 + 0.4**2 + 0.05**2 + 0.15**2) / 5)
    assert found["p from 0.1 to 0.3, share of superconductors"] == 0.5


@pytest.mark.parametrize(
    ("known", "predicted", "kind"),
    [
        ({"tc_k": 8.0, "gap_ev": 0.0, "moment": 0.0}, 1.5, "superconductor"),
        ({"tc_k": 0.05, "gap_ev": 0.0, "moment": 0.0}, 0.0, "metal"),
        ({"tc_k": 1.0, "gap_ev": 0.0, "moment": 0.0}, 0.0, "conductor"),
        ({"tc_k": 8.0, "gap_ev": 0.0, "moment": 0.9}, 0.0, "magnet"),
        ({"tc_k": 4.0, "checked": True}, 0.0, "superconductor"),
        ({"gap_ev": 3.0}, 2.0, "insulator"),
        ({"gap_ev": 0.2}, 2.0, "magnet"),
        ({"gap_ev": 0.2}, 0.6, ""),
        ({"gap_ev": 0.2}, 0.1, "conductor"),
        ({}, 0.1, ""),
    ],
)
def test_kinds(known, predicted, kind):
    structure = crystal("Nb", "Mo").structure
    one = Crystal("materials-project", structure, "NbMo", **known)
    assert kinds_of([one], [describe(structure, predicted)]).tolist() == [kind]


def test_a_predicted_magnet_with_a_calculated_coupling_of_its_formula_is_nothing():
    structure = crystal("Nb", "Mo").structure
    coupled = Crystal("alexandria", structure, "NbMo", tc_k=8.0, moment=0.0)
    predicted = Crystal("materials-project", structure, "NbMo", gap_ev=0.0)
    assert kinds_of([coupled, predicted], [describe(structure, 2.0)] * 2).tolist() == ["superconductor", ""]


def test_reading(tmp_path):
    row = {"lattice": np.eye(3).tolist(), "species": ["Nb"], "frac": [[0, 0, 0]], "band_gap": None}
    big = row | {"species": ["Nb"] * 9, "frac": np.random.default_rng(0).random((9, 3)).tolist()}
    with gzip.open(tmp_path / "mp.gz", "wt") as file:
        file.write("\n".join(json.dumps(each) for each in (row, big, row | {"band_gap": 2.0})))
    found = read_crystals({"materials-project": tmp_path / "mp.gz"})
    assert [one.formula for one in found] == ["Nb", "Nb"]
    assert np.isnan(found[0].gap_ev)
    assert found[1].gap_ev == 2.0
    with pytest.raises(ModelError, match="no data set"):
        read_crystals({"other": tmp_path / "mp.gz"})
    with pytest.raises(ModelError, match="cannot be read"):
        read_crystals({"jarvis": tmp_path / "mp.gz"})


def test_reading_calculated_couplings(tmp_path):
    row = {"lattice": (3 * np.eye(3)).tolist(), "species": ["Nb"], "frac": [[0, 0, 0]], "Tc_K": 7.0, "magmom": [-0.4]}
    with gzip.open(tmp_path / "alexandria.gz", "wt") as file:
        file.write(json.dumps(row))
    poscar = Structure(Lattice.cubic(3.3), ["Nb"], [[0, 0, 0]]).to(fmt="poscar").replace("\n", "\\n")
    names = ["lambda_ep", "wlog_K", "optb88_gap", "magmom", "in_invdesflow_105", "poscar"]
    with gzip.open(tmp_path / "jarvis.gz", "wt", newline="") as file:
        table = csv.DictWriter(file, names)
        table.writeheader()
        for values in (("1.0", "200", "0", "0.1", "True", poscar), ("9.0", "200", "", "", "False", poscar)):
            table.writerow(dict(zip(names, values, strict=True)))
    (one,) = read_crystals({"alexandria": tmp_path / "alexandria.gz"})
    assert (one.tc_k, one.moment, one.formula) == (7.0, 0.4, "Nb")
    sound, strange = read_crystals({"jarvis": tmp_path / "jarvis.gz"})
    exponent = -1.04 * 2.0 / (1.0 - 0.10 * 1.62)
    f1 = (1 + (1.0 / (2.46 * (1 + 3.8 * 0.10))) ** 1.5) ** (1 / 3)
    assert sound.tc_k == pytest.approx(f1 * 200 / 1.2 * np.exp(exponent), rel=1e-3)
    assert (sound.checked, sound.gap_ev, sound.moment) == (True, 0.0, 0.1)
    assert np.isnan([strange.tc_k, strange.gap_ev, strange.moment]).all()
