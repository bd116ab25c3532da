"""Real processes that begin at once, because what they import is imported already, and that can be killed anywhere."""

import faulthandler
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import monitoring

from invdesflow.errors import InvDesFlowError

__all__ = ["Ended", "Started", "start"]

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["invdesflow.testing.faults.programs"])
_WRITES = {"insert", "update", "delete", "findAndModify"}
_LIMIT_S = 300.0
_WRITING_DOWN_S = 0.5


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes
    ----------
    code
        Its exit status; the negative number of the signal that killed it.
    seconds
        How long it ran.
    said
        What it wrote to its streams.
    """

    code: int
    seconds: float
    said: str


class WriteCounter(monitoring.CommandListener):
    """Count the writes that this process sends to the database, and kill it before one of them.

    Parameters
    ----------
    file
        Where the count is kept.
    fatal
        Number of the write before which the process is killed; 0 lets it live.
    """

    def __init__(self, file: Path, fatal: int) -> None:
        self._file, self._fatal, self._count = file, fatal, 0

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Count a write, or die before it."""
        if event.command_name not in _WRITES:
            return
        self._count += 1
        self._file.write_text(str(self._count))
        if self._count == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Do nothing."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class Started:
    """A process, the file that it writes to, and when it began."""

    process: multiprocessing.process.BaseProcess
    log: Path
    began: float

    @property
    def writes(self) -> int:
        """How many writes it has sent to the database."""
        file = _writes_file(self.log)
        return int(file.read_text() or 0) if file.exists() else 0

    def kill_after(self, seconds: float) -> bool:
        """Kill it at a moment of its run; return whether it still ran."""
        self.process.join(seconds)
        alive = self.process.is_alive()
        if alive:
            self.process.kill()
        self.process.join()
        return alive

    def finish(self, limit_s: float = _LIMIT_S) -> Ended:
        """Wait for its end.

        Raises
        ------
        TimeoutError
            If it does not end; it is killed then.
        """
        self.process.join(limit_s)
        if self.process.is_alive() and self.process.pid is not None:
            os.kill(self.process.pid, signal.SIGUSR1)  # it writes down where it is
            time.sleep(_WRITING_DOWN_S)
        if self.kill_after(0.0):
            raise TimeoutError(f"{self.log.name} did not end within {limit_s:.0f} s: {self._said()}")
        return Ended(self.process.exitcode or 0, time.monotonic() - self.began, self._said())

    def _said(self) -> str:
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""


def start(
    target: Callable[..., None], *arguments: Any, environment: Mapping[str, str], log: Path, fatal_write: int = 0
) -> Started:
    """Start a process.

    Parameters
    ----------
    target
        What it runs: a function of `invdesflow.testing.faults.programs`.
    *arguments
        Its arguments.
    environment
        Variables to set first.
    log
        File for its streams.
    fatal_write
        Number of the write to the database before which it is killed; 0 lets it live.
    """
    process = _CONTEXT.Process(target=_run, args=(target, arguments, dict(environment), log, fatal_write))
    process.start()
    return Started(process, log, time.monotonic())


def _writes_file(log: Path) -> Path:
    return log.with_suffix(".writes")


def _run(
    target: Callable[..., None], arguments: tuple[Any, ...], environment: dict[str, str], log: Path, fatal_write: int
) -> None:
    streams = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(streams, sys.stdout.fileno())
    os.dup2(streams, sys.stderr.fileno())
    os.environ.update(environment)
    faulthandler.register(signal.SIGUSR1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    monitoring.register(WriteCounter(_writes_file(log), fatal_write))
    try:
        target(*arguments)
    except InvDesFlowError as error:  # as the command line does
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
