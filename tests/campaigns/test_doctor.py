import json
import os
import stat
import subprocess
import sys

import pytest

from invdesflow.campaigns.doctor import database as of_database
from invdesflow.campaigns.doctor import espresso, machine, models
from invdesflow.campaigns.doctor.findings import Check, Finding, carry_out
from invdesflow.campaigns.doctor.table import examine
from invdesflow.campaigns.recipes import read_recipe
from invdesflow.errors import ModelError
from invdesflow.settings import Settings, default_file, get_settings
from invdesflow.testing.local_server import free_port


def executable(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(stat.S_IRWXU)


def pw_on(folder, ranks):
    """A pw.x that says, as the real one does, on how many ranks it runs."""
    banner = "     Program PWSCF v.7.4 starts on today"
    executable(
        folder / "pw.x", f"echo '{banner}'; echo '     Parallel version (MPI), running on     {ranks} processors'"
    )
    return Settings(espresso_bin=folder, espresso_ranks=4, espresso_launcher="env RANKS={ranks}")


def test_what_is_not_needed_is_a_warning_when_it_is_missing():
    def nothing():
        yield Finding("a", "ok", "is there")
        raise ModelError("b is not there.", "Get it.")

    assert [finding.verdict for finding in carry_out(Check("all", nothing))] == ["ok", "missing"]
    found = list(carry_out(Check("all", nothing, needed=False)))
    assert found == [Finding("a", "ok", "is there"), Finding("all", "warning", "b is not there.", "Get it.")]


def test_the_database_is_written_and_what_is_old_is_named(database):
    assert [finding.verdict for finding in of_database.writing(database)] == ["ok"]
    assert database.raw["doctor"].count_documents({}) == 0
    [finding] = of_database.schema_versions(database)
    assert finding.verdict == "ok"
    database.raw["relaxations"].insert_one({"relaxation_id": "old", "schema_version": 0})
    [finding] = of_database.schema_versions(database)
    assert (finding.verdict, finding.found) == ("missing", "1 relaxations of another version")
    assert "migrate" in finding.remedy
    [finding] = of_database.clock(database)
    assert finding.verdict == "ok"
    for check in (of_database.indexes, of_database.job_store, of_database.queue):
        assert [finding.verdict for finding in check(database)] == ["ok"]


def test_models_are_those_that_ship_and_damage_is_found(database, monkeypatch, tmp_path):
    found = {finding.subject: finding for finding in models.models(database)}
    assert found["cost model"] == Finding("cost model", "ok", "cost-1")
    assert {finding.verdict for finding in found.values()} == {"ok"}
    shipped = models.kinds.SHIPPED["cost"][0]
    damaged = tmp_path / shipped.name
    damaged.write_bytes(shipped.read_bytes()[:-1])
    damaged.with_suffix(".json").write_text(shipped.with_suffix(".json").read_text())
    monkeypatch.setitem(models.kinds.SHIPPED, "cost", (damaged,))
    [finding] = [finding for finding in models.models(database) if finding.verdict != "ok"]
    assert "SHA-256" in finding.found


def test_ranks_that_do_not_know_of_each_other_are_found(tmp_path):
    [finding] = espresso.mpi(pw_on(tmp_path, 4))
    assert (finding.verdict, finding.found) == ("ok", "4 ranks start together")
    [finding] = espresso.mpi(pw_on(tmp_path, 1))
    assert finding.verdict == "missing"
    assert f"env RANKS=4 {tmp_path}/pw.x" in finding.remedy


def test_programs_are_asked_for_their_versions(tmp_path):
    settings = pw_on(tmp_path, 1)
    found = {finding.subject: finding for finding in espresso.programs(settings)}
    assert (found["pw.x"].verdict, found["pw.x"].found) == ("ok", "7.4")
    assert found["ph.x"].verdict == "missing"
    assert "espresso_bin" in found["ph.x"].remedy


def test_threads_and_disk(settings_environment, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert [finding.verdict for finding in machine.threads()] == ["warning"]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert [finding.verdict for finding in machine.threads()] == ["ok"]
    settings = get_settings()
    monkeypatch.setattr(machine, "_SCARCE_BYTES", 1e18)
    assert {finding.verdict for finding in machine.disk_space(settings)} == {"warning"}
    monkeypatch.setattr(machine, "_LITTLE_BYTES", 1e17)
    assert {finding.verdict for finding in machine.disk_space(settings)} == {"missing"}
    assert not settings.data_dir.exists(), "nothing is made by looking"


def needed(findings, subject):
    return next(finding for finding in findings if finding.subject == subject)


@pytest.mark.slow
def test_a_recipe_decides_what_is_needed(database, monkeypatch, tmp_path):
    monkeypatch.setenv("INVDESFLOW_ESPRESSO_BIN", str(tmp_path))
    get_settings.cache_clear()
    without = list(examine())
    assert needed(without, "pw.x").verdict == "warning"
    assert needed(without, "potential CHGNet").verdict == "ok"
    verifying = list(examine(read_recipe(default_file("flows/verification.yaml"))))
    assert needed(verifying, "pw.x").verdict == "missing"
    assert needed(verifying, "pseudopotentials").remedy == "Run: invdesflow pseudos install pseudodojo-pbe-standard"
    discovering = list(examine(read_recipe(default_file("flows/discovery.yaml"))))
    assert [finding for finding in discovering if finding.verdict == "missing"] == []


def test_without_a_database_all_else_is_still_looked_at(settings_environment, monkeypatch):
    monkeypatch.setenv("INVDESFLOW_STORES", str(default_file("stores/mongodb.yaml")))
    uri = f"mongodb://alice:s3cret@127.0.0.1:{free_port()}/?serverSelectionTimeoutMS=200"
    environment = os.environ | {"INVDESFLOW_MONGODB_URI": uri, "INVDESFLOW_ESPRESSO_BIN": "/nowhere"}
    result = subprocess.run(
        [sys.executable, "-m", "invdesflow.cli.main", "doctor", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    rows = json.loads(result.stdout)
    assert [row["subject"] for row in rows if row["verdict"] == "missing"] == ["database"]
    assert {"OMP_NUM_THREADS", "pw.x", "potential CHGNet"} <= {row["subject"] for row in rows}
    assert "s3cret" not in result.stdout + result.stderr
    assert all(row["remedy"] for row in rows if row["verdict"] != "ok")
