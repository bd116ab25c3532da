"""FireWorks on the documents' database: files that name it with credentials and TLS, and what must hold none."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import bson
import pytest
import yaml
from fireworks import LaunchPad
from launchable import stored_candidates, verification
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from invdesflow.campaigns.launching.launchpad import launch_command, launch_files, launchpad_of
from invdesflow.campaigns.launching.submission import submit_campaign
from invdesflow.campaigns.rounds import get_campaign
from invdesflow.database import Database
from invdesflow.database.server import LocalServer
from invdesflow.settings import default_file, get_settings
from invdesflow.testing.local_server import free_port

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[2]
PASSWORD = "s3cret-Passw0rd"


def run(command, folder, *, shell=False, answer=""):
    """Run a command to its end, answering what it asks, and return what it printed."""
    done = subprocess.run(
        command, shell=shell, cwd=folder, input=answer, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def rlaunch(database, folder):
    """Run everything that is ready with the command that we print."""
    return run(launch_command(database).replace("rlaunch", str(BIN / "rlaunch")), folder, shell=True)


@pytest.fixture
def programs_that_fail(tmp_path, monkeypatch):
    """Quantum ESPRESSO whose programs are there and fail at once."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("pw.x", "ph.x", "q2r.x", "matdyn.x", "projwfc.x", "epw.x"):
        (folder / name).write_text("#!/bin/sh\necho out of order >&2\nexit 3\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("INVDESFLOW_ESPRESSO_BIN", str(folder))
    monkeypatch.setenv("INVDESFLOW_ESPRESSO_DIR", str(tmp_path / "espresso"))
    get_settings.cache_clear()


def test_the_file_at_the_top_level_names_the_local_database(database, tmp_path):
    shipped = yaml.safe_load((ROOT / "launchpad.yaml").read_text())
    store = yaml.safe_load(default_file("stores/local.yaml").read_text())["docs_store"]
    assert [shipped[key] for key in ("host", "port", "name")] == [store[key] for key in ("host", "port", "database")]
    assert shipped["mongoclient_kwargs"] == store["mongoclient_kwargs"]
    ours = launchpad_of(database)
    assert (shipped["user_indices"], shipped["wf_user_indices"]) == (ours.user_indices, ours.wf_user_indices)
    submit_campaign(database, verification(candidate_ids=stored_candidates(database, 2)))
    place = database.store_file.docs_store
    copy = tmp_path / "launchpad.yaml"
    copy.write_text(yaml.safe_dump(shipped | {"port": place.port, "name": place.database}))
    assert run([BIN / "lpad", "-l", copy, "get_wflows", "-d", "count"], tmp_path).splitlines()[-1] == "2"


def test_what_lpad_resets_has_our_indexes_too(database, tmp_path):
    file = launch_files(database).launchpad
    database.raw["fw_id_assigner"].drop()
    # Not with its password, the day, which may end meanwhile.
    run([BIN / "lpad", "-l", file, "reset"], tmp_path, answer=f"{database.store_file.docs_store.database}\n")
    assert "spec.candidate_id_1" in database.raw["fireworks"].index_information()
    assert "metadata.campaign_1" in database.raw["workflows"].index_information()


@pytest.mark.slow
def test_a_failed_calculation_ends_its_workflow_and_the_round(database, tmp_path, programs_that_fail):
    """The step that fails is in the middle; what follows fails in turn, up to the job that always runs."""
    candidates = stored_candidates(database, 2)
    recipe = verification(candidate_ids=candidates)
    submit_campaign(database, recipe)
    rlaunch(database, tmp_path)
    [record] = get_campaign(database, "verified").rounds
    assert record.outcomes == dict.fromkeys(candidates, "failed")
    assert (record.status, record.stages[0].rejected) == ("completed", {"failed": 2})
    fireworks = list(database.raw["fireworks"].find())
    told = {row["name"]: (row["state"], row["spec"]["_category"]) for row in fireworks}
    assert told["end of the calculation"] == ("COMPLETED", "ml")
    assert told["scf"] == ("FIZZLED", "dft")
    assert told["judge metal"] == ("FIZZLED", "ml")
    assert {row["spec"]["candidate_id"] for row in fireworks} == set(candidates)
    verification_again = verification("again", candidate_ids=candidates)
    told = submit_campaign(database, verification_again)
    assert [entry.state for entry in told.entries] == ["fizzled", "fizzled"]
    remark = told.entries[0].remark
    assert remark.endswith(f"invdesflow runs rerun {candidates[0]}")
    run([BIN / "invdesflow", *remark.partition("invdesflow ")[2].split()], tmp_path)
    states = {row["name"]: row["state"] for row in database.raw["fireworks"].find({"spec.candidate_id": candidates[0]})}
    assert states == {
        "begin": "COMPLETED",
        "scf": "READY",
        "judge metal": "WAITING",
        "store_inputs": "WAITING",
        "end of the calculation": "WAITING",
    }


@pytest.fixture
def secured(tmp_path, monkeypatch):
    """A database of a server with passwords and TLS, with the credentials in the environment."""
    if LocalServer.secantusd() is None or shutil.which("openssl") is None:
        pytest.skip("secantusd-py or openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    asked = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    run([*asked, "-keyout", key, "-out", certificate], tmp_path)
    port = free_port()
    process = serve(tmp_path, port)
    with MongoClient("127.0.0.1", port) as client:
        client.admin.command("createUser", "writer", pwd=PASSWORD, roles=[{"role": "readWrite", "db": "invdesflow"}])
    process.terminate()
    process.wait(60)
    process = serve(tmp_path, port, "--auth", "--tls-cert-file", str(certificate), "--tls-key-file", str(key))
    settings = {
        "STORES": default_file("stores/mongodb.yaml"),
        "DATA_DIR": tmp_path / "data",
        "MONGODB_URI": f"mongodb://127.0.0.1:{port}",
        "MONGODB_USERNAME": "writer",
        "MONGODB_PASSWORD": PASSWORD,
        "MONGODB_AUTH_SOURCE": "admin",
        "MONGODB_TLS": "true",
        "MONGODB_TLS_CA_FILE": certificate,
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"INVDESFLOW_{name}", str(value))
    get_settings.cache_clear()
    with Database() as opened:
        yield opened
    process.terminate()
    process.wait(60)


def serve(folder, port, *arguments):
    """Run secantusd-py and wait until it answers, if only that it speaks TLS."""
    command = [LocalServer.secantusd(), "--host", "127.0.0.1", "--port", str(port), "--storage-path", folder / "db"]
    (folder / "empty.toml").touch()
    process = subprocess.Popen(
        [*command, *arguments, "--config", folder / "empty.toml"], cwd=folder, stderr=subprocess.DEVNULL
    )
    ca = {"tls": True, "tlsCAFile": str(folder / "certificate.pem")} if "--auth" in arguments else {}
    for _ in range(300):
        try:
            with MongoClient("127.0.0.1", port, serverSelectionTimeoutMS=2000, **ca) as client:
                client.admin.command("ping")
                return process
        except PyMongoError:
            assert process.poll() is None
            time.sleep(0.1)
    process.kill()
    raise AssertionError("the server does not answer")


@pytest.mark.slow
def test_the_password_is_in_the_users_files_and_nowhere_else(secured, tmp_path, programs_that_fail):
    files = launch_files(secured)
    for file in files:
        assert (file.stat().st_mode & 0o777, PASSWORD in file.read_text()) == (0o600, True)
    kept = LaunchPad.from_file(str(files.launchpad)).mongoclient_kwargs
    assert (kept["tls"], kept["authSource"], kept["username"]) == (True, "admin", "writer")
    submit_campaign(secured, verification(candidate_ids=stored_candidates(secured, 1)))
    work = tmp_path / "work"
    work.mkdir()
    printed = rlaunch(secured, work)
    states = {row["name"]: row["state"] for row in secured.raw["fireworks"].find()}
    assert (states["scf"], states["end of the calculation"]) == ("FIZZLED", "COMPLETED"), (states, printed)
    assert PASSWORD not in printed
    for name in secured.raw.list_collection_names():
        for row in secured.raw[name].find():
            assert PASSWORD.encode() not in bson.encode(row), name
    for file in [*work.rglob("*"), *(tmp_path / "espresso").rglob("*")]:
        assert not file.is_file() or PASSWORD.encode() not in file.read_bytes(), file
    assert list(work.rglob("FW.json")), "which hold what FireWorks was told"


@pytest.mark.parametrize("missing", ["tls", "password"])
def test_lpad_is_refused_without_tls_and_without_password(secured, tmp_path, missing):
    file = launch_files(secured).launchpad
    content = yaml.safe_load(file.read_text())
    kept = content["mongoclient_kwargs"]
    for name in {"tls": ("tls", "tlsCAFile"), "password": ("username", "password")}[missing]:
        del kept[name]
    kept["serverSelectionTimeoutMS"] = 2000
    file.write_text(yaml.safe_dump(content))
    command = [BIN / "lpad", "-l", file, "get_wflows", "-d", "count"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode != 0
