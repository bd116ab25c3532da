import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jobflow import Flow, Job, JobStore
from maggma.stores import MemoryStore
from timed_jobs import be_killed, began, branch, ended, expand, fail, meet, regardless, settings_of_the_worker, step

from invdesflow.campaigns import job_running, parallel
from invdesflow.campaigns.parallel import run_parallel
from invdesflow.database import Database
from invdesflow.errors import CampaignError, EspressoError
from invdesflow.settings import get_settings

SOMEWHERE = Path("stores.yaml")


class RandomOrder:
    """Stands in for the pool of processes: a thread that runs what waits, in an order that a seed decides."""

    seed = 0

    def __init__(self, *_: object, **__: object) -> None:
        self.random = random.Random(self.seed)
        self.arrived: SimpleQueue[tuple[Future[str], Callable[..., str], tuple[Any, ...]] | None] = SimpleQueue()
        self.thread = Thread(target=self.work)

    def __enter__(self) -> "RandomOrder":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.arrived.put(None)
        self.thread.join()

    def submit(self, function: Callable[..., str], *arguments: object) -> Future[str]:
        future: Future[str] = Future()
        self.arrived.put((future, function, arguments))
        return future

    def work(self) -> None:
        waiting = []
        while (entry := self.arrived.get()) is not None:
            waiting.append(entry)
            while waiting and (self.arrived.empty() or len(waiting) > 2):
                future, function, arguments = waiting.pop(self.random.randrange(len(waiting)))
                try:
                    future.set_result(function(*arguments))
                except EspressoError as error:
                    future.set_exception(error)


class KeptInMemory(MemoryStore):
    def close(self) -> None:
        """Keep everything."""


class MemoryDatabase:
    """Stands in for the database of the worker processes."""

    store = JobStore(KeptInMemory())

    def __init__(self, _: Path) -> None:
        pass

    def __enter__(self) -> "MemoryDatabase":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def job_store(self) -> JobStore:
        return self.store


@pytest.fixture(autouse=True)
def _our_jobs(monkeypatch: pytest.MonkeyPatch, settings_environment: Path) -> None:
    """Let the jobs of these tests be decoded."""
    monkeypatch.setenv("INVDESFLOW_JOB_MODULES", "timed_jobs")
    get_settings.cache_clear()


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[JobStore]:
    """Run jobs in this process and keep their outputs in memory."""
    monkeypatch.setattr(parallel, "ProcessPoolExecutor", RandomOrder)
    monkeypatch.setattr(job_running, "Database", MemoryDatabase)
    MemoryDatabase.store = JobStore(KeptInMemory())
    MemoryDatabase.store.connect()
    return MemoryDatabase.store


def output_of(database: Database, job: Job) -> object:
    store = database.job_store()
    store.connect()
    try:
        return store.get_output(job.uuid, load=True)
    finally:
        store.close()


def test_outputs_reach_the_jobs_that_wait_for_them(memory: JobStore, tmp_path: Path) -> None:
    one = step(str(tmp_path), "one")
    left, right = (step(str(tmp_path), name, one.output) for name in ("left", "right"))
    last = step(str(tmp_path), "last", [left.output, right.output])
    told: list[str] = []
    assert run_parallel(Flow([last, right, left, one]), SOMEWHERE, 2, told.append) == []
    assert memory.get_output(last.uuid) == "last after ['left after one after None', 'right after one after None']"
    assert told == ["step: done"] * 4


