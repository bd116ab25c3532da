"""The folder of one task: one owner at a time, and marks that tell how far it has come.

The program has run well, and its files have been read. Nothing that has run well is thrown away.
"""

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import BaseModel

from invdesflow.errors import EspressoError
from invdesflow.espresso.guard import LOCK_NAME, SECONDS_TO_END

__all__ = ["FINISHED", "RAN", "RunFolder", "task_folder", "wait_for_guard"]

FINISHED = "finished.json"
RAN = "ran.json"
_SECONDS_FOR_A_GUARD = 2 * SECONDS_TO_END


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one task, which is ours while `task_folder` holds it.

    Attributes
    ----------
    path
        Absolute path; it exists.
    """

    path: Path

    @property
    def finished(self) -> bool:
        """Whether the task has ended well, so that its files can be used."""
        return (self.path / FINISHED).is_file()

    @property
    def record(self) -> str:
        """What `mark_finished` was given, as JSON."""
        return (self.path / FINISHED).read_text()

    @property
    def has_run(self) -> bool:
        """Whether the program has ended well, so that what is left to do is to read its files."""
        return (self.path / RAN).is_file()

    @property
    def run_record(self) -> str:
        """What `mark_run` was given, as JSON."""
        return (self.path / RAN).read_text()

    def restart_clean(self) -> None:
        """Empty the folder: what an interrupted run left cannot be trusted."""
        for mark in (FINISHED, RAN):
            (self.path / mark).unlink(missing_ok=True)
        for entry in self.path.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def mark_finished(self, record: BaseModel) -> None:
        """Mark the task as finished, in one step that is on the disk when this returns."""
        self._mark(FINISHED, record)

    def mark_run(self, record: BaseModel) -> None:
        """Mark that the program has ended well, in the same way."""
        self._mark(RAN, record)

    def _mark(self, name: str, record: BaseModel) -> None:
        draft = self.path / f"{name}.new"
        with draft.open("w") as file:
            file.write(record.model_dump_json(indent=1))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path / name)


@contextmanager
def task_folder(root: Path, task_id: str) -> Iterator[RunFolder]:
    """Hold the folder of a task, made if need be, against every other process and thread.

    Parameters
    ----------
    root
        Folder of all tasks.
    task_id
        Name of the folder in it.

    Raises
    ------
    EspressoError
        If somebody else works there, or a program of an earlier process does not end.
    """
    path = root.absolute() / task_id
    path.mkdir(parents=True, exist_ok=True)
    owner = path.with_name(f"{task_id}.owner")
    # Not at once: who looks whether it is taken takes it for an instant.
    lock = FileLock(path.with_name(f"{task_id}.lock"), timeout=1.0)
    try:
        lock.acquire()
    except Timeout:
        who = owner.read_text() if owner.is_file() else "another process"
        raise EspressoError(f"{who} works in {path}.", "Wait until it has finished, or stop it.") from None
    try:
        owner.write_text(f"Process {os.getpid()} on {socket.gethostname()}")
        wait_for_guard(path)
        yield RunFolder(path)
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def wait_for_guard(path: Path) -> None:
    """Wait until what an earlier process started in a folder has ended, which it does soon after that process.

    Raises
    ------
    EspressoError
        If it does not end.
    """
    try:
        with FileLock(path / LOCK_NAME, timeout=_SECONDS_FOR_A_GUARD):
            pass
    except Timeout:
        raise EspressoError(
            f"A program that an earlier process started still runs in {path}.", "End it, then try again."
        ) from None
