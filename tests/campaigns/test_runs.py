"""What runs where, what was lost, why it failed; running it again, cancelling. Real rockets on a real queue."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from filelock import FileLock
from fireworks import FWorker, LaunchPad
from fireworks.core.launchpad import WFLock
from fireworks.core.rocket_launcher import launch_rocket
from jobflow import Flow
from pymatgen.core import Lattice, Structure
from timed_jobs import expand, fail, step
from typer.testing import CliRunner

from invdesflow.campaigns.launching.explaining import explain
from invdesflow.campaigns.launching.launchpad import launchpad_of
from invdesflow.campaigns.launching.lost import Lost, find_lost, mend
from invdesflow.campaigns.launching.runs import RunFilter, list_runs
from invdesflow.campaigns.launching.steering import cancel, rerun
from invdesflow.campaigns.launching.tasks import to_workflow
from invdesflow.campaigns.rounds import open_round
from invdesflow.cli.main import app
from invdesflow.database import Database
from invdesflow.database.campaign import CampaignDocument
from invdesflow.database.documents import utc_now
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.errors import CampaignError, ConfigurationError, EspressoError
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.run_folder import task_folder
from invdesflow.espresso.tasks import Task, Way, perform, run_root
from invdesflow.settings import get_settings

PATIENCE = timedelta(seconds=0.3)
AT_ONCE = timedelta(0)
LONG = timedelta(hours=4)


@pytest.fixture
def queue(database: Database, monkeypatch: pytest.MonkeyPatch) -> LaunchPad:
    monkeypatch.setenv("INVDESFLOW_JOB_MODULES", "timed_jobs")
    get_settings.cache_clear()
    return launchpad_of(database)


@pytest.fixture
def submit(queue: LaunchPad, tmp_path: Path) -> Callable[..., list[int]]:
    """Return a function that puts jobs on the queue, as one candidate's workflow, and returns the fireworks."""

    def submit(*jobs: object, candidate: str = "cand-1", category: str = "dft") -> list[int]:
        workflow = to_workflow(Flow(list(jobs)), metadata={"campaign": "first", "campaign_round": 0})
        for firework in workflow.fws:
            firework.spec |= {"candidate_id": candidate, "_category": category}
        queue.add_wf(workflow)
        return [firework.fw_id for firework in workflow.fws]

    return submit


