"""FireWorks' own rlaunch on a queue and a job store that somebody else has written to."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fireworks import Firework, Workflow
from jobflow import Flow, OutputReference
from timed_jobs import began, ended, expand, step

from invdesflow.campaigns.launching.launchpad import launch_command, launchpad_of
from invdesflow.campaigns.launching.tasks import CheckedJobTask, to_workflow
from invdesflow.database import Database
from invdesflow.settings import get_settings

SYSTEM = {"@module": "os", "@callable": "system", "@bound": None}
SPY = "from pathlib import Path\nPath({marker!r}).touch()\n"


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file that exists when something of the queue was run or imported that should not be."""
    marker = tmp_path / "somebody was here"
    (tmp_path / "spy.py").write_text(SPY.format(marker=str(marker)))
    paths = [str(tmp_path), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("INVDESFLOW_JOB_MODULES", "timed_jobs")
    get_settings.cache_clear()
    return marker


def launch(database: Database, folder: Path) -> None:
    """Run everything on the launchpad with the command that users are told."""
    folder.mkdir()
    subprocess.run(
        ["bash", "-c", launch_command(database)], cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=300
    )


def states(database: Database) -> dict[str, str]:
    return {firework["name"]: firework["state"] for firework in database.raw["fireworks"].find()}


def traceback_of(database: Database, name: str) -> str:
    firework = database.raw["fireworks"].find_one({"name": name})
    [launch] = database.raw["launches"].find({"fw_id": firework["fw_id"]})
    return launch["action"]["stored_data"]["_exception"]["_stacktrace"]


@pytest.mark.slow
def test_what_others_wrote_is_not_run(database: Database, tmp_path: Path, marker: Path) -> None:
    times = tmp_path / "times"
    times.mkdir()
    good = step(str(times), "good")
    grown = expand(str(times), "grown", 1)
    after = step(str(times), "after", [good.output, grown.output])
    launchpad = launchpad_of(database)
    launchpad.add_wf(to_workflow(Flow([good, grown, after])))

    def poisoned(name: str, **changes: object) -> Workflow:
        data = step(str(times), name).as_dict() | {"name": name} | changes
        return Workflow([Firework([CheckedJobTask(job=data)], spec={"_add_launchpad_and_fw_id": True}, name=name)])

    touch = f"touch '{marker}'"
    launchpad.bulk_add_wfs(
        [
            poisoned("function", function=SYSTEM, function_args=[touch], function_kwargs={}),
            poisoned("argument", function_kwargs={"after": {"deep": [SYSTEM]}}),
            poisoned("module", function_kwargs={"after": {"@module": "spy", "@class": "Anything"}}),
            poisoned("configuration", config={"@module": "spy", "@callable": "anything"}),
        ]
    )
    beside = to_workflow(step(str(times), "beside"), name="beside")
    beside.fws[0].spec["more"] = {"@module": "spy", "@class": "Anything"}
    outputs = database.raw[database.store_file.docs_store.collection_name]
    outputs.insert_one({"uuid": "poisoned", "index": 1, "output": {"a": SYSTEM}})
    child = step(str(times), "child", OutputReference("poisoned")["a"])
    launchpad.bulk_add_wfs([beside, to_workflow(child, allow_external_references=True)])

    launch(database, tmp_path / "launches")

    assert not marker.exists()
    ran = states(database)
    refused = {"function", "argument", "module", "configuration"}
    assert {name for name in refused if ran[name] == "FIZZLED"} == refused
    for name in refused:
        assert "which is not decoded" in traceback_of(database, name)
    assert database.raw["fireworks"].count_documents({"state": "FIZZLED"}) == len(refused) + 1
    assert "child" not in began(times)
    assert {"good", "after", "beside", "grown.3"} <= set(ended(times))
