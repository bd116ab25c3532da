"""Real retraining of a small Tc model: better, not better, forgotten, killed."""

import os
import signal
from itertools import combinations
from multiprocessing import get_context

import numpy as np
import pytest
from learned import METALS, alloy, coupled, known, matthias
from small_models import described

from invdesflow.database import Database
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.errors import LearningError
from invdesflow.learning.models import model_registry
from invdesflow.learning.retraining import Lesson, RetrainingRule, RetrainingSettings, compare
from invdesflow.learning.retraining_builder import RetrainingBuilder
from invdesflow.learning.retraining_documents import RetrainingDocument
from invdesflow.learning.retraining_jobs import RetrainMaker, retrain, situation
from invdesflow.learning.retraining_tc import retrain_tc
from invdesflow.learning.training_set_rows import Sources, build_training_set
from invdesflow.screening import kinds
from invdesflow.screening.tc_alignn import TcEnsemble
from invdesflow.screening.training import alignn_data, loop
from invdesflow.superconductors.documents import SuperconductorDocument

PAIRS = list(combinations(METALS, 2))
OLD = [known(alloy(*pair), *matthias(alloy(*pair))) for pair in PAIRS]
QUICK = RetrainingSettings(epochs=2, least_replay=20, replay=1.0, least_held_out=5)


def squeezed(pair, strength=1.6):
    """The alloy under pressure, where another law holds."""
    structure = alloy(*pair, 0.85)
    lambda_, omega = matthias(structure)
    return coupled(structure, strength * lambda_, 1.3 * omega, pressure_gpa=50.0)


@pytest.fixture(autouse=True)
def _small_model(small_tc_model, monkeypatch):
    monkeypatch.setattr(alignn_data, "describe_set", described)
    monkeypatch.setitem(kinds.SHIPPED, "tc", (small_tc_model,))


@pytest.fixture
def stored(database):
    """A database with published calculations and some of one's own."""
    database.collection(SuperconductorDocument).upsert(OLD[::2])
    database.collection(ElectronPhononDocument).upsert([squeezed(pair) for pair in PAIRS[::4]])
    return database


def errors(small_tc_model, tmp_path, new, settings):
    """Mean error of parent and child on held-out rows, of the old kind and of the new one, and the noise of the old."""
    documents = [squeezed(pair) for pair in PAIRS]
    training_set = build_training_set("tc", Sources(superconductors=OLD, electron_phonon=documents))
    own = [row for row in training_set.taught if row.collection == "electron_phonon"][:new]
    old = [row for row in training_set.taught if row.collection == "superconductors"]
    found = {}
    for name in ("superconductors", "electron_phonon"):
        held_out = [row for row in training_set.held_out if row.collection == name]
        lesson = Lesson(small_tc_model, own, settings.replayed(old, new), held_out, settings, tmp_path / "lesson")
        found[name] = compare(retrain_tc(lesson).measured, settings)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("new", [10, 40])
def test_few_new_rows_are_learned_and_the_old_ones_are_not_forgotten(small_tc_model, tmp_path, new):
    found = errors(small_tc_model, tmp_path, new, RetrainingSettings(epochs=6, learning_rate=1e-3, least_replay=80))
    assert found["electron_phonon"].gain_low > 0.0  # better by more than noise where something is new
    assert found["superconductors"].gain_high > 0.0  # worse by no more than noise where nothing is


@pytest.mark.slow
def test_the_anchor_holds_the_weights(small_tc_model, tmp_path):
    """With an anchor that outweighs the data the child answers as its parent does, once it had the steps to go back.

    The optimiser's steps have the same length whatever the loss: the first goes away from the parent with any anchor.
    """
    free, held = (
        errors(small_tc_model, tmp_path / str(anchor), 10, QUICK.model_copy(update={"anchor": anchor, "epochs": 20}))
        for anchor in (0.0, 100.0)
    )
    gains = [abs(one["electron_phonon"].gain) for one in (free, held)]
    assert gains[1] < 0.2 * gains[0]


@pytest.mark.slow
def test_what_is_better_is_promoted_recorded_and_rolled_back(stored, small_tc_model):
    before = situation(stored, "tc")
    settings = QUICK.model_copy(update={"epochs": 6, "learning_rate": 1e-3})
    output = retrain(stored, "tc", settings, campaign="loop", campaign_round=3)
    registry = model_registry(stored)
    child = registry.promoted("tc")
    assert (output.trained, output.after, output.before) == (child.model_id, child.model_id, before.parent.model_id)
    assert output.remark == ""
    assert output.comparison.gain_low > 0
    assert (child.parent, child.promotions[0].how) == (before.parent.digest, "better")
    assert child.card["retraining"]["training_set_id"] == output.training_set_id
    assert child.held_out_formulas_digest == before.training_set.document.held_out_formulas_digest
    done = stored.collection(RetrainingDocument).get(output.retraining_id)
    assert (done.status, done.promoted, done.provenance.campaign_round) == ("completed", True, 3)
    # what is asked now is what was measured
    model = TcEnsemble.load(registry.find("tc"))
    rows = before.training_set.held_out
    said = model.predict([row.structure for row in rows], described([row.structure for row in rows]))
    error = np.mean([abs(one.tc_k - row.labels["tc_k"]) for one, row in zip(said, rows, strict=True)])
    assert error == pytest.approx(output.comparison.child, rel=1e-6)
    assert not list((stored.settings.data_dir / "retraining").iterdir())
    # nothing is new for the child, and a second look trains nothing
    again = retrain(stored, "tc", settings)
    assert (again.trained, again.remark) == (None, f"there is nothing new since {child.model_id}")
    assert registry.rollback("tc").model_id == before.parent.model_id
    # the same question has its answer already
    answered = retrain(stored, "tc", settings)
    assert (answered.trained, answered.after) == (child.model_id, before.parent.model_id)
    assert "was rolled back" in answered.remark


