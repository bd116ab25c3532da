"""Documents arrive, and whoever looks retrains: mrun, the command on a schedule, a worker of the launchpad."""

import os
import shlex
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest
from learned import METALS, alloy, coupled, known, matthias

from invdesflow.campaigns.launching.launchpad import launch_command
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.learning.models import model_registry
from invdesflow.learning.retraining_documents import RetrainingDocument
from invdesflow.superconductors.documents import SuperconductorDocument

BIN = Path(sys.executable).parent
PAIRS = list(combinations(METALS[:8], 2))
SCRIPT = """
from invdesflow.learning.retraining_builder import RetrainingBuilder
from invdesflow.learning.training_set_builder import TrainingSetBuilder

__builders__ = [
    TrainingSetBuilder(kinds=["tc"]),
    RetrainingBuilder(kinds=["tc"], rule={"count": 5}, settings={"epochs": 1, "least_replay": 4, "replay": 1.0}),
]
"""
SCHEDULE = """
builders: [retraining]
kinds: [tc]
rule: {count: 5}
settings: {epochs: 1, least_replay: 4, replay: 1.0}
"""


@pytest.fixture
def stored(database):
    """Published calculations, and the model that ships."""
    old = [alloy(*pair) for pair in PAIRS[::2]]
    database.collection(SuperconductorDocument).upsert([known(one, *matthias(one)) for one in old])
    return database


def arrive(database, first, last):
    """Store what EPW could have found of some compressed alloys."""
    found = [alloy(*pair, 0.9) for pair in PAIRS[first:last]]
    documents = [coupled(one, *matthias(one), pressure_gpa=20.0) for one in found]
    database.collection(ElectronPhononDocument).upsert(documents)


def run(command, folder):
    result = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "300"}
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_documents_that_arrive_trigger_a_retraining(stored, tmp_path):
    retrainings = stored.collection(RetrainingDocument)
    parent = model_registry(stored).promoted("tc")

    script = tmp_path / "learn.py"
    script.write_text(SCRIPT)
    arrive(stored, 0, 3)
    run([BIN / "mrun", "--no_bars", script.name], tmp_path)
    assert retrainings.count({}) == 0, "three are not enough"
    arrive(stored, 3, 10)
    run([BIN / "mrun", "--no_bars", script.name], tmp_path)
    [first] = retrainings.find({})
    assert (first.status, first.parent_digest) == ("completed", parent.digest)
    assert first.new_rows >= 5
    assert model_registry(stored).get(first.model_id).parent == parent.digest

    plan = tmp_path / "schedule.yaml"
    plan.write_text(SCHEDULE)
    arrive(stored, 10, len(PAIRS))
    told = run([BIN / "invdesflow", "schedule", "--once", "--launchpad", str(plan)], tmp_path)
    [waiting] = retrainings.find({"status": "submitted"})
    assert f"waiting for a worker; run what waits with: {launch_command(stored)}" in told
    variables, rlaunch = launch_command(stored).split(" rlaunch ")
    run(["env", *shlex.split(variables), BIN / "rlaunch", *shlex.split(rlaunch)], tmp_path)
    done = retrainings.get(waiting.retraining_id)
    assert done.status == "completed"
    assert done.model_id in {model.model_id for model in model_registry(stored).models("tc")}
