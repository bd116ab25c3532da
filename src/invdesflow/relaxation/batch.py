"""Relaxation of many crystals by worker processes that may die without taking the others along."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Generator, Hashable, Iterator, Mapping
from multiprocessing import Pipe
from multiprocessing.connection import wait
from typing import Generic, TypeVar

from pymatgen.core import Structure

from invdesflow.errors import PotentialError
from invdesflow.relaxation.potentials import Device, Potential
from invdesflow.relaxation.relaxation import (
    DEFAULT_SETTINGS,
    RelaxationResult,
    RelaxationSettings,
    failed_relaxation,
)
from invdesflow.relaxation.worker import Assignment

__all__ = ["relax_batch"]

Key = TypeVar("Key", bound=Hashable)

ATTEMPTS = 2
LOADING_LIMIT_S = 300.0
_COMMAND = "import sys; from invdesflow.relaxation.worker import serve; serve(int(sys.argv[1]))"


def relax_batch(
    structures: Mapping[Key, Structure],
    potential: Potential,
    settings: RelaxationSettings = DEFAULT_SETTINGS,
    *,
    workers: int | None = None,
    device: Device = "cpu",
    time_limit_s: float = 600.0,
) -> Generator[tuple[Key, RelaxationResult], None, None]:
    """Relax crystals side by side and yield each result as it is ready.

    Every worker process loads the potential once and runs on one thread, which for small crystals is twice as fast as
    two. The largest crystals go first. A crystal whose worker dies or exceeds the time limit is tried once more in a
    new one, then given up; the other crystals do not notice. When the iterator is closed, by Ctrl-C for example, or
    the calling process ends in whatever way, the workers end at once.

    Parameters
    ----------
    structures
        Crystals by key.
    potential
        Potential of all of them.
    settings
        Settings of all of them.
    workers
        Number of processes; by default one for each core that this process may use, one in all for a GPU.
    device
        Where the potential runs.
    time_limit_s
        Wall time for one crystal (s).

    Yields
    ------
    key, RelaxationResult
        Once per crystal, in the order in which they end. What went wrong with one crystal, an element that the
        potential does not know included, is its `reason`.

    Raises
    ------
    PotentialError
        If the potential cannot be loaded.
    """
    feasible: dict[Key, Structure] = {}
    for key, structure in structures.items():
        if obstacle := _obstacle(structure, potential):
            yield key, failed_relaxation(structure, obstacle)
        else:
            feasible[key] = structure
    workers = workers or (len(os.sched_getaffinity(0)) if device == "cpu" else 1)
    pool = _Pool(feasible, Assignment(potential, settings, device), workers, time_limit_s)
    try:
        yield from pool.results()
    finally:
        pool.close()


def _obstacle(structure: Structure, potential: Potential) -> str:
    if not structure.is_ordered:
        return "the structure is disordered"
    try:
        potential.require(element.symbol for element in structure.composition)
    except PotentialError as error:
        return error.problem
    return ""


def _cost(structure: Structure) -> float:
    # Neighbours are counted within a fixed radius: the work grows with the atoms times their density.
    return len(structure) ** 2 / float(structure.volume)


class _Worker(Generic[Key]):
    """A worker process, its end of the pipe, and the key of the crystal that it holds."""

    def __init__(self, assignment: Assignment) -> None:
        self.connection, theirs = Pipe()
        self.key: Key | None = None
        self.deadline = time.monotonic() + LOADING_LIMIT_S
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-P", "-c", _COMMAND, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},  # read when torch is imported
                start_new_session=True,  # Ctrl-C reaches the parent alone, which ends its workers
            )
        self.connection.send(assignment)

    def end(self) -> int:
        """Kill the process and return its exit status, negative for a signal."""
        self._process.kill()
        self.connection.close()
        return self._process.wait()


class _Pool(Generic[Key]):
    """Crystals that wait, workers that relax them, and how often each crystal was tried."""

    def __init__(
        self, structures: Mapping[Key, Structure], assignment: Assignment, size: int, time_limit_s: float
    ) -> None:
        self._structures = structures
        self._assignment = assignment
        self._size = size
        self._time_limit_s = time_limit_s
        self._waiting = deque(sorted(structures, key=lambda key: _cost(structures[key]), reverse=True))
        self._pending = len(structures)
        self._attempts: Counter[Key | None] = Counter()
        self._workers: list[_Worker[Key]] = []

    def results(self) -> Iterator[tuple[Key, RelaxationResult]]:
        while self._pending:
            while len(self._workers) < min(self._size, self._pending):
                self._workers.append(_Worker(self._assignment))
            limit = min(worker.deadline for worker in self._workers) - time.monotonic()
            heard = wait([worker.connection for worker in self._workers], timeout=max(limit, 0.0))
            for worker in list(self._workers):
                if worker.connection in heard:
                    yield from self._hear(worker)
                elif time.monotonic() > worker.deadline:
                    limit_s = LOADING_LIMIT_S if worker.key is None else self._time_limit_s
                    yield from self._lose(worker, f"time limit of {limit_s:g} s exceeded")

    def close(self) -> None:
        for worker in self._workers:
            worker.end()

    def _hear(self, worker: _Worker[Key]) -> Iterator[tuple[Key, RelaxationResult]]:
        try:
            message: RelaxationResult | PotentialError | None = worker.connection.recv()
        except (EOFError, OSError):
            yield from self._lose(worker, "worker died")
            return
        if isinstance(message, PotentialError):
            raise message
        key = worker.key
        yield from self._employ(worker)
        if key is not None and message is not None:
            self._pending -= 1
            yield key, message

    def _employ(self, worker: _Worker[Key]) -> Iterator[tuple[Key, RelaxationResult]]:
        """Give the worker its next crystal, before the result of its last is handed out, or dismiss it."""
        if not self._waiting:
            self._workers.remove(worker)
            worker.end()
            return
        worker.key = self._waiting.popleft()
        worker.deadline = time.monotonic() + self._time_limit_s
        try:
            worker.connection.send(self._structures[worker.key])
        except OSError:
            yield from self._lose(worker, "worker died")

    def _lose(self, worker: _Worker[Key], reason: str) -> Iterator[tuple[Key, RelaxationResult]]:
        self._workers.remove(worker)
        status = worker.end()
        if reason == "worker died":
            reason = f"{reason} ({signal.Signals(-status).name if status < 0 else f'exit status {status}'})"
        key = worker.key
        self._attempts[key] += 1
        if self._attempts[key] < ATTEMPTS:
            if key is not None:
                self._waiting.append(key)
        elif key is None:
            raise PotentialError(f"No worker could load the potential: {reason}.", "Is there enough memory?")
        else:
            self._pending -= 1
            yield key, failed_relaxation(self._structures[key], reason)
