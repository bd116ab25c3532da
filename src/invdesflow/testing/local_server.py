"""A real database server for tests, on a data folder and a port of its own.

Use it with ``pytest_plugins = ["invdesflow.testing.local_server"]``.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from invdesflow.database.database import Database
from invdesflow.database.server import LocalServer
from invdesflow.settings import SETTINGS_FILE_VARIABLE, default_file, get_settings

__all__ = ["DatabaseServer", "database", "database_server", "free_port", "settings_environment", "write_store_file"]


@dataclass(frozen=True)
class DatabaseServer:
    """A running server.

    Attributes
    ----------
    data_dir
        Value for ``INVDESFLOW_DATA_DIR``.
    stores
        Store file beside it that names this server and the database ``invdesflow``.
    server
        The server itself.
    """

    data_dir: Path
    stores: Path
    server: LocalServer


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on.

    It lies below the range from which systems give ports to outgoing connections, so that none takes it meanwhile.
    """
    while True:
        port = 20000 + secrets.randbelow(12000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def write_store_file(folder: Path, port: int, database: str = "invdesflow") -> Path:
    """Write ``stores/local.yaml`` and the collections beside it, for another port and database.

    Returns
    -------
    Path
        The store file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = yaml.safe_load(default_file("stores/local.yaml").read_text())
    for store in (content["docs_store"], *content["additional_stores"].values()):
        store |= {"port": port, "database": database}
    shutil.copy(default_file("stores/collections.yaml"), folder / "collections.yaml")
    file = folder / "local.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


@pytest.fixture(scope="session")
def database_server() -> Iterator[DatabaseServer]:
    """Run a server for the whole session; skip where no server program is installed."""
    if shutil.which("mongod") is None and LocalServer.secantusd() is None:
        pytest.skip("neither mongod nor secantusd-py is installed")
    # In memory where the system has such a folder: the server waits for the disk at every commit.
    memory = Path("/dev/shm")  # noqa: S108
    data_dir = Path(tempfile.mkdtemp(prefix="invdesflow-", dir=memory if os.access(memory, os.W_OK) else None))
    port = free_port()
    server = LocalServer(data_dir / "database", "127.0.0.1", port)
    # It stops the server and removes the folder when its standard input ends, that is, even when pytest is killed.
    guard = subprocess.Popen(  # noqa: S603 (our own module)
        [sys.executable, "-m", "invdesflow.testing.guard", str(data_dir), server.host, str(port)],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        server.start()
        yield DatabaseServer(data_dir, write_store_file(data_dir / "stores", port), server)
    finally:
        guard.communicate()


@pytest.fixture
def settings_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the test settings of its own; nothing of the user's settings, stores and data is read or written.

    The store file names a port that nobody listens on, so that `Database` starts a server; use `database` to share one.

    Yields
    ------
    Path
        Folder of the settings (``settings.yaml``), the data (``data``) and the store file (``stores/local.yaml``).
    """
    folder = tmp_path / "invdesflow"
    folder.mkdir()
    for name in [name for name in os.environ if name.upper().startswith("INVDESFLOW_")]:
        monkeypatch.delenv(name)
    settings_file = folder / "settings.yaml"
    settings_file.touch(mode=0o600)
    monkeypatch.setenv(SETTINGS_FILE_VARIABLE, str(settings_file))
    monkeypatch.setenv("INVDESFLOW_DATA_DIR", str(folder / "data"))
    monkeypatch.setenv("INVDESFLOW_STORES", str(write_store_file(folder / "stores", free_port())))
    get_settings.cache_clear()
    yield folder
    get_settings.cache_clear()


@pytest.fixture
def database(
    database_server: DatabaseServer, settings_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Database]:
    """Open a new database on the session's server; `Database()` and sub-processes of the test open the same one."""
    name = f"test_{uuid4().hex[:12]}"
    stores = write_store_file(settings_environment / "stores", database_server.server.port, name)
    monkeypatch.setenv("INVDESFLOW_DATA_DIR", str(database_server.data_dir))
    monkeypatch.setenv("INVDESFLOW_STORES", str(stores))
    get_settings.cache_clear()
    with Database() as opened:
        yield opened
        opened.raw.client.drop_database(name)