def test_a_job_waits_for_all_that_replaces_another(memory: JobStore, tmp_path: Path) -> None:
    nested = expand(str(tmp_path), "a", depth=2)
    after = step(str(tmp_path), "after", nested.output)
    beside = step(str(tmp_path), "beside")
    told: list[str] = []
    assert run_parallel(Flow([nested, after, beside]), SOMEWHERE, 2, told.append) == []
    end = ended(tmp_path)
    parts = {"a.1", "a.3", "a.2.1", "a.2.3", "a.2.2.1", "a.2.2.2"}
    assert end.keys() == parts | {"after", "beside"}
    assert began(tmp_path)["after"] >= max(end[part] for part in parts)
    innermost = "a.2.2.2 after a.2.2.1 after None"
    assert memory.get_output(after.uuid) == (
        f"after after a.3 after ['a.1 after None', \"a.2.3 after ['a.2.1 after None', '{innermost}']\"]"
    )
    assert sorted(told) == ["expand: done"] * 3 + ["step: done"] * 8  # jobflow's own jobs are nobody's business


@pytest.mark.parametrize("way", ["replace", "detour", "addition"])
def test_a_job_waits_for_what_comes_out_of_another_even_without_output(
    way: str, memory: JobStore, tmp_path: Path
) -> None:
    one = branch(str(tmp_path), "one", way)
    after = step(str(tmp_path), "after", one.output)
    assert run_parallel(Flow([one, after]), SOMEWHERE, 2) == []
    assert began(tmp_path)["after"] >= ended(tmp_path)["one.2"]


def test_a_failure_stops_what_depends_on_it_and_nothing_else(memory: JobStore, tmp_path: Path) -> None:
    folder = str(tmp_path)
    broken = fail(folder, "broken")
    child = step(folder, "child", broken.output)
    grandchild = step(folder, "grandchild", child.output)
    slow = step(folder, "slow", seconds=0.1)
    late = step(folder, "late", slow.output)
    count = regardless(step(folder, "count", [grandchild.output, late.output]))
    told: list[str] = []
    [failure] = run_parallel(Flow([broken, child, grandchild, slow, late, count]), SOMEWHERE, 2, told.append)
    assert failure.name == "fail"
    assert str(failure.error) == "broken does not work. Do without it."
    assert told.count("fail: failed") == 1
    assert ended(tmp_path).keys() == {"slow", "late", "count"}
    assert began(tmp_path)["count"] >= ended(tmp_path)["late"]
    assert memory.get_output(count.uuid) == "count after [None, 'late after slow after None']"


@pytest.mark.parametrize("broken", ["a.1", "a.2.1", "a.2.2.1"])
def test_a_failure_deep_inside_a_replacement_stops_what_waits_for_the_whole(
    broken: str, memory: JobStore, tmp_path: Path
) -> None:
    nested = expand(str(tmp_path), "a", 2, broken)
    after = step(str(tmp_path), "after", nested.output)
    account = regardless(step(str(tmp_path), "account", nested.output))
    [failure] = run_parallel(Flow([nested, after, account]), SOMEWHERE, 2)
    assert str(failure.error).startswith(f"{broken} does not work.")
    end = ended(tmp_path)
    assert "account" in end
    assert "after" not in end
    assert memory.get_output(account.uuid) == "account after None"


KINDS = ["step", "step", "fail", "expand", "expand that breaks"]
ONE = st.tuples(st.sampled_from(KINDS), st.booleans(), st.sets(st.integers(0, 9), max_size=3))
NODES = st.lists(ONE, min_size=1, max_size=10)


