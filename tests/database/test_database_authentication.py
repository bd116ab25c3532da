"""A server that asks for a password."""

import subprocess
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from summaries import summary

from invdesflow.database import Database
from invdesflow.database.server import LocalServer
from invdesflow.errors import DatabaseError
from invdesflow.settings import default_file, get_settings
from invdesflow.testing.local_server import free_port

PASSWORD = "s3cret-Passw0rd"


def serve(folder: Path, *arguments: str) -> tuple[subprocess.Popen, int]:
    """Run secantusd-py and wait until it answers."""
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
            with MongoClient("127.0.0.1", port, serverSelectionTimeoutMS=200) as client:
                client.admin.command("ping")
                return process, port
        except PyMongoError:
            assert process.poll() is None
            time.sleep(0.1)
    process.kill()
    raise AssertionError("the server does not answer")


@pytest.fixture(scope="module")
def port(tmp_path_factory) -> Iterator[int]:
    """Run a server with two users, `writer` and `reader` of the database `invdesflow`."""
    if LocalServer.secantusd() is None:
        pytest.skip("secantusd-py is not installed")
    folder = tmp_path_factory.mktemp("authentication")
    process, port = serve(folder)
    with MongoClient("127.0.0.1", port) as client:
        for user, role in (("writer", "readWrite"), ("reader", "read")):
            client.admin.command("createUser", user, pwd=PASSWORD, roles=[{"role": role, "db": "invdesflow"}])
    process.terminate()
    process.wait(60)
    process, port = serve(folder, "--auth")
    yield port
    process.terminate()
    process.wait(60)


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
        return Database()

    return connect


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
