"""What every builder promises, shown on one that sums the values of groups."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from monty.json import MontyDecoder
from monty.serialization import dumpfn
from summaries import SumBuilder

from invdesflow.database.builders import BuildFailure
from invdesflow.settings import get_settings

MRUN = Path(sys.executable).with_name("mrun")


@pytest.fixture
def members(database):
    """Store five groups of two members each; the sum of group g<n> is 2n + 1."""
    database.raw["members"].insert_many(
        [
            {"group": f"g{number}", "name": f"m{number}{part}", "value": float(number + part)}
            for number in range(5)
            for part in range(2)
        ]
    )
    return database.raw["members"]


def build(database) -> SumBuilder:
    builder = SumBuilder(chunk_size=2)
    builder.run_here(database)
    return builder


def contents(database) -> list[dict]:
    return list(database.raw["summary"].find().sort("candidate_id"))


def sums(database) -> dict[str, float]:
    return {row["candidate_id"]: row["tc_k"] for row in contents(database)}


def start(*arguments: str, builder_file: Path) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    return subprocess.Popen(
        [MRUN, "--no_bars", *arguments, builder_file], env=environment, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen) -> None:
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors


def test_build_twice_is_the_same_store(database, members):
    assert build(database).written == 5
    assert sums(database) == {"g0": 1.0, "g1": 3.0, "g2": 5.0, "g3": 7.0, "g4": 9.0}
    before = contents(database)
    again = build(database)
    assert (again.written, again.total) == (0, 0)
    assert contents(database) == before


def test_only_what_changed_is_processed(database, members):
    build(database)
    before = {row["candidate_id"]: row for row in contents(database)}
    members.update_one({"name": "m20"}, {"$set": {"value": 10.0}})
    members.insert_one({"group": "g5", "name": "m50", "value": 4.0})
    assert build(database).written == 2
    after = {row["candidate_id"]: row for row in contents(database)}
    assert {name for name in after if after[name] != before.get(name)} == {"g2", "g5"}
    assert (after["g2"]["tc_k"], after["g5"]["tc_k"]) == (13.0, 4.0)
    assert after["g2"]["created_at"] == before["g2"]["created_at"]


def test_new_member_rebuilds_its_group(database, members):
    build(database)
    members.insert_one({"group": "g1", "name": "m12", "value": 100.0})
    assert build(database).written == 1
    assert sums(database)["g1"] == 103.0


def test_failed_rebuild_keeps_the_last_good_document_and_is_retried(database, members):
    build(database)
    before = contents(database)
    members.update_one({"name": "m30"}, {"$set": {"value": -1.0}})
    for _ in range(2):
        failed = build(database)
        assert failed.failures == [BuildFailure("g3", "ValueError: a negative member")]
        assert (failed.written, failed.total) == (0, 1)
        assert contents(database) == before
    members.update_one({"name": "m30"}, {"$set": {"value": 1.0}})
    assert build(database).failures == []
    assert sums(database)["g3"] == 5.0


def test_a_failure_does_not_stop_the_others(database, members):
    members.update_one({"name": "m00"}, {"$set": {"value": -1.0}})
    builder = build(database)
    assert (builder.written, [failure.key for failure in builder.failures]) == (4, ["g0"])


def test_killed_build_is_continued(database, members, monkeypatch):
    update, calls = SumBuilder.update_targets, []

    def killed(self, items):
        calls.append(items)
        if len(calls) == 2:
            raise KeyboardInterrupt
        update(self, items)

    monkeypatch.setattr(SumBuilder, "update_targets", killed)
    with pytest.raises(KeyboardInterrupt):
        build(database)
    monkeypatch.undo()
    assert len(contents(database)) == 2
    assert build(database).written == 3
    assert len(sums(database)) == 5


@pytest.mark.parametrize("processes", [[], ["-n", "2"]])
def test_mrun(database, members, tmp_path, processes):
    members.update_one({"name": "m00"}, {"$set": {"value": -1.0}})
    builder_file = tmp_path / "builder.json"
    dumpfn(SumBuilder(chunk_size=2), builder_file)
    finish(start(*processes, builder_file=builder_file))
    assert sums(database) == {"g1": 3.0, "g2": 5.0, "g3": 7.0, "g4": 9.0}
    before = contents(database)
    finish(start(*processes, builder_file=builder_file))
    assert contents(database) == before


def test_concurrent_builders_end_in_one_consistent_store(database, tmp_path):
    groups = 60
    rows = [{"group": f"g{number:02}", "name": f"m{number}", "value": float(number)} for number in range(groups)]
    database.raw["members"].insert_many(rows)
    builder_file = tmp_path / "builder.json"
    dumpfn(SumBuilder(chunk_size=5), builder_file)
    processes = [start(builder_file=builder_file), start("-n", "2", builder_file=builder_file)]
    for process in processes:
        finish(process)
    assert sums(database) == {f"g{number:02}": float(number) for number in range(groups)}
    assert database.raw["summary"].count_documents({}) == groups
    assert build(database).written == 0


def test_serialised_builder_carries_no_credential(database, monkeypatch):
    password = "s3cret-Passw0rd"
    monkeypatch.setenv("INVDESFLOW_MONGODB_PASSWORD", password)
    monkeypatch.setenv("INVDESFLOW_MONGODB_URI", f"mongodb://user:{password}@host")
    get_settings.cache_clear()
    builder = SumBuilder(stores=str(database.path), chunk_size=3)
    builder.connect()
    assert builder.database.settings.mongodb_password.get_secret_value() == password
    assert password not in json.dumps(builder.as_dict())
    assert password.encode() not in pickle.dumps(builder)
    for copy in (pickle.loads(pickle.dumps(builder)), MontyDecoder().process_decoded(builder.as_dict())):
        assert isinstance(copy, SumBuilder)
        assert (copy.stores, copy.chunk_size) == (str(database.path), 3)
    builder.finalize()
    builder.finalize()
