"""A round that waits for candidates is closed by the last of them, once, whatever came of each."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from launchable import verification

from invdesflow.campaigns.round_candidates import note_outcome, wait_for
from invdesflow.campaigns.rounds import get_campaign

RECIPE = verification()


@pytest.fixture
def waiting(database):
    """A round that waits for two candidates."""
    RECIPE.open_round(database)
    assert wait_for(database, "verified", 0, ["a", "b"])
    return database


def close(database):
    return RECIPE.maker.close_if_ended(database, "verified", 0)


def stored(database):
    return get_campaign(database, "verified").rounds[0]


def test_the_last_one_closes_it(waiting):
    note_outcome(waiting, "verified", 0, "a", "failed")
    assert not close(waiting)
    assert stored(waiting).status == "running"
    note_outcome(waiting, "verified", 0, "b", "completed")
    assert close(waiting)
    [stage] = stored(waiting).stages
    assert (stage.stage, stage.entered, stage.passed, stage.rejected) == ("verification", 2, 1, {"failed": 1})
    assert stored(waiting).finished_at is not None


def test_all_that_end_at_once_close_it_once(waiting):
    names = [f"c{number}" for number in range(8)]
    assert wait_for(waiting, "verified", 0, names)

    def end(name):
        note_outcome(waiting, "verified", 0, name, "completed")
        return close(waiting)

    with ThreadPoolExecutor(5) as pool:
        closed = list(pool.map(end, ["a", "b", *names]))
    assert any(closed)
    record = stored(waiting)
    assert (record.status, record.stages[0].passed) == ("completed", 10)
    assert len(get_campaign(waiting, "verified").rounds) == 1


def test_what_ends_later_is_taken_into_the_account(waiting):
    for name in ("a", "b"):
        note_outcome(waiting, "verified", 0, name, "failed")
    assert close(waiting)
    before = stored(waiting)
    note_outcome(waiting, "verified", 0, "a", "completed")
    assert close(waiting)
    assert stored(waiting).stages[0].passed == 1
    assert stored(waiting).finished_at == before.finished_at


def test_one_that_is_added_keeps_it_open(waiting):
    note_outcome(waiting, "verified", 0, "a", "completed")
    note_outcome(waiting, "verified", 0, "b", "completed")
    assert wait_for(waiting, "verified", 0, ["b", "c"])
    assert not close(waiting)
    assert stored(waiting).outcomes == {"a": "completed", "b": "completed", "c": "waiting"}
    note_outcome(waiting, "verified", 0, "c", "completed")
    assert close(waiting)
    assert not wait_for(waiting, "verified", 0, ["d"]), "it has ended"


def test_an_abandoned_round_is_not_closed(waiting):
    verification(most=7).open_round(waiting)
    for name in ("a", "b"):
        note_outcome(waiting, "verified", 0, name, "completed")
    assert not close(waiting)
    assert stored(waiting).status == "abandoned"


def test_a_round_of_an_earlier_version_is_closed(waiting):
    waiting.raw["campaigns"].update_one({}, {"$unset": {"rounds.0.outcomes": True}, "$set": {"rounds.0.chosen": []}})
    assert close(waiting)
