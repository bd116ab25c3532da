"""What is done around the training: claims, names, attempts, promotion; the training itself is made up."""

import shutil
from itertools import combinations

import numpy as np
import pytest
from learned import METALS, alloy, coupled, known

from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.errors import LearningError, ModelError
from invdesflow.learning import retraining_jobs
from invdesflow.learning.models import model_registry
from invdesflow.learning.retraining import Measured, Retrained, RetrainingSettings
from invdesflow.learning.retraining_claims import Claims
from invdesflow.learning.retraining_documents import RetrainingDocument
from invdesflow.learning.retraining_jobs import RetrainMaker, retrain, situation
from invdesflow.learning.training_set_documents import TrainingSetDocument
from invdesflow.model_files import read_card, write_model
from invdesflow.screening import kinds
from invdesflow.screening.training.splits import is_held_out
from invdesflow.superconductors.documents import SuperconductorDocument

PAIRS = list(combinations(METALS, 2))
FORMULAS = [f"A{n}B" for n in range(1, 41)]
SETTINGS = RetrainingSettings()


@pytest.fixture
def stored(database, tmp_path, monkeypatch):
    """A database with calculations, and a model that ships."""
    path = tmp_path / "shipped.safetensors"
    write_model(path, {"weight": np.zeros(3)}, {"kind": "tc", "version": 1, "model_id": "shipped"})
    monkeypatch.setitem(kinds.SHIPPED, "tc", (path,))
    database.collection(SuperconductorDocument).upsert([known(alloy(*pair)) for pair in PAIRS[:6]])
    database.collection(ElectronPhononDocument).upsert([coupled(alloy(*pair), pressure_gpa=50.0) for pair in PAIRS[:4]])
    return database


class Teacher:
    """Gives weights, and a gain on every held-out row with some noise."""

    def __init__(self, weight=1.0, gain=0.5, meanwhile=lambda: None):
        self.weight, self.gain, self.meanwhile = weight, gain, meanwhile

    def __call__(self, lesson):
        gains = self.gain + np.random.default_rng(1).normal(size=len(FORMULAS))
        self.meanwhile()
        measured = Measured("error", FORMULAS, 2.0 + gains, np.full(len(gains), 2.0), {})
        card = read_card(lesson.parent)
        return Retrained({"weight": np.full(3, self.weight)}, card, measured, len(lesson.new), len(lesson.replay))


def taught(monkeypatch, teacher):
    monkeypatch.setattr(retraining_jobs, "retrainer", lambda kind: teacher)


def test_what_is_better_is_promoted(stored, monkeypatch):
    taught(monkeypatch, Teacher())
    folder = stored.settings.data_dir / "retraining"
    before = set(folder.glob("*"))
    output = retrain(stored, "tc", SETTINGS)
    assert (output.after, output.remark) == (output.trained, "")
    assert output.comparison.formulas == 40
    assert set(folder.glob("*")) <= before


def test_every_attempt_on_a_parent_raises_what_is_asked_of_the_next(stored, monkeypatch):
    found = []
    for seed in range(3):
        taught(monkeypatch, Teacher(weight=seed))
        settings = SETTINGS.model_copy(update={"seed": seed})
        found.append(retrain(stored, "tc", settings, promote=False, again=True).comparison)
    assert [one.earlier for one in found] == [0, 1, 2]
    assert [one.confidence for one in found] == pytest.approx([0.9, 0.95, 1 - 0.1 / 3])
    repeated = retrain(stored, "tc", settings, promote=False, again=True).comparison
    assert repeated.earlier == 2  # the same question is no new attempt
    assert found[2].gain_low < found[0].gain_low


def test_the_same_retraining_with_other_last_bits_is_another_model(stored, monkeypatch):
    names = []
    for weight in (1.0, 1.0 + 1e-12):
        taught(monkeypatch, Teacher(weight))
        names.append(retrain(stored, "tc", SETTINGS, promote=False, again=True).trained)
    assert names[0] != names[1]
    assert names[0].rpartition("-")[0] == names[1].rpartition("-")[0]


