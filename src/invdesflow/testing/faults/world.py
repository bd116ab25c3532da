"""Where a fault happens: a folder, a database of its own on a server of this harness, and processes that know both."""

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from invdesflow.campaigns.launching.launchpad import FIREWORKS_CONFIG, launch_files
from invdesflow.database import Database
from invdesflow.database.server import LocalServer
from invdesflow.settings import SETTINGS_FILE_VARIABLE, Settings
from invdesflow.testing.faults.processes import Started, start
from invdesflow.testing.faults.promises import Promises
from invdesflow.testing.local_server import free_port, write_store_file

__all__ = ["Place", "World", "place_at"]


@dataclass(frozen=True)
class Place:
    """A server with its folder, which many worlds may share.

    Attributes
    ----------
    folder
        Data folder, as of ``INVDESFLOW_DATA_DIR``.
    server
        The server.
    """

    folder: Path
    server: LocalServer
    _numbers: Iterator[int] = field(default_factory=itertools.count, repr=False)

    @contextmanager
    def world(self) -> Iterator["World"]:
        """Open a new database; it is dropped in the end, unless the server is gone."""
        number = next(self._numbers)
        name = f"faults_{number}"
        folder = self.folder / name
        folder.mkdir()
        stores = write_store_file(folder / "stores", self.server.port, name)
        settings = folder / "settings.yaml"
        settings.touch(mode=0o600)
        world = World(self, folder, stores, settings)
        yield world
        with world.database() as database:
            database.raw.client.drop_database(name)
        shutil.rmtree(folder)


@contextmanager
def place_at(folder: Path) -> Iterator[Place]:
    """Start a server in a folder; stop it in the end."""
    folder.mkdir(parents=True, exist_ok=True)
    server = LocalServer(folder / "database", "127.0.0.1", free_port())
    try:
        server.start()
        yield Place(folder, server)
    finally:
        server.stop()


@dataclass(frozen=True)
class World:
    """One database and the processes that work on it.

    Attributes
    ----------
    place
        Its server.
    folder
        Folder of its own.
    stores
        Store file that names the database.
    settings_file
        An empty one, so that the user's is not read.
    """

    place: Place
    folder: Path
    stores: Path
    settings_file: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables by which a process finds this world."""
        return {
            "INVDESFLOW_STORES": str(self.stores),
            "INVDESFLOW_DATA_DIR": str(self.place.folder),
            SETTINGS_FILE_VARIABLE: str(self.settings_file),
            "FW_CONFIG_FILE": str(FIREWORKS_CONFIG),
            "JOBFLOW_CONFIG_FILE": str(self.folder / "jobflow.yaml"),
            "INVDESFLOW_WORKERS": "2",
        }

    @property
    def promises(self) -> Promises:
        """What the writers of this world were told."""
        return Promises(self.folder / "promises.jsonl")

    def database(self) -> Database:
        """Open the database in this process."""
        return Database(self.stores, Settings(stores=self.stores, data_dir=self.place.folder))

    def start(
        self, target: Callable[..., None], *arguments: Any, name: str, fatal_write: int = 0, **more: str
    ) -> Started:
        """Start a process in this world.

        Parameters
        ----------
        target, *arguments
            Function of `invdesflow.testing.faults.programs`, and what it takes.
        name
            Name of its log.
        fatal_write
            Number of the write to the database before which it is killed; 0 lets it live.
        **more
            Further variables of its environment.
        """
        environment = {**self.environment, **more}
        return start(
            target, *arguments, environment=environment, log=self.folder / f"{name}.log", fatal_write=fatal_write
        )

    def rlaunch(self, launchpad: Path, folder: Path, more: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        """Start FireWorks' own ``rlaunch rapidfire``, with further variables in its environment."""
        program = Path(sys.executable).with_name("rlaunch")
        with (self.folder / "rlaunch.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 (FireWorks' own program)
                [str(program), "-l", str(launchpad), "-s", "rapidfire", "--sleep", "1"],
                cwd=folder,
                env={**os.environ, **self.environment, **more},
                stdout=log,
                stderr=log,
            )

    def write_launch_files(self) -> Path:
        """Write the files that a rocket reads; return the launchpad's."""
        (self.folder / "launches").mkdir(exist_ok=True)
        with self.database() as database:
            return launch_files(database, self.folder).launchpad
