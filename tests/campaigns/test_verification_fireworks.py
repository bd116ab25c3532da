"""Candidates through FireWorks, with the real programs: the same documents, and failures that are mended."""

import subprocess
import sys
from pathlib import Path

import pytest
from real_programs import FAMILY, FILES, NEEDS_PROGRAMS, silicon, simple_cubic_aluminium, stored_candidate, without_ph

from invdesflow.campaigns.launching.launchpad import launch_command
from invdesflow.campaigns.launching.submission import submit_campaign
from invdesflow.campaigns.local import run_campaign
from invdesflow.campaigns.recipes import Recipe
from invdesflow.campaigns.rounds import get_campaign
from invdesflow.campaigns.verification import VerificationMaker
from invdesflow.epw.documents import ElectronPhononDocument

pytestmark = NEEDS_PROGRAMS


def results(database):
    """Return what the documents of a round say, without times and identifiers of jobs."""
    return {
        document.candidate_id: (
            document.elph_id,
            document.status,
            {step.task_id for step in document.cost},
            pytest.approx(document.electrons.energy_ev, abs=1e-6),
            document.phonons and pytest.approx(document.phonons.min_frequency_cm1, abs=0.01),
        )
        for document in database.collection(ElectronPhononDocument).find({})
    }


def test_fireworks_ends_in_the_same_documents(database, monkeypatch, tmp_path):
    """Silicon, an insulator, and simple cubic aluminium, which is unstable; each step is a firework of its own."""
    crystals = [silicon(), simple_cubic_aluminium()]
    maker = VerificationMaker(
        candidate_ids=[stored_candidate(database, crystal) for crystal in crystals],
        protocol="smoke",
        overrides={"q_spacing": 1.2, "k_spacing": 0.4, "fine_q_spacings": [1.2]},
        family=str(FAMILY),
        files=FILES,
    )
    recipe = Recipe("verified", maker)
    run_campaign(database, recipe)
    local = results(database)
    assert {result[1] for result in local.values()} == {"insulating", "dynamically_unstable"}
    for name in ("campaigns", "electron_phonon", "espresso_tasks", "summary"):
        database.raw[name].delete_many({})
    monkeypatch.setenv("INVDESFLOW_ESPRESSO_DIR", str(tmp_path))
    submit_campaign(database, recipe)
    rlaunch(database, tmp_path)
    assert states_of_fireworks(database) == {"COMPLETED"}
    assert results(database) == local
    [stage] = get_campaign(database, "verified").rounds[0].stages
    assert (stage.stage, stage.entered) == ("verification", 2)
    assert stage.rejected == {"insulating": 1, "dynamically_unstable": 1}
    told = {row["name"]: row["spec"] for row in database.raw["fireworks"].find()}
    categories = {name: spec["_category"] for name, spec in told.items()}
    assert categories["phonons at q-point 1 of 4"] == categories["scf"] == "dft"
    assert categories["judge stability"] == categories["end of the calculation"] == "ml"
    assert "walltime" in told["phonons at q-point 1 of 4"]["_queueadapter"]
    workflows = list(database.raw["workflows"].find())
    assert {row["metadata"]["candidate_id"] for row in workflows} == set(maker.candidate_ids)
    assert max(len(row["nodes"]) for row in workflows) < 50


def rlaunch(database, folder):
    """Run what is ready with the command that is printed after a submission."""
    command = launch_command(database).replace("rlaunch", str(Path(sys.executable).parent / "rlaunch"))
    done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def states_of_fireworks(database):
    return {row["state"] for row in database.raw["fireworks"].find()}


def test_what_fails_on_fireworks_is_counted_and_taken_in_when_it_is_run_again(database, monkeypatch, tmp_path):
    """Without ph.x the phonons of one crystal fail; with it again, FireWorks goes on from there."""
    crystals = [silicon(), simple_cubic_aluminium()]
    insulator, unstable = (stored_candidate(database, crystal) for crystal in crystals)
    maker = VerificationMaker(
        candidate_ids=[insulator, unstable],
        protocol="smoke",
        overrides={"q_spacing": 1.2, "k_spacing": 0.4, "fine_q_spacings": [1.2]},
        family=str(FAMILY),
        files=FILES,
    )
    monkeypatch.setenv("INVDESFLOW_ESPRESSO_DIR", str(tmp_path / "espresso"))
    monkeypatch.setenv("INVDESFLOW_ESPRESSO_BIN", str(without_ph(tmp_path / "bin")))
    submit_campaign(database, Recipe("verified", maker))
    rlaunch(database, tmp_path)
    closed = get_campaign(database, "verified").rounds[0]
    assert (closed.status, closed.outcomes) == ("completed", {insulator: "insulating", unstable: "failed"})
    assert states_of_fireworks(database) == {"COMPLETED", "FIZZLED"}
    [document] = database.collection(ElectronPhononDocument).find({"candidate_id": unstable})
    assert (document.status, "q-points of Al failed" in document.reason) == ("failed", True)

    monkeypatch.delenv("INVDESFLOW_ESPRESSO_BIN")
    states = [row.pop("state") for row in submit_campaign(database, Recipe("again", maker)).rows()]
    assert states == ["insulating", "fizzled"]
    command = submit_campaign(database, Recipe("again", maker)).entries[1].remark.partition("invdesflow ")[2]
    subprocess.run([Path(sys.executable).parent / "invdesflow", *command.split()], check=True)
    rlaunch(database, tmp_path)
    assert states_of_fireworks(database) == {"COMPLETED"}
    again = get_campaign(database, "verified").rounds[0]
    assert again.stages[0].rejected == {"dynamically_unstable": 1, "insulating": 1}
    assert {row.candidate_id: row.elph_status for row in database.candidates()}[unstable] == "dynamically_unstable"
