"""Running a flow on this machine with several of its jobs at a time.

jobflow's own local manager runs one job after the other. Here every job that waits for nothing runs in a process of its
own pool, so that the q-points of a phonon calculation share the machine.
"""

import ctypes
import json
import multiprocessing
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobflow import Flow, Job, OnMissing
from jobflow.core.flow import get_flow
from monty.json import MontyEncoder

from invdesflow.campaigns.job_running import run_job
from invdesflow.database.decoding import decode
from invdesflow.errors import CampaignError

__all__ = ["FailedJob", "run_parallel"]

_Text = str
_STORE_INPUTS = "store_inputs"  # jobflow's own, where a job was replaced by a flow
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A job that raised."""

    name: str
    error: BaseException


@dataclass
class _Waiting:
    job: Job
    parents: set[str]
    owners: tuple[str, ...]


@dataclass
class _Schedule:
    """Which jobs may start; a job that was replaced is done when all that replaces it is done."""

    waiting: list[_Waiting] = field(default_factory=list)
    unfinished: Counter[str] = field(default_factory=Counter)
    blocked: set[str] = field(default_factory=set)

    def add(self, flow: Flow, owners: tuple[str, ...] = ()) -> None:
        for job, parents in flow.iterflow():
            self.waiting.append(_Waiting(job, set(parents), owners))
            self.unfinished.update((job.uuid, *owners))

    def ready(self) -> Iterator[_Waiting]:
        """Take out the jobs that may start; drop those that can never start."""
        for entry in list(self.waiting):
            lost = entry.parents & self.blocked
            if lost and entry.job.config.on_missing_references == OnMissing.ERROR:
                self.waiting.remove(entry)
                self.block(entry)
            elif not any(self.unfinished[parent] for parent in entry.parents - lost):
                self.waiting.remove(entry)
                yield entry

    def finish(self, entry: _Waiting) -> None:
        self.unfinished.subtract((entry.job.uuid, *entry.owners))

    def block(self, entry: _Waiting) -> None:
        """Keep what depends on a job, or on the job that it is a part of, from starting."""
        self.blocked.update((entry.job.uuid, *entry.owners))


def run_parallel(
    flow: Flow | Job, stores: Path, workers: int, report: Callable[[str], None] = lambda _: None
) -> list[FailedJob]:
    """Run the jobs of a flow, as many at a time as there are workers.

    Parameters
    ----------
    flow
        What to run. Jobs may replace themselves by other flows.
    stores
        The store file; every worker process opens the database by itself.
    workers
        Jobs at a time.
    report
        Told, in a few words, which job ended.

    Returns
    -------
    list[FailedJob]
        Jobs that raised. What depends on them was not run, all else was.

    Raises
    ------
    CampaignError
        If a worker process was killed, which ends the others, too.
    """
    schedule = _Schedule()
    schedule.add(get_flow(flow))
    failed: list[FailedJob] = []
    running: dict[Future[_Text], _Waiting] = {}
    context = multiprocessing.get_context("spawn")  # a fork of this process would share its connections
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with, initargs=(os.getpid(),)) as pool:
        try:
            while True:
                running |= {pool.submit(_run_job, _encode(entry.job), stores): entry for entry in schedule.ready()}
                if not running:
                    return failed
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    entry = running.pop(future)
                    failed += _settle(schedule, entry, future)
                    if entry.job.name != _STORE_INPUTS:
                        report(f"{entry.job.name}: {'failed' if future.exception() else 'done'}")
        except BrokenProcessPool:
            raise CampaignError(
                "A process that ran a step was killed.", "See whether the memory suffices; the same command continues."
            ) from None
        except BaseException:
            for worker in multiprocessing.active_children():  # else leaving would wait for what they run
                worker.terminate()
            raise


def _settle(schedule: _Schedule, entry: _Waiting, future: "Future[_Text]") -> list[FailedJob]:
    """Take in what came of a job; return it if it failed."""
    error = future.exception()
    if isinstance(error, BrokenProcessPool):
        raise error
    if error is not None:
        schedule.block(entry)
        return [FailedJob(entry.job.name, error)]
    diversions, stop_children = _decode(future.result())
    for diversion in diversions:
        schedule.add(diversion, (entry.job.uuid, *entry.owners))
    schedule.finish(entry)
    if stop_children:
        schedule.block(entry)
    return []


def _end_with(parent: int) -> None:
    """End this worker when its parent ends, however that happens; the program that it runs then ends, too."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for our parent, which ends us before we begin another job
    if os.getppid() != parent:  # it ended before we could ask
        sys.exit(1)


def _run_job(encoded: _Text, stores: Path) -> _Text:
    """Run one job in a worker process; return what it wants to be run next."""
    response = run_job(_decode(encoded), stores)
    diversions = [flow for flow in (response.replace, response.detour, response.addition) if flow is not None]
    return _encode((diversions, bool(response.stop_children or response.stop_jobflow)))


def _encode(value: object) -> _Text:
    return json.dumps(value, cls=MontyEncoder)


def _decode(text: _Text) -> Any:
    return decode(json.loads(text))