@given(nodes=NODES, seed=st.integers(0, 1000))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_job_runs_unless_it_depends_on_a_failure(
    nodes: list[tuple[str, bool, set[int]]], seed: int, memory: JobStore, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("graph")
    RandomOrder.seed = seed
    jobs: list[Job] = []
    parents = [sorted({parent for parent in wanted if parent < n}) for n, (*_, wanted) in enumerate(nodes)]
    for n, (kind, anyhow, _) in enumerate(nodes):
        after = [jobs[parent].output for parent in parents[n]]
        match kind:
            case "step":
                job = step(str(folder), str(n), after)
            case "fail":
                job = fail(str(folder), str(n), after)
            case _:
                job = expand(str(folder), str(n), 1, f"{n}.2.1" if "breaks" in kind else "", after)
        jobs.append(regardless(job) if anyhow else job)
    lost: set[int] = set()
    runs: set[int] = set()
    for n, (kind, anyhow, _) in enumerate(nodes):
        if anyhow or not lost.intersection(parents[n]):
            runs.add(n)
        if n not in runs or kind in {"fail", "expand that breaks"}:
            lost.add(n)
    failures = run_parallel(Flow(jobs), SOMEWHERE, 2)
    begin, end = began(folder), ended(folder)
    assert {int(name) for name in begin if name.isdigit()} == runs
    assert len(failures) == sum(nodes[n][0] in {"fail", "expand that breaks"} for n in runs)
    for n in runs:
        for parent in set(parents[n]) - lost:
            own = [time for name, time in end.items() if name.split(".")[0] == str(parent)]
            assert begin[str(n)] >= max(own)


def test_worker_processes_overlap_and_keep_the_order(database: Database, tmp_path: Path) -> None:
    folder = str(tmp_path)
    names = ["first", "second"]
    pair = [meet(folder, name, names) for name in names]
    after = step(folder, "after", [one.output for one in pair])
    broken = fail(folder, "broken", after.output)
    assert [str(one.error) for one in run_parallel(Flow([*pair, after, broken]), database.path, 2)] == [
        "broken does not work. Do without it."
    ]
    assert output_of(database, after) == "after after ['first', 'second']"


def test_a_killed_worker_is_one_error_of_ours(database: Database, tmp_path: Path) -> None:
    folder = str(tmp_path)
    victim = be_killed(folder, "victim")
    account = regardless(step(folder, "account", victim.output))
    with pytest.raises(CampaignError, match="was killed"):
        run_parallel(Flow([victim, account]), database.path, 1)
    assert "account" not in began(tmp_path)


def test_workers_have_the_settings_of_the_caller(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "another"):
        monkeypatch.setenv("INVDESFLOW_ESPRESSO_DIR", str(tmp_path / name))
        get_settings.cache_clear()
        job = settings_of_the_worker()
        assert run_parallel(job, database.path, 1) == []
        assert output_of(database, job) == str(tmp_path / name)


SCRIPT = """
import sys
from pathlib import Path
from jobflow import Flow
from timed_jobs import step
from invdesflow.campaigns.parallel import run_parallel

if __name__ == "__main__":
    folder, stores = sys.argv[1:]
    jobs = [step(folder, f"step {n}", seconds=600.0) for n in range(6)]
    try:
        run_parallel(Flow(jobs), Path(stores), 2)
    except KeyboardInterrupt:
        sys.exit("stopped by Ctrl-C")
"""


@pytest.mark.slow
@pytest.mark.parametrize("way", ["Ctrl-C", "interrupt of the main process", "kill -9"])
def test_nothing_goes_on_after_the_end_of_the_main_process(way: str, database: Database, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    folder = tmp_path / "times"
    folder.mkdir()
    environment = os.environ | {
        "TEST_FOLDER": str(folder),
        "PYTHONPATH": f"{Path(__file__).parent}:{os.environ.get('PYTHONPATH', '')}",
    }
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder), str(database.path)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_until(lambda: len(began(folder)) == 2)
    match way:
        case "Ctrl-C":
            os.killpg(process.pid, signal.SIGINT)
        case "interrupt of the main process":
            process.send_signal(signal.SIGINT)
        case "kill -9":
            process.kill()
    _, said = process.communicate(timeout=120)
    assert "Traceback" not in said
    assert ("stopped by Ctrl-C" in said) == (way != "kill -9")
    wait_until(lambda: processes_of(folder) == [])
    assert len(began(folder)) == 2
    assert ended(folder) == {}


def processes_of(folder: Path) -> list[str]:
    """List the processes that were started to work in a folder, by what their environment says."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"TEST_FOLDER={folder}\0".encode() in (process / "environ").read_bytes():
                found.append(process.name)
        except OSError:
            continue
    return found


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.05)
