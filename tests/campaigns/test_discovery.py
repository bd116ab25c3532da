"""The main job for real: real server, real potential, a handful of crystals."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from arrived import assert_sound, contents

from invdesflow.campaigns.launching.launchpad import launch_command
from invdesflow.campaigns.launching.submission import submit_campaign
from invdesflow.campaigns.local import run_campaign
from invdesflow.campaigns.recipes import read_recipe
from invdesflow.campaigns.reporting import write_campaign_report
from invdesflow.campaigns.rounds import get_campaign
from invdesflow.database.models import COLLECTION_MODELS
from invdesflow.generation.diffusion.model import DEFAULT_MODEL
from invdesflow.generation.documents import CandidateDocument
from invdesflow.relaxation.documents import RelaxationDocument
from invdesflow.screening.documents import ScreeningDocument

pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent
RECIPE = """
campaign: small
maker: DiscoveryMaker
parameters:
  generate:
    n_candidates: 2
    model: MODEL
    conditions: {elements: [Nb, Ti, Zr, Hf, Ta, V, B, C, N], required_elements: [C], n_atoms: 2}
  substitute: {n_candidates: 2, substitution: {required_elements: [C], max_replaced: 1}, gates: {max_sites: 6}}
  screen: {thresholds: {superconductor_probability: null, tc_k: 1.0}}
  phonons: {most: 1, settings: {min_length: 5.0, max_atoms: 60}}
"""


@pytest.fixture
def recipe_file(tmp_path, untrained_generator):
    model = "null" if DEFAULT_MODEL.is_file() else str(untrained_generator)
    file = tmp_path / "small.yaml"
    file.write_text(RECIPE.replace("MODEL", model))
    return file


@pytest.fixture
def recipe(recipe_file):
    return read_recipe(recipe_file)


def test_a_campaign_from_known_superconductors_to_a_report(database, recipe, tmp_path):
    assert run_campaign(database, recipe) == 0
    assert_sound(database)
    candidates = list(database.collection(CandidateDocument).find({"status": "accepted"}))
    assert len(candidates) == 4
    assert all("C" in candidate.elements for candidate in candidates)
    assert sorted(candidate.origins[0].kind for candidate in candidates) == [*["diffusion"] * 2, *["substitution"] * 2]
    for candidate in candidates:
        [relaxation] = database.collection(RelaxationDocument).find({"subject.id": candidate.candidate_id})
        assert relaxation.provenance.job_uuids
        assert relaxation.potential.digest
        if relaxation.converged:
            assert relaxation.max_force < 0.02
            [screening] = database.collection(ScreeningDocument).find({"candidate_id": candidate.candidate_id})
            summary = database.summary.get(candidate.candidate_id)
            assert summary.e_above_hull_ev_per_atom == pytest.approx(screening.e_above_hull_ev_per_atom, abs=1e-9)
            assert summary.tc_k == screening.tc_k
    stages = get_campaign(database, "small").rounds[0].stages
    assert [stage.stage for stage in stages] == ["generate", "substitute", "relax", "screen", "phonons"]
    for source in stages[:2]:
        assert source.passed == 2
        assert source.entered == source.passed + sum(source.rejected.values())
    assert stages[2].entered == 4
    with database.job_store() as store:
        assert store.count() == 7

    write_campaign_report(database, "small", tmp_path / "report.html")
    report = (tmp_path / "report.html").read_text()
    assert "<td>diffusion</td>" in report
    assert "<td>substitution</td>" in report

    assert run_campaign(database, recipe) == 1
    assert_sound(database)
    assert database.collection(CandidateDocument).count({"status": "accepted"}) == 8


def test_fireworks_ends_in_the_same_documents(database, recipe):
    run_campaign(database, recipe)
    local = contents(database)
    for name in COLLECTION_MODELS:
        database.raw[name].delete_many({})

    assert len(submit_campaign(database, recipe).added) == 1
    again = submit_campaign(database, recipe)
    assert ([entry.state for entry in again.entries], again.added) == (["ready"], [])
    assert "password" not in str(list(database.raw["fireworks"].find())).lower()
    command = launch_command(database).replace("rlaunch", str(BIN / "rlaunch"))
    result = subprocess.run(
        command, shell=True, cwd=database.settings.data_dir, capture_output=True, text=True, timeout=500, check=False
    )
    states = {row["name"]: row["state"] for row in database.raw["fireworks"].find()}
    assert set(states.values()) == {"COMPLETED"}, result.stdout[-2000:] + result.stderr[-2000:]
    assert contents(database) == local
    assert_sound(database)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "Ctrl-C"])
def test_an_interrupted_campaign_is_continued_by_the_same_command(database, recipe_file, tmp_path, how):
    report = tmp_path / "report.html"
    command = [str(BIN / "invdesflow"), "discover", str(recipe_file), "--report", str(report), "--json"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
        # A test run in a shell's background ignores Ctrl-C, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 300
    while database.raw["relaxations"].count_documents({}) < 2 and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.2)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(how)
    output, error = process.communicate(timeout=300)
    assert process.returncode in (-signal.SIGKILL, 130)
    assert output == ""
    assert how == signal.SIGKILL or error == (
        "error: Interrupted. Finished work is stored; the same command continues.\n"
    )
    _, alive = psutil.wait_procs(workers, timeout=120)
    assert not alive
    stored = {row["relaxation_id"]: row["created_at"] for row in database.raw["relaxations"].find()}
    assert stored

    subprocess.run(command, check=True, capture_output=True, timeout=500)
    assert_sound(database)
    assert database.collection(CandidateDocument).count({"status": "accepted"}) == 4
    assert get_campaign(database, "small").rounds[0].status == "completed"
    kept = {row["relaxation_id"]: row["created_at"] for row in database.raw["relaxations"].find()}
    assert stored.items() <= kept.items()