def test_whoever_was_taken_over_stores_and_promotes_nothing(stored, monkeypatch):
    def take_over():
        stored.raw["retrainings"].update_one({}, {"$set": {"owner": "elsewhere:1:1.00:0000"}})

    taught(monkeypatch, Teacher(meanwhile=take_over))
    with pytest.raises(LearningError, match="taken over"):
        retrain(stored, "tc", SETTINGS)
    assert [model.model_id for model in model_registry(stored).models("tc")] == ["shipped"]
    [there] = stored.collection(RetrainingDocument).find()
    assert (there.status, there.promoted) == ("running", False)


def test_two_processes_never_share_a_folder(stored, monkeypatch):
    def again():
        stored.raw["retrainings"].update_one({}, {"$set": {"status": "failed", "reason": "it was taken for dead"}})
        retrain(stored, "tc", SETTINGS)

    taught(monkeypatch, Teacher(meanwhile=again))
    with pytest.raises(LearningError, match="Another process retrains in"):
        retrain(stored, "tc", SETTINGS)


def test_a_folder_that_cannot_be_removed_undoes_no_promotion(stored, monkeypatch):
    def stuck(path, ignore_errors=False, **_):
        if not ignore_errors:
            raise OSError(39, "Directory not empty")

    taught(monkeypatch, Teacher())
    monkeypatch.setattr(shutil, "rmtree", stuck)
    output = retrain(stored, "tc", SETTINGS)
    done = stored.collection(RetrainingDocument).get(output.retraining_id)
    assert (done.status, done.promoted) == ("completed", True)
    assert model_registry(stored).promoted("tc").model_id == output.trained


def test_what_was_submitted_for_a_parent_that_is_no_longer_asked_is_given_up(stored, tmp_path, monkeypatch):
    taught(monkeypatch, Teacher())
    submitted = situation(stored, "tc").asked(SETTINGS)
    assert Claims(stored).submit(submitted)
    path = tmp_path / "other.safetensors"
    write_model(path, {"weight": np.ones(3)}, {"kind": "tc", "version": 1, "model_id": "other"})
    model_registry(stored).add(path)
    model_registry(stored).promote("other", anyway=True)
    maker = RetrainMaker(settings=SETTINGS, strict=True)
    with pytest.raises(LearningError, match="no longer asked"):
        maker.make.original(
            maker, "tc", training_set_id=submitted.training_set_id, retraining_id=submitted.retraining_id
        )
    there = Claims(stored).find(submitted.retraining_id)
    assert (there.status, "no longer asked, but other" in there.reason) == ("failed", True)


def test_any_error_of_ours_is_a_remark_for_a_campaign(stored, monkeypatch):
    def broken():
        raise ModelError("The weights cannot be read.")

    taught(monkeypatch, Teacher(meanwhile=broken))
    maker = RetrainMaker(settings=SETTINGS)
    assert "The weights cannot be read" in maker.make.original(maker, "tc").remark


def test_a_child_of_another_database_is_not_taken_for_a_model_that_ships(stored, monkeypatch):
    taught(monkeypatch, Teacher())
    child = retrain(stored, "tc", SETTINGS).trained
    assert not situation(stored, "tc").new
    stored.raw[TrainingSetDocument.collection].delete_many({})
    stored.collection(ElectronPhononDocument).upsert([coupled(alloy(*PAIRS[9]), pressure_gpa=50.0)])
    with pytest.raises(LearningError, match=f"What is new to {child} is unknown"):
        situation(stored, "tc")


def test_what_somebody_imported_is_new_to_a_model_that_ships(stored):
    before = situation(stored, "tc")
    own = [known(alloy(*pair), dataset=f"file:{pair[0]}.cif") for pair in PAIRS[6:20]]
    stored.collection(SuperconductorDocument).upsert(own)
    now = situation(stored, "tc")
    added = {row.source for row in now.new} - {row.source for row in before.new}
    assert added == {f"superconductors:{one.superconductor_id}" for one in own if not is_held_out(one.reduced_formula)}
    assert {row.source for row in now.old} == {row.source for row in before.old}