@pytest.mark.slow
def test_what_is_not_better_is_kept_and_says_why(stored):
    asked = model_registry(stored).promoted("tc")
    maker = RetrainMaker(settings=QUICK.model_copy(update={"epochs": 1, "learning_rate": 1e-12}))
    output = maker.make.original(maker, "tc", "loop", 0)
    assert output.after == output.before == asked.model_id
    assert "within noise" in output.remark
    kept = model_registry(stored).get(output.trained)
    assert kept.not_promoted == output.remark
    assert kept.promoted_at is None


@pytest.mark.slow
def test_what_diverges_leaves_the_old_model_in_charge(stored):
    asked = model_registry(stored).promoted("tc")
    settings = QUICK.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(LearningError, match=r"The retraining failed: .* not finite"):
        retrain(stored, "tc", settings)
    assert model_registry(stored).promoted("tc").model_id == asked.model_id
    [failed] = stored.collection(RetrainingDocument).find()
    assert (failed.status, failed.model_id) == ("failed", None)
    assert "not finite" in failed.reason
    lenient = RetrainMaker(settings=settings)
    output = lenient.make.original(lenient, "tc")
    assert (output.after, output.trained) == (asked.model_id, None)
    assert "not finite" in output.remark


def train_until_killed(stores, settings):
    """Retrain, in a process of its own, until the second member has finished its first epoch."""
    save = loop._save

    def be_killed(checkpoint, *state):
        save(checkpoint, *state)
        if checkpoint.name == "tc-1.pt":
            os.kill(os.getpid(), signal.SIGKILL)

    loop._save = be_killed
    with Database(stores) as database:
        retrain(database, "tc", settings)


@pytest.mark.slow
def test_a_kill_in_the_middle_is_continued_and_ends_in_the_same_weights(stored):
    settings = QUICK.model_copy(update={"epochs": 3, "resamples": 100})
    process = get_context("fork").Process(target=train_until_killed, args=(stored.path, settings))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    [running] = stored.collection(RetrainingDocument).find()
    assert running.status == "running"
    assert model_registry(stored).promoted("tc").promoted_at is None
    output = retrain(stored, "tc", settings, promote=False)
    assert stored.collection(RetrainingDocument).get(output.retraining_id).attempts == 2
    continued = model_registry(stored).get(output.trained)
    whole = retrain(stored, "tc", settings, promote=False, again=True)
    assert model_registry(stored).get(whole.trained).digest == continued.digest


@pytest.mark.slow
def test_a_full_disk_is_an_error_and_the_same_call_continues(stored, monkeypatch):
    from invdesflow.learning import retraining_jobs

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(retraining_jobs, "write_model", full)
        with pytest.raises(LearningError, match=r"no space left for .*Make room"):
            retrain(stored, "tc", QUICK)
    assert retrain(stored, "tc", QUICK).trained is not None


@pytest.mark.slow
def test_the_builder_retrains_when_enough_is_new_and_only_once(stored):
    few = RetrainingBuilder(rule={"count": 1000})
    few.run_here(stored)
    assert [one.remark for one in few.started] == ["not enough is new"]
    for number in range(2):
        builder = RetrainingBuilder(rule={"count": 10}, settings=QUICK.model_dump())
        builder.run_here(stored)
        done = stored.collection(RetrainingDocument).find()
        assert [one.status for one in done] == ["completed"], number
    assert "promoted" in builder.started[0].remark or builder.started[0].remark == "not enough is new"


def test_a_set_without_anything_new_trains_nothing(database):
    database.collection(SuperconductorDocument).upsert(OLD[:30])
    output = retrain(database, "tc", QUICK)
    assert output.trained is None
    assert "nothing new since" in output.remark
    assert not database.collection(RetrainingDocument).count({"kind": "tc"})


def test_an_empty_database_is_an_error_and_for_a_campaign_a_remark(database):
    with pytest.raises(LearningError, match="nothing to learn from"):
        retrain(database, "tc", QUICK)
    maker = RetrainMaker(settings=QUICK)
    assert "nothing to learn from" in maker.make.original(maker, "tc").remark
    assert database.collection(RetrainingDocument).count({"kind": "tc"}) == 0


def test_new_is_what_the_model_has_not_seen(database):
    database.collection(SuperconductorDocument).upsert(OLD[:30])
    database.collection(ElectronPhononDocument).upsert([squeezed(pair) for pair in PAIRS[:8]])
    now = situation(database, "tc")
    assert {row.collection for row in now.new} == {"electron_phonon"}
    assert {row.collection for row in now.old} == {"superconductors"}
    assert len(now.new) + len(now.old) == now.training_set.document.taught
    assert now.age_days is None


def test_rules_about_what_is_enough():
    assert RetrainingRule(count=8).is_met(8, 30, None)
    assert not RetrainingRule(count=9).is_met(8, 30, None)
    assert RetrainingRule(count=None, share=0.25).is_met(8, 30, None)
    assert not RetrainingRule(count=None, share=0.27).is_met(8, 30, None)
    assert RetrainingRule(count=None, days=90).is_met(1, 30, 90.5)
    assert not RetrainingRule(count=None, days=90).is_met(0, 30, 90.5)
    assert not RetrainingRule(count=None, days=90).is_met(1, 30, None)
