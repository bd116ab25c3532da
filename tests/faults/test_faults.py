"""Every fault of the harness, once; the table in docs/reliability.md repeats each of them more often."""

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from invdesflow.testing.faults import programs
from invdesflow.testing.faults.catalogue import scenarios
from invdesflow.testing.faults.killed import mend_queue, put_on_queue
from invdesflow.testing.faults.promises import Promise, Promises
from invdesflow.testing.faults.scenario import Scenario, ended_well, losses_at_the_end
from invdesflow.testing.faults.world import Place, place_at

pytestmark = pytest.mark.slow

GONE_S = 3.0
with scenarios(GONE_S) as known:
    NAMES = [scenario.name for scenario in known]


@pytest.fixture(scope="module")
def place(database_server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Run a server of this file's own; the session's server only says that one is installed."""
    with place_at(tmp_path_factory.mktemp("faults")) as place:
        yield place


@pytest.fixture(scope="module")
def by_name() -> Iterator[dict[str, Scenario]]:
    with scenarios(GONE_S) as known:
        yield {scenario.name: scenario for scenario in known}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_lost(name: str, by_name: dict[str, Scenario], place: Place) -> None:
    scenario = by_name[name]
    reason = scenario.why_not()
    if reason is not None:
        pytest.skip(reason)
    outcome = scenario.run(place, Random(f"test {name}"))
    assert outcome.losses == [], outcome.moment


def test_a_rocket_killed_before_its_writes_one_after_the_other(place: Place) -> None:
    """One step: the firework is taken, its launch written, it runs, the workflow grows."""
    number, survived = 3, False
    while not survived:
        with place.world() as world:
            arguments = put_on_queue(world, 0.0, n_steps=1)
            survived = world.start(programs.rocket, *arguments, name="victim", fatal_write=number).finish().code == 0
            with world.database() as database:
                mend_queue(database)
            lost = ended_well(world.start(programs.rocket, *arguments, name="finish"))
            assert lost + losses_at_the_end(world, {"cheap": 1}) == [], f"killed before write {number}"
        number += 10
    assert number > 50


def test_a_rocket_takes_over_the_lock_of_one_that_was_killed(place: Place) -> None:
    """With FireWorks as it comes the rocket would wait for 300 s and give up."""
    with place.world() as world:
        launchpad, folder = put_on_queue(world, 0.0, n_steps=1)
        with world.database() as database:
            database.raw["workflows"].update_one({}, {"$set": {"locked": True}})
        (world.folder / "FW_config.yaml").write_text("WFLOCK_EXPIRATION_SECS: 1\nWFLOCK_EXPIRATION_KILL: true\n")
        rocket = world.rlaunch(launchpad, folder, {"FW_CONFIG_FILE": str(world.folder / "FW_config.yaml")})
        assert rocket.wait(280) == 0
        assert losses_at_the_end(world, {"cheap": 1}) == []


def test_what_is_lost_is_seen(place: Place) -> None:
    """The harness itself: documents that vanish, go back or are spoilt after they were promised."""
    with place.world() as world:
        assert ended_well(world.start(programs.steps, world.promises.path, "none", [1, 2], name="steps")) == []
        assert losses_at_the_end(world) == []
        with world.database() as database:
            vanished = database.raw["candidates"].find_one_and_delete({})["candidate_id"]
            spoilt = database.raw["candidates"].find_one_and_update({}, {"$unset": {"structure": ""}})["candidate_id"]
            blob = database.raw["data.files"].find_one_and_delete({})["filename"]
            world.promises.note(Promise(collection="summary", identifier="s", version=3))
            database.raw["summary"].insert_one({"candidate_id": "s", "tc_k": 2.0})
        lost = " ".join(losses_at_the_end(world))
        assert f"acknowledged and missing: candidates {vanished}" in lost
        assert f"half-written: candidates {spoilt}" in lost
        assert "acknowledged and gone back: summary s to 2.0, not 3" in lost
        assert "not mended: missing blob" in lost
        assert blob


def test_a_promise_that_was_cut_off_is_none(tmp_path: Path) -> None:
    promises = Promises(tmp_path / "promises")
    promises.note(Promise(collection="a", identifier="1"), Promise(collection="a", identifier="2"))
    os.truncate(promises.path, promises.path.stat().st_size - 1)
    assert [promise.identifier for promise in promises] == ["1"]
