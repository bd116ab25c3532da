"""The local database server: ``mongod`` where it is installed, else ``secantusd-py``, on loopback."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import chain, pairwise
from pathlib import Path
from typing import Self

import psutil
from filelock import FileLock
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from invdesflow.errors import DatabaseError

__all__ = ["LocalServer", "ServerStatus"]

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 20.0
_KILL_TIMEOUT_S = 20.0
_ANSWER_TIMEOUT_MS = 500
_STORAGE_OPTIONS = {"mongod": "--dbpath", "secantusdb": "--storage-path"}


@dataclass(frozen=True)
class ServerStatus:
    """State of the local server."""

    running: bool
    address: str
    data_dir: str
    engine: str | None = None
    pid: int | None = None
    version: str | None = None


@dataclass(frozen=True)
class _Record:
    """What the pid file says."""

    pid: int
    engine: str
    port: int

    @classmethod
    def of(cls, pid: int, storage: Path) -> Self | None:
        """Describe a process if it is a server on this storage folder.

        Its command line says so. A process id alone could belong to somebody else by now, and the time at which a
        process began moves when the clock is set.
        """
        try:
            process = psutil.Process(pid)
            command = process.cmdline()
            alive = process.status() != psutil.STATUS_ZOMBIE
        except (psutil.Error, ValueError):  # a damaged pid file may name any number
            return None
        values = dict(pairwise(command))
        for engine, option in _STORAGE_OPTIONS.items():
            folder, port = values.get(option), values.get("--port", "")
            if alive and folder is not None and port.isdigit() and Path(folder).resolve() == storage.resolve():
                return cls(pid, engine, int(port))
        return None


class LocalServer:
    """A server that belongs to one data folder and one port of the loopback interface.

    Parameters
    ----------
    data_dir
        Folder of the server: ``db/`` holds the data, beside it the log and the pid file.
    host, port
        Where it listens.
    """

    def __init__(self, data_dir: Path, host: str, port: int) -> None:
        self.data_dir = data_dir.absolute()  # the server itself runs in this folder
        self.host = host
        self.port = port
        self.log = self.data_dir / "server.log"
        self._storage = self.data_dir / "db"
        self._pid_file = self.data_dir / "server.json"

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"

    def status(self) -> ServerStatus:
        """Say whether our server runs."""
        record = self._record()
        if record is None:
            return ServerStatus(running=False, address=self.address, data_dir=str(self.data_dir))
        return ServerStatus(
            running=True,
            address=f"{self.host}:{record.port}",
            data_dir=str(self.data_dir),
            engine=record.engine,
            pid=record.pid,
            version=self._version(),
        )

    def start(self) -> bool:
        """Start the server unless it runs.

        Returns
        -------
        bool
            True if it was started now.

        Raises
        ------
        DatabaseError
            If no server program is installed, a foreign process holds the port, or the server does not come up.
        """
        with self._lock():
            record = self._record()
            if record is not None:
                self._check_port(record)
                self._wait_until_up(record.pid)  # the command that started it may have been interrupted
                return False
            if self._is_taken(self.port):
                raise DatabaseError(
                    f"Another program already listens on {self.address}; the local database cannot start there.",
                    "Stop it, or copy stores/local.yaml, change the port in the copy, and set INVDESFLOW_STORES to it.",
                )
            engine, command = self._command()
            process = self._spawn(command)
            try:
                self._write(_Record(process.pid, engine, self.port))
            except OSError:  # nobody would find this server again
                process.kill()
                process.wait()
                raise
            self._wait_until_up(process.pid)
            return True

    def stop(self) -> bool:
        """Stop the server in an orderly way; kill it if it does not end, which its log says.

        Acknowledged writes are in its journal, so that killing it costs a recovery at the next start and no document.

        Returns
        -------
        bool
            False if it did not run.

        Raises
        ------
        DatabaseError
            If it is still there after it was killed, or something that is not ours listens in its place.
        """
        with self._lock():
            record = self._record()
            if record is None:
                self._pid_file.unlink(missing_ok=True)
                if self._is_taken(self.port):
                    raise DatabaseError(
                        f"What listens on {self.address} is not the local database in {self.data_dir}; it runs on.",
                        "Set INVDESFLOW_DATA_DIR to its folder if it is another one of ours.",
                    )
                return False
            if not self._ends(record, signal.SIGTERM, _STOP_TIMEOUT_S):
                # secantusdb stops inside its signal handler, where it may wait for a lock that its start holds.
                self._note(f"Process {record.pid} did not stop within {_STOP_TIMEOUT_S:.0f} s and was killed.")
                if not self._ends(record, signal.SIGKILL, _KILL_TIMEOUT_S):
                    raise DatabaseError(
                        f"The local database (process {record.pid}) cannot be stopped.", f"Look at {self.log}."
                    )
            self._pid_file.unlink(missing_ok=True)
            return True

    def _ends(self, record: _Record, request: signal.Signals, seconds: float) -> bool:
        """Ask our server to end; wait until it is gone, reaped or not, and its last thread has let go of the port."""
        with suppress(ProcessLookupError):
            os.kill(record.pid, request)
        deadline = time.monotonic() + seconds
        while _Record.of(record.pid, self._storage) is not None or self._is_taken(record.port):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def _note(self, text: str) -> None:
        with self.log.open("a") as log:
            log.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} invdesflow: {text} Acknowledged writes are journalled.\n")

    @contextmanager
    def _lock(self) -> Iterator[None]:
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            with FileLock(self.data_dir / "server.lock"):
                yield
        except OSError as error:
            raise DatabaseError(
                f"The folder {self.data_dir} of the local database cannot be used: {error.strerror}.",
                "Free space there, or set INVDESFLOW_DATA_DIR to another folder.",
            ) from error

    def _record(self) -> _Record | None:
        """Find our server: the process that the pid file names, else whichever works on our storage folder."""
        try:
            named = [int(json.loads(self._pid_file.read_text())["pid"])]
        except (OSError, ValueError, TypeError, KeyError):
            named = []
        found = (_Record.of(pid, self._storage) for pid in chain(named, psutil.pids()))
        return next(filter(None, found), None)

    def _write(self, record: _Record) -> None:
        unfinished = self._pid_file.with_suffix(".part")
        unfinished.write_text(json.dumps(asdict(record)))
        unfinished.replace(self._pid_file)

    def _check_port(self, record: _Record) -> None:
        if record.port != self.port:
            raise DatabaseError(
                f"The local database in {self.data_dir} already runs on port {record.port}, not {self.port}.",
                "Stop it (invdesflow db stop), or set INVDESFLOW_DATA_DIR to another folder.",
            )

    def _is_taken(self, port: int) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1.0)
            return probe.connect_ex((self.host, port)) == 0

    def _command(self) -> tuple[str, list[str]]:
        self._storage.mkdir(exist_ok=True)
        mongod = shutil.which("mongod")
        if mongod is not None:
            return "mongod", [mongod, "--bind_ip", self.host, "--port", str(self.port), "--dbpath", str(self._storage)]
        secantusd = self.secantusd()
        if secantusd is not None:
            # An empty configuration file keeps it from picking one up in the working directory.
            configuration = self.data_dir / "secantusd.toml"
            configuration.touch()
            return "secantusdb", [
                secantusd,
                *("--config", str(configuration), "--host", self.host, "--port", str(self.port)),
                *("--storage-path", str(self._storage), "--sync-on-commit", "--log-level", "WARNING"),
            ]
        raise DatabaseError(
            "No database server is installed: neither mongod nor secantusd-py is on the PATH.",
            "Install one with: pip install 'invdesflow[local-db]'.",
        )

    @staticmethod
    def secantusd() -> str | None:
        """Find the program ``secantusd-py``: beside this Python, or on the PATH."""
        return shutil.which("secantusd-py", path=str(Path(sys.executable).parent)) or shutil.which("secantusd-py")

    def _spawn(self, command: list[str]) -> psutil.Popen:
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C in the terminal is for the campaign, not for the database.
            return psutil.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.data_dir, start_new_session=True
            )

    def _wait_until_up(self, pid: int) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        try:
            process = psutil.Process(pid)
            while process.status() != psutil.STATUS_ZOMBIE:
                # Ours, not somebody else's who took the port in between; and it answers: a server that is told to stop
                # between listening and serving may hang.
                listens = any(connection.laddr.port == self.port for connection in process.net_connections("tcp"))
                if listens and self._answers():
                    return
                if time.monotonic() > deadline:
                    raise DatabaseError(
                        f"The local database (process {pid}) is not up after {_START_TIMEOUT_S:.0f} s.",
                        f"It may be recovering its data: wait, run the command again, or look at {self.log}.",
                    )
                time.sleep(0.05)
        except psutil.NoSuchProcess:
            pass
        self._pid_file.unlink(missing_ok=True)
        raise DatabaseError(f"The local database did not start: {self._last_log_line()}", f"Look at {self.log}.")

    def _answers(self) -> bool:
        client: MongoClient[dict[str, object]] = MongoClient(
            self.host, self.port, serverSelectionTimeoutMS=_ANSWER_TIMEOUT_MS, directConnection=True
        )
        with client, suppress(PyMongoError):
            client.admin.command("ping")
            return True
        return False

    def _last_log_line(self) -> str:
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1][:300] if lines else "it said nothing."

    def _version(self) -> str | None:
        if not self._is_taken(self.port):
            return None
        try:
            client: MongoClient[dict[str, object]] = MongoClient(self.host, self.port, serverSelectionTimeoutMS=2000)
            with client:
                return str(client.server_info()["version"])
        except PyMongoError:
            return None