@pytest.fixture
def rocket(queue: LaunchPad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Return a function that runs all that is ready."""

    def run_all() -> None:
        while queue.run_exists():
            folder = tmp_path / f"launch-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            monkeypatch.chdir(folder)
            launch_rocket(queue, FWorker(), strm_lvl="CRITICAL")

    yield run_all
    monkeypatch.chdir(tmp_path)


def states(queue: LaunchPad) -> dict[int, str]:
    return {row["fw_id"]: row["state"] for row in queue.fireworks.find().sort("fw_id", 1)}


def lost(queue: LaunchPad, silence: timedelta = AT_ONCE) -> list[Lost]:
    return find_lost(queue, "here", silence, PATIENCE)


def chain(folder: Path) -> tuple[object, object, object]:
    one = step(str(folder), "one")
    broken = fail(str(folder), "broken", one.output)
    return one, broken, step(str(folder), "last", broken.output)


def test_fireworks_are_listed_with_what_they_belong_to(database, submit, rocket, tmp_path):
    numbers = submit(*chain(tmp_path))
    numbers += submit(step(str(tmp_path), "other"), candidate="cand-2", category="ml")
    began = utc_now()
    rocket()
    by_id = {run.identifier: run for run in list_runs(database, RunFilter(finished=True))}
    done, broken, waiting, other = (by_id[str(number)] for number in numbers)
    assert [run.state for run in (done, broken, waiting, other)] == ["completed", "fizzled", "waiting", "completed"]
    assert {run.campaign for run in by_id.values()} == {"first"}
    assert (done.candidate_id, done.category, other.candidate_id, other.category) == ("cand-1", "dft", "cand-2", "ml")
    assert Path(broken.folder, "FW.json").is_file()
    assert waiting.host is None
    assert began <= broken.updated_at <= datetime.now(UTC)
    assert {run.state for run in list_runs(database, RunFilter())} == {"fizzled", "waiting"}
    for wanted, expected in {
        RunFilter(candidate_id="cand-2", finished=True): [other],
        RunFilter(category="ml", finished=True): [other],
        RunFilter(state="fizzled"): [broken],
        RunFilter(campaign="first", state="waiting"): [waiting],
        RunFilter(campaign="another"): [],
    }.items():
        assert list(list_runs(database, wanted)) == expected


def test_a_failed_firework_is_explained_by_its_exception(database, submit, rocket, tmp_path):
    _, broken, _ = submit(*chain(tmp_path))
    rocket()
    known = explain(database, str(broken))
    assert (known["state"], known["campaign"], known["candidate_id"]) == ("fizzled", "first", "cand-1")
    assert known["exception"][-1] == "invdesflow.errors.EspressoError: broken does not work. Do without it."
    [launch] = known["launches"]
    assert launch["state"] == "FIZZLED"
    assert Path(launch["launch_dir"]).parent == tmp_path
    with pytest.raises(CampaignError, match="no firework 77"):
        explain(database, "77")
    with pytest.raises(CampaignError, match="no firework, task or calculation"):
        explain(database, "nothing")


def failed_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Task, EspressoError]:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "q2r.x").write_text(
        "#!/bin/sh\necho '     Program Q2R v.7.4 starts'\necho reading force constants\necho it is cold >&2\nexit 3\n"
    )
    (programs / "q2r.x").chmod(0o755)
    monkeypatch.setenv("INVDESFLOW_ESPRESSO_BIN", str(programs))
    monkeypatch.setenv("INVDESFLOW_ESPRESSO_DIR", str(tmp_path / "espresso"))
    get_settings.cache_clear()
    task = Task("force constants", "q2r.x", " &input\n /\n", Structure(Lattice.cubic(3), ["Al"], [[0, 0, 0]]), {})
    with pytest.raises(EspressoError) as caught:
        perform(task, Calculation.of("smoke", str(tmp_path)), lambda _: {}, Way())
    return task, caught.value


def test_a_failed_task_is_explained_by_its_real_output(database, submit, tmp_path, monkeypatch):
    task, error = failed_task(tmp_path, monkeypatch)
    known = explain(Database(), task.task_id)
    assert (known["state"], known["name"], known["attempts"]) == ("failed", "force constants of Al", 1)
    assert known["output"]["q2r.out"][-1] == "reading force constants"
    assert known["output"]["q2r.err"] == ["it is cold"]
    assert known["failure"]["name"] in str(error)
    calculation = ElectronPhononDocument(
        elph_id="elph-1",
        candidate_id="cand-1",
        reduced_formula="Al",
        space_group_number=221,
        structure=task.structure,
        pressure_gpa=0.0,
        protocol="smoke",
        settings={},
        pseudopotentials={},
        status="failed",
        reason=error.problem,
    )
    database.collection(ElectronPhononDocument).upsert([calculation])
    assert [one["identifier"] for one in explain(Database(), "elph-1")["tasks"]] == [task.task_id]
    [run] = list_runs(database, RunFilter(candidate_id="cand-1"))
    assert (run.kind, run.identifier, run.state) == ("calculation", "elph-1", "failed")


def test_programs_and_rounds_of_this_machine(database, tmp_path, monkeypatch):
    monkeypatch.setenv("INVDESFLOW_ESPRESSO_DIR", str(tmp_path / "espresso"))
    get_settings.cache_clear()
    root = run_root()
    open_round(database, "mine", "Maker", {})
    (database.settings.data_dir / "runs" / "mine" / "round-000").mkdir(parents=True)
    with task_folder(root, "qe-0000000000000001") as folder, Database() as here:
        (folder.path / "ph.in").touch()
        (root / "qe-0000000000000002").mkdir()
        (root / "qe-0000000000000002.owner").write_text("Process 4000000 on nowhere")
        found = {run.identifier: run for run in list_runs(here, RunFilter())}
    assert (found["qe-0000000000000001"].name, found["qe-0000000000000001"].state) == ("ph.x", "running")
    assert (found["qe-0000000000000002"].host, found["qe-0000000000000002"].state) == ("nowhere", "interrupted")
    assert (found["mine"].kind, found["mine"].state) == ("round", "interrupted")
    lock = database.settings.data_dir / "campaigns" / "mine.lock"
    lock.parent.mkdir(exist_ok=True)
    with FileLock(lock):
        [held] = [run for run in list_runs(database, RunFilter(campaign="mine")) if run.kind == "round"]
    assert held.state == "running"
    database.collection(CampaignDocument).raw.delete_many({})


def test_what_failed_is_run_again_and_what_was_done_is_not(database, queue, submit, rocket, tmp_path):
    one, broken, last = submit(*chain(tmp_path))
    rocket()
    assert rerun(database, str(broken)).firework_ids == [broken]
    assert states(queue) == {one: "COMPLETED", broken: "READY", last: "WAITING"}
    rocket()
    assert rerun(database, "cand-1").firework_ids == [broken]
    rocket()
    assert rerun(database, "first").firework_ids == [broken]
    assert queue.launches.count_documents({"fw_id": one}) == 1
    with pytest.raises(CampaignError, match="Its state is completed"):
        rerun(database, str(one))
    with pytest.raises(CampaignError, match="Nothing of cand-7 failed"):
        rerun(database, "cand-7")


def test_cancelled_work_is_not_run_and_can_be_brought_back(database, queue, submit, rocket, tmp_path):
    numbers = submit(step(str(tmp_path), "a"), step(str(tmp_path), "b"))
    other = submit(step(str(tmp_path), "c"), candidate="cand-2")
    assert set(cancel(database, str(numbers[0])).firework_ids) == set(numbers), "the whole workflow of a candidate"
    rocket()
    assert states(queue) == dict.fromkeys(numbers, "DEFUSED") | dict.fromkeys(other, "COMPLETED")
    with pytest.raises(CampaignError, match="Nothing of cand-1 waits or runs"):
        cancel(database, "cand-1")
    assert set(rerun(database, "cand-1").firework_ids) == set(numbers)
    rocket()
    assert set(states(queue).values()) == {"COMPLETED"}


def test_what_runs_elsewhere_is_told_when_it_is_cancelled(database, queue, submit, tmp_path):
    [number] = submit(step(str(tmp_path), "a"))
    queue.checkout_fw(FWorker(), str(tmp_path), host="node7")
    [running] = cancel(database, "first").still_running
    assert (running["fw_id"], running["host"], running["launch_dir"]) == (number, "node7", str(tmp_path))
    assert states(queue) == {number: "DEFUSED"}


def test_a_campaign_of_this_machine_is_stopped(database):
    lock = database.settings.data_dir / "campaigns" / "stopped.lock"
    lock.parent.mkdir(exist_ok=True)
    command = "import sys, time; from filelock import FileLock; lock = FileLock(sys.argv[1]); lock.acquire(); "
    command += "print(1, flush=True); "
    with subprocess.Popen(
        [sys.executable, "-c", command + "time.sleep(60)", str(lock)], stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        assert cancel(database, "stopped").stopped_process == process.pid
        assert process.wait(30) == -signal.SIGTERM


def test_nothing_is_lost_of_what_waits_runs_or_has_ended(queue, submit, rocket, tmp_path):
    submit(*chain(tmp_path))
    submit(expand(str(tmp_path), "wide", 1))
    assert lost(queue) == []
    rocket()
    assert lost(queue) == []
    submit(step(str(tmp_path), "runs"))
    queue.checkout_fw(FWorker(), str(tmp_path))
    assert lost(queue, LONG) == []


def test_a_run_that_runs_again_is_not_lost(queue, submit, rocket, tmp_path):
    _, broken, _ = submit(*chain(tmp_path))
    rocket()
    queue.rerun_fw(broken)
    queue.checkout_fw(FWorker(), str(tmp_path))
    assert states(queue)[broken] == "RUNNING"
    assert lost(queue, LONG) == []


def test_a_silent_run_is_lost_and_run_again(queue, submit, rocket, tmp_path):
    [number] = submit(step(str(tmp_path), "a"))
    queue.checkout_fw(FWorker(), str(tmp_path))
    assert lost(queue) == [Lost("run", number, "RUNNING")]
    mend(queue, "here", lost(queue))
    rocket()
    assert states(queue) == {number: "COMPLETED"}
    assert lost(queue) == []


def test_a_lock_that_stays_is_taken_off(queue, submit, tmp_path):
    [number] = submit(step(str(tmp_path), "a"))
    with WFLock(queue, number):
        assert lost(queue) == [Lost("lock", number, "READY")]
        mend(queue, "here", lost(queue))
        assert lost(queue) == []


def test_a_firework_that_was_taken_and_never_started(queue, submit, rocket, tmp_path):
    [number] = submit(step(str(tmp_path), "a"))
    queue._get_a_fw_to_run()
    assert queue.detect_lostruns(expiration_secs=0)[1] == []
    assert queue.detect_unreserved(expiration_secs=0) == []
    assert lost(queue, LONG) == []
    mend(queue, "here", lost(queue))
    rocket()
    assert states(queue) == {number: "COMPLETED"}


def test_half_a_submission_is_taken_back(queue, submit, tmp_path):
    kept = submit(step(str(tmp_path), "kept"))
    without_workflow = submit(step(str(tmp_path), "a"), step(str(tmp_path), "b"))
    queue.workflows.delete_one({"nodes": without_workflow[0]})
    without_firework = submit(step(str(tmp_path), "c"), step(str(tmp_path), "d"))
    queue.fireworks.delete_one({"fw_id": without_firework[0]})
    assert {one.kind for one in lost(queue)} == {"submission"}
    mend(queue, "here", lost(queue))
    assert set(states(queue)) == set(kept)
    assert queue.workflows.count_documents({}) == 1
    assert lost(queue) == []


def invoke(*arguments: str) -> list[dict]:
    result = CliRunner().invoke(app, ["runs", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_fireworks_settings_say_what_is_lost(tmp_path):
    """FireWorks reads its settings once for each process."""
    settings = tmp_path / "FW_config.yaml"
    asked = "from invdesflow.campaigns.launching.lost import usual_silence; print(usual_silence().total_seconds())"
    for text, expected in (("RUN_EXPIRATION_SECS: 1800", 1800.0), ("DECODE_MONTY: false", 4 * 3600.0)):
        settings.write_text(text)
        environment = os.environ | {"FW_CONFIG_FILE": str(settings)}
        said = subprocess.run(
            [sys.executable, "-c", asked], env=environment, capture_output=True, text=True, check=True
        )
        assert float(said.stdout) == expected


def test_the_command_line(database, queue, submit, rocket, tmp_path):
    _, broken, last = submit(*chain(tmp_path))
    rocket()
    assert {row["identifier"] for row in invoke("list")} == {str(broken), str(last)}
    assert [row["state"] for row in invoke("list", "--state", "FIZZLED")] == ["fizzled"]
    assert invoke("explain", str(broken))[0]["exception"][-1].endswith("Do without it.")
    assert invoke("rerun", str(broken)) == [{"firework_ids": [broken], "still_running": [], "stopped_process": None}]
    queue.checkout_fw(FWorker(), str(tmp_path))
    found = [{"kind": "run", "firework_id": broken, "state": "RUNNING", "mended": False}]
    assert invoke("lost", "--patience", "0.3") == []
    assert invoke("lost", "--hours", "0", "--patience", "0.3") == found
    assert invoke("lost", "--hours", "0", "--patience", "0.3", "--rerun") == [found[0] | {"mended": True}]
    assert invoke("lost", "--hours", "0", "--patience", "0.3") == []
    assert set(invoke("cancel", "first")[0]["firework_ids"]) == {broken, last}
    for command in (["list", "--all"], ["explain", str(broken)], ["lost", "--patience", "0.3"]):
        result = CliRunner().invoke(app, ["runs", *command])
        assert result.exit_code == 0, result.output
        assert str(broken) in result.output or "Nothing is lost" in result.output


def test_a_state_that_does_not_exist_is_refused():
    with pytest.raises(ConfigurationError, match="'runing'") as caught:
        RunFilter(state="runing")
    assert "running" in str(caught.value)
