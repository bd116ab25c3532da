"""What this machine runs without a queue: rounds of campaigns, and programs of Quantum ESPRESSO in their folders."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from invdesflow.database.campaign import CampaignDocument
from invdesflow.database.database import Database
from invdesflow.espresso.tasks import run_root

__all__ = ["OwnedFolder", "holder", "interrupted", "owned_folders", "round_lock", "rounds_begun"]


@dataclass(frozen=True)
class OwnedFolder:
    """The folder of a task that somebody works in, or worked in until he was killed.

    Attributes
    ----------
    path
        The folder; its name is the identifier of the task.
    owner
        Who said that he works there.
    held
        Whether he still does.
    """

    path: Path
    owner: str
    held: bool

    @property
    def host(self) -> str:
        """Name of the machine."""
        return self.owner.rpartition(" ")[2]

    @property
    def program(self) -> str:
        """What runs there: the program of the newest input."""
        inputs = sorted(self.path.glob("*.in"), key=lambda file: file.stat().st_mtime)
        return f"{inputs[-1].stem}.x" if inputs else "preparing"


def owned_folders(database: Database) -> Iterator[OwnedFolder]:
    """Yield the folders of tasks that have an owner, dead or alive."""
    for file in sorted(run_root(database.settings).glob("*.owner")):
        path = file.with_suffix("")
        try:
            owner = file.read_text()
        except FileNotFoundError:  # it has ended just now
            continue
        if path.is_dir():
            yield OwnedFolder(path, owner, _lives(owner) or _is_held(path.with_name(f"{path.name}.lock")))


def rounds_begun(database: Database) -> Iterator[tuple[str, int, datetime]]:
    """Yield campaign, number and begin of every round that is not complete."""
    for campaign in database.collection(CampaignDocument).find({"rounds.status": "running"}):
        yield from ((campaign.name, one.number, one.started_at) for one in campaign.rounds if one.status == "running")


def round_lock(database: Database, campaign: str) -> Path:
    """Return the file that a process locks while it runs a round of a campaign."""
    return database.settings.data_dir / "campaigns" / f"{campaign}.lock"


def interrupted(database: Database, campaign: str) -> bool:
    """Tell whether no process of this machine works on a campaign."""
    return not _is_held(round_lock(database, campaign))


def holder(lock: Path) -> psutil.Process | None:
    """Find the process of this machine that has a lock file open; none if it is not ours to look at."""
    for process in psutil.process_iter():
        try:
            if any(Path(opened.path) == lock for opened in process.open_files()):
                return process
        except psutil.Error:
            continue
    return None


def _lives(owner: str) -> bool:
    """Tell whether an owner is a process of this machine; to try his lock might be in the way of the next one."""
    words = owner.split()
    return len(words) == 4 and words[3] == socket.gethostname() and psutil.pid_exists(int(words[1]))


def _is_held(lock: Path) -> bool:
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
