"""One retraining of one question, whoever asks, in a real database."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import numpy as np
import psutil
import pytest

from invdesflow.database import Database
from invdesflow.database.documents import utc_now
from invdesflow.errors import LearningError
from invdesflow.learning.retraining import Measured, RetrainingSettings, compare, verdict
from invdesflow.learning.retraining_claims import Claims, this_owner
from invdesflow.learning.retraining_documents import RetrainingDocument, retraining_id


def asked(parent="a" * 64, owner=None, **changes):
    fields = {
        "retraining_id": retraining_id("tc", "ts-1", parent),
        "kind": "tc",
        "training_set_id": "ts-1",
        "parent_id": "tc-alignn-1",
        "parent_digest": parent,
        "status": "submitted",
        "owner": owner or this_owner(),
        "heartbeat": utc_now(),
    }
    return RetrainingDocument(**(fields | changes))


def test_two_schedulers_at_once_end_in_one_retraining(database):
    with Database() as other, ThreadPoolExecutor(8) as threads:
        claims = [Claims(database), Claims(other)]
        won = list(threads.map(lambda number: claims[number % 2].submit(asked()), range(8)))
    assert won.count(True) == 1
    assert database.collection(RetrainingDocument).count({}) == 1


def test_what_is_submitted_is_taken_once(database):
    claims = Claims(database)
    first = asked()
    assert claims.submit(first)
    with claims.held(asked()) as held:
        assert (held.status, held.attempts) == ("running", 2)
        with pytest.raises(LearningError, match="is being run by"), claims.held(asked()):
            pytest.fail("it was held twice")
        done = claims.finish(held, model_id="tc-2", promoted=True)
    assert claims.find(first.retraining_id).model_dump(exclude={"updated_at", "created_at"}) == done.model_dump(
        exclude={"updated_at", "created_at", "heartbeat"}
    ) | {"heartbeat": claims.find(first.retraining_id).heartbeat}
    assert not claims.submit(asked())
    with pytest.raises(LearningError), claims.held(asked()):
        pytest.fail("it was completed")
    with claims.held(asked(), again=True) as held:
        assert (held.status, held.model_id, held.promoted) == ("running", None, False)


def test_a_process_that_has_gone_is_replaced(database):
    claims = Claims(database)
    dead = asked(owner=gone(), status="running")
    database.collection(RetrainingDocument).insert_new([dead])
    with claims.held(asked()) as held:
        assert held.attempts == 2
        with pytest.raises(LearningError, match="taken over"):
            claims.finish(dead, model_id="tc-2", promoted=True)


def test_a_heartbeat_that_stopped_on_another_machine_is_replaced(database):
    claims = Claims(database)
    elsewhere = "elsewhere:17:1.00:0000"
    alive = asked(owner=elsewhere, status="running")
    database.collection(RetrainingDocument).insert_new([alive])
    assert not claims.submit(asked())
    with pytest.raises(LearningError, match=elsewhere), claims.held(asked()):
        pytest.fail("it was alive")
    database.raw["retrainings"].update_one({}, {"$set": {"heartbeat": utc_now() - timedelta(minutes=11)}})
    assert claims.submit(asked())


def test_a_living_process_of_this_machine_is_not_replaced_however_old_its_heartbeat(database):
    """As after a computer has slept, and with a clock that was set meanwhile."""
    claims = Claims(database)
    old = utc_now() - timedelta(hours=9)
    database.collection(RetrainingDocument).insert_new([asked(status="running", heartbeat=old)])
    assert not claims.submit(asked())
    with pytest.raises(LearningError, match="is being run by"), claims.held(asked()):
        pytest.fail("it was alive")


def test_a_clock_that_is_set_makes_nobody_another(monkeypatch):
    before = this_owner().split(":")[2]
    booted, process = psutil.boot_time(), psutil.Process
    monkeypatch.setattr(psutil, "boot_time", lambda: booted + 3600)
    create_time = process.create_time
    monkeypatch.setattr(process, "create_time", lambda self: create_time(self) + 3600)
    assert float(this_owner().split(":")[2]) == pytest.approx(float(before), abs=1.0)


def gone():
    script = "from invdesflow.learning.retraining_claims import this_owner; print(this_owner())"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def test_a_submission_of_a_process_that_has_gone_is_lost_unless_it_waits_for_a_worker(database):
    claims = Claims(database)
    owner = gone()
    for queued, free in ((True, False), (False, True)):
        database.raw["retrainings"].delete_many({})
        assert claims.submit(asked(owner=owner, queued=queued))
        assert claims.submit(asked()) is free


def test_a_lost_claim_is_noticed(database):
    claims = Claims(database)
    with claims.held(asked()) as held:
        claims.confirm(held)
        database.raw["retrainings"].update_one({}, {"$set": {"owner": "elsewhere:17:1.00:0000"}})
        with pytest.raises(LearningError, match="taken over"):
            claims.confirm(held)


def test_what_goes_wrong_is_its_reason_and_is_tried_again_by_hand_only(database):
    claims = Claims(database)
    with pytest.raises(ZeroDivisionError), claims.held(asked()):
        _ = 1 / 0
    found = claims.find(asked().retraining_id)
    assert (found.status, found.reason) == ("failed", "division by zero")
    assert not claims.submit(asked())
    with claims.held(asked()) as held:
        assert held.reason == ""


def test_a_retraining_says_why_it_ended():
    with pytest.raises(ValueError, match="needs a reason"):
        asked(status="completed", model_id="tc-2")
    with pytest.raises(ValueError, match="only a model is promoted"):
        asked(status="completed", promoted=True)


def measured(parent, child, formulas=None):
    return Measured("error", formulas or [f"A{n}B" for n in range(len(parent))], parent, child, {})


def test_the_interval_is_that_of_the_central_limit():
    """Of many independent rows the bootstrap interval is mean +- 1.645 s / sqrt(n)."""
    random = np.random.default_rng(1)
    parent, gain = random.uniform(1, 2, 400), random.normal(0.1, 1.0, 400)
    found = compare(measured(parent, parent - gain), RetrainingSettings(confidence=0.9, resamples=8000))
    half = 1.645 * gain.std() / 20
    assert found.gain == pytest.approx(gain.mean())
    assert (found.gain_low, found.gain_high) == pytest.approx((gain.mean() - half, gain.mean() + half), abs=0.01)


def test_polymorphs_count_as_one():
    random = np.random.default_rng(2)
    gain = np.repeat(random.normal(0.05, 1.0, 40), 10)
    formulas = [f"A{n // 10}B" for n in range(400)]
    together = compare(measured(gain, 0 * gain, formulas), RetrainingSettings())
    apart = compare(measured(gain, 0 * gain), RetrainingSettings())
    width = [one.gain_high - one.gain_low for one in (together, apart)]
    assert width[0] == pytest.approx(np.sqrt(10) * width[1], rel=0.2)


def test_only_what_is_better_by_more_than_noise_is_promoted():
    settings = RetrainingSettings()
    random = np.random.default_rng(3)
    parent = random.uniform(1, 2, 100)
    noise = random.normal(0, 0.1, 100)
    assert verdict(compare(measured(parent, parent - 0.1 + noise), settings), settings) == ""
    assert "within noise" in verdict(compare(measured(parent, parent + noise - noise.mean()), settings), settings)
    assert "it is worse" in verdict(compare(measured(parent, parent + 0.1 + noise), settings), settings)
    few = compare(measured(parent[:9], parent[:9] / 2), settings)
    assert verdict(few, settings) == "there are 9 held-out formulas to compare on; 10 are needed"
    none = compare(measured(np.empty(0), np.empty(0)), settings)
    assert (none.rows, none.gain) == (0, None)
    with pytest.raises(LearningError, match="not a number"):
        compare(measured(parent, parent * np.nan), settings)


def test_many_polymorphs_of_few_compounds_are_few():
    """Of one formula the bootstrap would have an interval without a width."""
    settings = RetrainingSettings()
    ten = measured(np.full(10, 2.0), np.full(10, 1.9), ["AlB2"] * 10)
    found = compare(ten, settings)
    assert (found.rows, found.formulas, found.gain_low) == (10, 1, None)
    assert verdict(found, settings) == "there are 1 held-out formulas to compare on; 10 are needed"
    nine = measured(np.full(90, 2.0), np.full(90, 1.9), [f"A{n % 9 + 1}B" for n in range(90)])
    assert "10 are needed" in verdict(compare(nine, settings), settings)


@pytest.mark.parametrize("number", [10, 12, 30])
def test_noise_is_promoted_as_rarely_as_the_confidence_says(number):
    """One tail of 90 % is 5 %; the plain percentiles promote 8 to 9 % of 10 to 12 formulas."""
    random = np.random.default_rng(number)
    settings = RetrainingSettings(resamples=400)
    zero = np.zeros(number)
    trials = 1500
    promoted = sum(
        not verdict(compare(measured(random.normal(size=number), zero), settings), settings) for _ in range(trials)
    )
    assert promoted / trials == pytest.approx(0.05, abs=0.02)
