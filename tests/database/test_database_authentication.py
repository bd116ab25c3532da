"""A server that asks for a password: who may do what, and that nobody else learns the password."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bson import json_util
from pymatgen.core import Lattice, Structure
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from summaries import summary

from invdesflow.campaigns.jobs import FinishRoundMaker, LoadSuperconductorsMaker
from invdesflow.campaigns.launching.launchpad import launch_command, launchpad_of
from invdesflow.campaigns.launching.tasks import to_workflow
from invdesflow.database import Database
from invdesflow.database.server import LocalServer
from invdesflow.errors import DatabaseError
from invdesflow.generation.documents import CandidateDocument, Generator, NoveltyResult, Origin, candidate_document
from invdesflow.settings import default_file, get_settings
from invdesflow.testing.local_server import free_port

PASSWORD = "s3cret-Passw0rd"


def serve(folder: Path, *arguments: str, **options: Any) -> tuple[subprocess.Popen, int]:
    """Run secantusd-py and wait until it answers a client with these options."""
    port = free_port()
    program = LocalServer.secantusd()
    assert program is not None
    command = [program, "--host", "127.0.0.1", "--port", str(port), "--storage-path", str(folder / "db"), *arguments]
    (folder / "empty.toml").touch()
    process = subprocess.Popen(
        [*command, "--config", str(folder / "empty.toml")], cwd=folder, stderr=subprocess.DEVNULL
    )
    for _ in range(300):
        try:
            with MongoClient("127.0.0.1", port, serverSelectionTimeoutMS=2000, **options) as client:
                client.admin.command("ping")
                return process, port
        except PyMongoError:
            assert process.poll() is None
            time.sleep(0.1)
    process.kill()
    raise AssertionError("the server does not answer")


def serve_users(folder: Path, *arguments: str, **options: Any) -> Iterator[int]:
    """Run a server with two users, `writer` and `reader` of the database `invdesflow`, as the how-to makes them."""
    if LocalServer.secantusd() is None:
        pytest.skip("secantusd-py is not installed")
    process, port = serve(folder)
    with MongoClient("127.0.0.1", port) as client:
        for user, role in (("writer", "readWrite"), ("reader", "read")):
            roles = [{"role": role, "db": "invdesflow"}]
            client.admin.command("createUser", user, pwd=PASSWORD, roles=roles, mechanisms=["SCRAM-SHA-256"])
    process.terminate()
    process.wait(60)
    process, port = serve(folder, "--auth", *arguments, **options)
    yield port
    process.terminate()
    process.wait(60)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Run a server that asks for a password."""
    yield from serve_users(tmp_path_factory.mktemp("authentication"))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make two certificate authorities, `ours` and `other`, and the server's certificate by the first."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for name in ("ours", "other"):
        openssl(
            "req", "-x509", *key, "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem"
        )
    openssl("req", *key, "-subj", "/CN=127.0.0.1", "-keyout", "server.key", "-out", "server.csr")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    signed = ("-CA", "ours.pem", "-CAkey", "ours.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
    openssl("x509", "-req", "-in", "server.csr", *signed, "-out", "server.pem")
    return folder


@pytest.fixture(scope="module")
def tls_port(tmp_path_factory: pytest.TempPathFactory, certificates: Path) -> Iterator[int]:
    """Run a server that speaks TLS and asks for a password."""
    files = ("--tls-cert-file", str(certificates / "server.pem"), "--tls-key-file", str(certificates / "server.key"))
    options = {"tls": True, "tlsCAFile": str(certificates / "ours.pem")}
    yield from serve_users(tmp_path_factory.mktemp("tls"), *files, **options)


@pytest.fixture
def connect(port, settings_environment, monkeypatch):
    """Return a function that opens the database of ``stores/mongodb.yaml`` with the given settings."""

    def connect(**settings: str) -> Database:
        stores = settings_environment / "stores" / "mongodb.yaml"
        text = default_file("stores/mongodb.yaml").read_text()
        stores.write_text(text.replace("serverSelectionTimeoutMS: 10000", "serverSelectionTimeoutMS: 2000"))
        monkeypatch.setenv("INVDESFLOW_STORES", str(stores))
        monkeypatch.setenv("INVDESFLOW_MONGODB_URI", f"mongodb://127.0.0.1:{port}")
        for name, value in settings.items():
            monkeypatch.setenv(f"INVDESFLOW_{name.upper()}", value)
        get_settings.cache_clear()
        return Database(read_only=settings.get("mongodb_username") == "reader")

    return connect


@pytest.fixture
def secure(connect: Callable[..., Database], tls_port: int, certificates: Path) -> Callable[..., Database]:
    """Return the same function for the server that speaks TLS."""

    def secure(**settings: str) -> Database:
        tls = {"mongodb_tls": "true", "mongodb_tls_ca_file": str(certificates / "ours.pem")}
        return connect(**{"mongodb_uri": f"mongodb://127.0.0.1:{tls_port}"} | tls | settings)

    return secure


def refusal(action) -> str:
    with pytest.raises(DatabaseError) as caught:
        action()
    assert "\n" not in str(caught.value)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


def test_writer_then_reader(connect):
    with connect(mongodb_username="writer", mongodb_password=PASSWORD) as database:
        database.summary.upsert([summary("c1", tc_k=39.0)])
        assert PASSWORD not in f"{database!r} {vars(database)!r} {database.raw!r}"
        store = database.job_store()
        store.connect()
        store.update({"uuid": "u1", "index": 1, "output": {"big": [1, 2]}}, save={"data": ["big"]})
        assert store.get_output("u1", load=True) == {"big": [1, 2]}
        with database.maggma_store("summary") as summaries:
            assert summaries.count() == 1
    with connect(mongodb_username="reader", mongodb_password=PASSWORD) as database:
        assert [row.candidate_id for row in database.candidates(tc_min=15)] == ["c1"]
        assert "no right to do this" in refusal(lambda: database.summary.upsert([summary("c2")]))
        assert "no right to do this" in refusal(lambda: database.summary.insert_new([summary("c2")]))
        database.store_file.collections["summary"].indexes.append(["nsites"])
        assert "no right to do this" in refusal(database.ensure_indexes)


def test_password_in_the_uri(connect, port):
    with connect(mongodb_uri=f"mongodb://writer:{PASSWORD}@127.0.0.1:{port}/?authSource=admin") as database:
        assert database.address == f"127.0.0.1:{port}"
        database.job_store().connect()


def test_wrong_password(connect):
    message = refusal(lambda: connect(mongodb_username="writer", mongodb_password="wrong" + PASSWORD))
    assert "refuses the user name or password" in message
    assert "INVDESFLOW_MONGODB_PASSWORD" in message


def test_wrong_password_in_the_uri(connect, port):
    uri = f"mongodb://writer:wrong{PASSWORD}@127.0.0.1:{port}"
    assert "refuses the user name or password" in refusal(lambda: connect(mongodb_uri=uri))


def test_no_password(connect):
    assert "no right to do this" in refusal(connect)


def test_tls_where_there_is_none(connect):
    assert "TLS" in refusal(lambda: connect(mongodb_tls="true"))


def test_password_over_tls(secure):
    with secure(mongodb_username="writer", mongodb_password=PASSWORD) as database:
        database.summary.upsert([summary("c1", tc_k=39.0)])
    with secure(mongodb_username="reader", mongodb_password=PASSWORD) as database:
        assert [row.candidate_id for row in database.candidates()] == ["c1"]
        assert "no right to do this" in refusal(lambda: database.summary.upsert([summary("c2")]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mongodb_password": "wrong"}, "refuses the user name or password"),
        ({"mongodb_username": "nobody"}, "refuses the user name or password"),
        ({"mongodb_tls_ca_file": "other.pem"}, "TLS"),
        ({"mongodb_tls": "false", "mongodb_tls_ca_file": ""}, "No MongoDB server answers|connection .* broke"),
    ],
)
def test_refusals_over_tls(secure, certificates, settings, message):
    if settings.get("mongodb_tls_ca_file"):
        settings = {"mongodb_tls_ca_file": str(certificates / settings["mongodb_tls_ca_file"])}
    told = refusal(lambda: secure(**{"mongodb_username": "writer", "mongodb_password": PASSWORD} | settings))
    assert re.search(message, told)


def test_no_password_over_tls(secure):
    assert "no right to do this" in refusal(secure)


def test_a_reader_asks_and_changes_nothing(connect, port, settings_environment, tmp_path):
    """Not even the indexes, which are made when somebody opens the database who may write."""
    with connect(mongodb_username="writer", mongodb_password=PASSWORD) as database:
        niobium = Structure(Lattice.cubic(3.3), ["Nb"], [[0, 0, 0]])
        origin = Origin(
            kind="substitution", parents=["a"], generator=Generator(name="test"), campaign="a", campaign_round=0
        )
        novelty = NoveltyResult(new_composition=True, new_structure=True)
        candidate = candidate_document(niobium, origin, [], novelty)
        database.collection(CandidateDocument).upsert([candidate])
        database.summary.upsert([summary(candidate.candidate_id, tc_k=39.0)])
        database.raw["summary"].drop_indexes()
        database.raw.drop_collection("campaigns")
        before = database.raw["summary"].index_information()

    def invdesflow(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "invdesflow.cli.main", *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == code, ended.stderr
        assert PASSWORD not in ended.stdout + ended.stderr
        return ended

    connect(mongodb_username="reader", mongodb_password=PASSWORD).close()
    found = {row["candidate_id"] for row in json.loads(invdesflow("query", "--json").stdout)}
    assert candidate.candidate_id in found
    assert "Nb" in invdesflow("show", candidate.candidate_id).stdout
    invdesflow("export", str(tmp_path / "found.csv"), "--format", "csv")
    assert candidate.candidate_id in (tmp_path / "found.csv").read_text()
    invdesflow("db", "backup", str(tmp_path / "all.tar.gz"))
    refused = invdesflow("db", "indexes", code=3)
    assert refused.stderr.startswith("error: The user has no right to do this")
    assert refused.stderr.count("\n") == 1
    assert not (settings_environment / "data" / "database").exists(), "a local server was started"
    with MongoClient("127.0.0.1", port, username="writer", password=PASSWORD) as client:
        assert client["invdesflow"]["summary"].index_information() == before
        assert "campaigns" not in client["invdesflow"].list_collection_names()


@pytest.mark.slow
def test_the_password_is_written_nowhere_but_in_files_for_the_user_alone(connect, settings_environment, tmp_path):
    with connect(mongodb_username="writer", mongodb_password=PASSWORD) as database:
        launchpad = launchpad_of(database)
        for job in (LoadSuperconductorsMaker().make(), FinishRoundMaker().make("none", 0, [])):
            launchpad.add_wf(to_workflow(job))
        command = launch_command(database)
        assert PASSWORD not in command
        environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        ran = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        assert sorted(row["state"] for row in database.raw["fireworks"].find()) == ["COMPLETED", "FIZZLED"]
        assert PASSWORD not in ran.stdout + ran.stderr
        for name in database.raw.list_collection_names():
            assert PASSWORD not in json_util.dumps(list(database.raw[name].find())), name
    holders = {path for path in tmp_path.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()}
    assert {path.parent for path in holders} <= {settings_environment / "data" / "launch"}
    assert {path.stat().st_mode & 0o777 for path in holders} == {0o600}
