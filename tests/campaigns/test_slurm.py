"""FireWorks on a real Slurm: what `invdesflow hpc init` writes, launched as a user launches it."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from arrived import assert_sound, contents
from cluster_jobs import where
from fireworks import LaunchPad
from jobflow import Flow

from invdesflow.campaigns.doctor.findings import carry_out
from invdesflow.campaigns.launching.cluster_checks import cluster_checks
from invdesflow.campaigns.launching.cluster_files import write_cluster
from invdesflow.campaigns.launching.cluster_folder import ClusterFolder
from invdesflow.campaigns.launching.cluster_profile import Profile
from invdesflow.campaigns.launching.launchpad import launchpad_of
from invdesflow.campaigns.launching.submission import submit_campaign
from invdesflow.campaigns.launching.tasks import to_workflow
from invdesflow.campaigns.recipes import read_recipe
from invdesflow.database import Database
from invdesflow.testing.local_server import write_store_file
from invdesflow.testing.slurm import Slurm, running_slurm, why_not

pytestmark = pytest.mark.slow

RECIPE = """
campaign: small
maker: DiscoveryMaker
parameters:
  generate: null
  substitute: {n_candidates: 2, substitution: {required_elements: [C], max_replaced: 1}, gates: {max_sites: 6}}
  screen: {thresholds: {superconductor_probability: null, tc_k: 1.0}}
  phonons: null
"""
ONE_CORE = {"cores": 1, "wall_time": "00:30:00"}


@pytest.fixture
def cluster(slurm: Slurm, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that writes the folder of this Slurm, with jobs of `ml` packed or single."""
    monkeypatch.setenv("INVDESFLOW_JOB_MODULES", "cluster_jobs")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(Path(__file__).parent)]))

    def cluster(**ml: object) -> ClusterFolder:
        profile = Profile(scheduler="slurm", partition=slurm.partition, ml=ONE_CORE | ml, dft=ONE_CORE, epw=ONE_CORE)
        folder = write_cluster(database, profile, tmp_path / ml["launch"])
        findings = [finding for check in cluster_checks(folder, database.store_file) for finding in carry_out(check)]
        assert [finding for finding in findings if finding.verdict != "ok"] == []
        return folder

    return cluster


def qlaunch(folder: ClusterFolder, category: str, *mode: str, reserve: bool = False) -> None:
    """Launch in a shell that has sourced the folder's environment."""
    places = ["-c", str(folder.path / category), "--launch_dir", str(folder.launches(category))]
    line = shlex.join(["qlaunch", *(["-r"] if reserve else []), *places, *mode])
    subprocess.run(["bash", "-ec", f"source {folder.environment}; {line}"], check=True, timeout=400)


def wait_until(condition: Callable[[], bool], launchpad: LaunchPad, folder: ClusterFolder) -> None:
    limit = time.monotonic() + 300
    while not condition():
        fizzled = launchpad.get_fw_ids({"state": "FIZZLED"})
        if fizzled or time.monotonic() > limit:
            said = "\n".join(file.read_text()[-3000:] for file in folder.path.rglob("*-*.*") if file.is_file())
            pytest.fail(f"fireworks {fizzled} fizzled\n{said}")
        time.sleep(0.2)


def completed(launchpad: LaunchPad) -> int:
    return len(launchpad.get_fw_ids({"state": "COMPLETED"}))


