"""What launching adds to the jobs: on this machine, by FireWorks, and by FireWorks on Slurm.

    python benchmarks/launching.py [--jobs 200] [--workflows 200] [--seconds 10] [--single]

The first part runs jobs that do nothing, on every way in turn, each against the same database server of its own. The
second starts a Slurm of this machine with two cores (as root; packages slurm-wlm and munge), submits workflows of two
jobs that sleep, launches them as docs/how-to/cluster.md says, and reports the share of the wall time of both
cores that is not the jobs' own: packed into few jobs of Slurm and, with --single, each firework in one of its own.
With --workflows 0 there is no second part.
"""

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from jobflow import Flow, run_locally

from invdesflow.campaigns.launching.cluster_files import write_cluster
from invdesflow.campaigns.launching.cluster_profile import Profile
from invdesflow.campaigns.launching.launchpad import launch_command, launchpad_of
from invdesflow.campaigns.launching.tasks import to_workflow
from invdesflow.campaigns.parallel import run_parallel
from invdesflow.database.database import Database
from invdesflow.settings import Settings, get_settings
from invdesflow.testing.jobs import idle
from invdesflow.testing.local_server import free_port, write_store_file
from invdesflow.testing.slurm import Slurm, running_slurm, why_not

CORES = 2


@contextmanager
def fresh_database() -> Iterator[Database]:
    """Open an empty database on a server that ends with the block; this process and its children find it."""
    with tempfile.TemporaryDirectory() as folder:
        stores = write_store_file(Path(folder) / "stores", free_port())
        os.environ |= {"INVDESFLOW_DATA_DIR": folder, "INVDESFLOW_STORES": str(stores)}
        get_settings.cache_clear()
        try:
            with Database() as database:
                yield database
        finally:
            Database.server_of(Settings()).stop()


def seconds(action: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def pairs(count: int, duration: float) -> list[Flow]:
    """Make workflows of two jobs in a row."""
    flows = []
    for number in range(count):
        first = idle(duration)
        flows.append(Flow([first, idle(duration, first.output)], name=f"pair {number}"))
    return flows


def locally(database: Database, count: int) -> float:
    """Run jobs one after the other with jobflow's own local manager."""
    flow = Flow([idle() for _ in range(count)])
    store = database.job_store()
    return seconds(lambda: run_locally(flow, store=store, log=False, ensure_success=True))


def in_parallel(database: Database, count: int) -> float:
    """Run jobs in our pool, with one process, so that the times can be compared."""
    flow = Flow([idle() for _ in range(count)])
    return seconds(lambda: run_parallel(flow, database.path, workers=1))


def by_fireworks(database: Database, count: int) -> tuple[float, float]:
    """Put jobs on the launchpad, each a workflow, and run them with rlaunch; return the time of each part.

    What rlaunch takes to start and to find nothing is not counted.
    """
    launchpad = launchpad_of(database)
    command = ["bash", "-c", f"cd {shlex.quote(str(database.settings.data_dir))}; {launch_command(database)}"]

    def launch() -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    empty = seconds(launch)
    workflows = [to_workflow(idle()) for _ in range(count)]
    adding = seconds(lambda: launchpad.bulk_add_wfs(workflows))
    return adding, seconds(launch) - empty


def overhead_per_job(count: int) -> None:
    """Compare the ways to run jobs that do nothing."""
    with fresh_database() as database:
        bare = locally(database, count) / count
    with fresh_database() as database:
        ours = in_parallel(database, count) / count
    with fresh_database() as database:
        adding, launching = (time / count for time in by_fireworks(database, count))
    print(f"{count} jobs that do nothing, ms for each:")
    print(f"  jobflow's run_locally      {1000 * bare:6.1f}")
    print(f"  our run_parallel           {1000 * ours:6.1f}  {ours / bare:5.1f} times run_locally")
    print(f"  FireWorks, one rlaunch     {1000 * launching:6.1f}  {launching / bare:5.1f} times run_locally")
    print(f"  FireWorks, adding in bulk  {1000 * adding:6.1f}  {adding / bare:5.1f} times run_locally")


def on_slurm(slurm: Slurm, count: int, duration: float, launch: str) -> None:
    """Run workflows of two jobs on two cores of Slurm and print the share of the time that is not the jobs' own."""
    with fresh_database() as database:
        launchpad = launchpad_of(database)
        workflows = [to_workflow(flow) for flow in pairs(count, duration)]
        print(f"  adding {count} workflows in bulk took {seconds(lambda: launchpad.bulk_add_wfs(workflows)):.1f} s")
        ml = {"cores": 1, "launch": launch, "wall_time": "10:00:00"}
        profile = Profile(scheduler="slurm", partition=slurm.partition, ml=ml)
        folder = write_cluster(database, profile, database.settings.data_dir / "cluster")
        mode = ["rapidfire", "-m", str(CORES)] if launch == "packed" else ["rapidfire", "-m", str(10 * CORES)]
        place = ["-c", str(folder.path / "ml"), "--launch_dir", str(folder.launches("ml"))]
        line = shlex.join(["qlaunch", "-s", *(["-r"] if launch == "single" else []), *place, *mode])
        begin = time.time()
        subprocess.run(["bash", "-ec", f"source {folder.environment}; {line}"], check=True)
        while launchpad.fireworks.count_documents({"state": {"$nin": ["COMPLETED", "FIZZLED"]}}):
            time.sleep(0.2)
        wall = time.time() - begin
        with database.job_store() as store:
            own = sum(row["output"] for row in store.query({"name": "idle"}, ["output"]))
            done = store.count()
        n_jobs = len(list(folder.launches("ml").rglob("FW_submit.script")))
    if done != 2 * count:
        raise SystemExit(f"{2 * count - done} outputs are missing")
    share = 1 - own / (CORES * wall)
    print(
        f"  {launch}: {count} workflows of 2 jobs of {duration:g} s in {n_jobs} jobs of Slurm on {CORES} cores took "
        f"{wall:.0f} s; not the jobs' own: {100 * share:.1f} % (goal: below 15 % for 10 s jobs, packed)"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--workflows", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--single", action="store_true")
    arguments = parser.parse_args()
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # rlaunch, qlaunch
    warnings.simplefilter("ignore")  # of jobflow and FireWorks themselves
    if arguments.jobs:
        overhead_per_job(arguments.jobs)
    reason = why_not()
    if arguments.workflows and reason is not None:
        print(f"Nothing on Slurm: {reason}.")
    elif arguments.workflows:
        with running_slurm(CORES) as started:
            os.environ |= started.environment
            for way in ["packed", *(["single"] if arguments.single else [])]:
                on_slurm(started, arguments.workflows, arguments.seconds, way)