@pytest.mark.timeout(900)
def test_a_campaign_on_slurm_brings_the_documents_of_a_local_one(
    cluster, slurm: Slurm, database: Database, tmp_path: Path
) -> None:
    single, packed = cluster(launch="single"), cluster(launch="packed")
    recipe = tmp_path / "small.yaml"
    recipe.write_text(RECIPE)
    submission = submit_campaign(database, read_recipe(recipe))
    launchpad = launchpad_of(database)

    qlaunch(single, "ml", "singleshot")
    wait_until(lambda: completed(launchpad) == 1, launchpad, single)
    qlaunch(single, "ml", "rapidfire", "--nlaunches", "1", reserve=True)
    wait_until(lambda: completed(launchpad) == 2, launchpad, single)
    qlaunch(packed, "ml", "rapidfire", "-m", "1")
    wait_until(lambda: completed(launchpad) == len(submission.entries[0].firework_ids), launchpad, packed)
    # The job ends a moment after its last firework.
    wait_until(lambda: slurm.command("squeue", "--noheader") == "", launchpad, packed)
    # One job for the first, one that was reserved for the second, and one that ran all the others.
    assert len(list(single.launches("ml").rglob("FW_submit.script"))) == 2
    assert len(list(packed.launches("ml").rglob("FW_submit.script"))) == 1
    assert launchpad.launches.count_documents({"state_history.state": "RESERVED"}) == 1

    assert_sound(database)
    stores = write_store_file(tmp_path / "local", database.store_file.docs_store.port, "local")
    locally = [
        sys.executable,
        "-m",
        "invdesflow.cli.main",
        "discover",
        str(recipe),
        "--report",
        str(tmp_path / "r.html"),
    ]
    environment = os.environ | {"INVDESFLOW_STORES": str(stores)}
    subprocess.run(locally, env=environment, check=True, capture_output=True, timeout=300)
    with Database(stores) as local:
        assert_sound(local)
        assert contents(database) == contents(local)
        local.raw.client.drop_database("local")


def outputs(database: Database) -> list[dict[str, object]]:
    with database.job_store() as store:
        return [row["output"] for row in store.query({"name": "where"})]


def test_many_fireworks_share_a_job_and_dear_ones_ask_for_their_own(cluster, slurm: Slurm, database: Database) -> None:
    packed = cluster(launch="packed", cores=2, at_once=2)
    launchpad = launchpad_of(database)
    cheap = [to_workflow(Flow([where()])) for _ in range(6)]
    launchpad.bulk_add_wfs(cheap)
    qlaunch(packed, "ml", "rapidfire", "-m", "1")
    wait_until(lambda: completed(launchpad) == 6, launchpad, packed)
    ran = outputs(database)
    assert len(ran) == 6
    assert len({row["slurm_job"] for row in ran}) == 1
    assert {(row["workers"], row["threads"]) for row in ran} == {(1, "1")}

    dear = where()
    dear.update_config({"manager_config": {"_category": "dft", "_queueadapter": {"ntasks": 2}}})
    launchpad.add_wf(to_workflow(Flow([dear])))
    qlaunch(packed, "dft", "rapidfire", "-m", "1", reserve=True)
    wait_until(lambda: completed(launchpad) == 7, launchpad, packed)
    [row] = [row for row in outputs(database) if row not in ran]
    assert row["ranks"] == 2, "the firework's own wish, not the profile's"
    assert database.raw["jobs"].count_documents({}) == 7


def test_two_slurms_side_by_side_and_nothing_is_left() -> None:
    if why_not() is not None:
        pytest.skip(why_not())
    with running_slurm() as one, running_slurm(cores=3) as another:
        for slurm in (one, another):
            slurm.command("sbatch", "--wrap", "sleep 300", "--output", "/dev/null")
            assert slurm.command("squeue", "--noheader", "--format=%i").split() == ["1"]
        assert another.command("sinfo", "--noheader", "--format=%c").strip() == "3"
    assert not one.folder.exists()
    assert processes_of(one.folder) == processes_of(another.folder) == []


def test_slurm_ends_with_the_process_that_started_it() -> None:
    if why_not() is not None:
        pytest.skip(why_not())
    inside = "sbatch --wrap 'sleep 300' --output /dev/null; echo $SLURM_CONF; sleep 300"
    process = subprocess.Popen(
        [sys.executable, "-m", "invdesflow.testing.slurm", "bash", "-c", inside], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().startswith("Submitted")
    folder = Path(process.stdout.readline().strip()).parent
    time.sleep(2)  # the job starts
    process.send_signal(signal.SIGKILL)
    process.wait()
    limit = time.monotonic() + 120
    while (folder.exists() or processes_of(folder)) and time.monotonic() < limit:
        time.sleep(0.1)
    assert not folder.exists()
    assert processes_of(folder) == []


def processes_of(folder: Path) -> list[str]:
    """List what names the folder in its command line or its variables."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(folder) in " ".join([*process.cmdline(), *process.environ().values()]):
                found.append(process.name())
        except psutil.Error:
            continue
    return found
