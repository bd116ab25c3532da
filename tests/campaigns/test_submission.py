"""Candidates on the launchpad: each once, with worker, priority and resources, and told where they stand."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fireworks import LaunchPad, Workflow
from launchable import recipe_file, stored_candidates, verification

from invdesflow.campaigns.flows import DiscoveryMaker
from invdesflow.campaigns.launching import queue
from invdesflow.campaigns.launching.launchpad import CLAIM, launchpad_of
from invdesflow.campaigns.launching.resources import Launching
from invdesflow.campaigns.launching.submission import submit_campaign
from invdesflow.campaigns.recipes import Recipe
from invdesflow.campaigns.rounds import get_campaign
from invdesflow.campaigns.selection import Selection, selected
from invdesflow.campaigns.verify_candidates import relaxed_structure
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.errors import ConfigurationError
from invdesflow.espresso.meshes import primitive_for_espresso


def states(submission):
    return [entry.state for entry in submission.entries]


def calculated(database, recipe, candidate_id, status):
    """Store what a calculation with the settings of a recipe found, or that it did not end."""
    crystal = primitive_for_espresso(relaxed_structure(database, candidate_id))
    document = ElectronPhononDocument(
        elph_id=recipe.maker.calculation().identifier("elph", crystal),
        candidate_id=candidate_id,
        reduced_formula="Al",
        space_group_number=225,
        structure=crystal,
        pressure_gpa=0.0,
        protocol="smoke",
        settings={},
        pseudopotentials={},
        status=status,
        reason="it is so",
    )
    database.collection(ElectronPhononDocument).upsert([document])


def test_one_workflow_for_each_candidate(database):
    candidates = stored_candidates(database, 3)
    submission = submit_campaign(database, verification(candidate_ids=candidates))
    assert states(submission) == ["added"] * 3
    workflows = list(database.raw["workflows"].find())
    assert {row["metadata"]["candidate_id"] for row in workflows} == set(candidates)
    assert {(row["metadata"]["campaign"], row["metadata"]["campaign_round"]) for row in workflows} == {("verified", 0)}
    for row in workflows:
        fireworks = list(database.raw["fireworks"].find({"fw_id": {"$in": row["nodes"]}}))
        assert {firework["spec"]["candidate_id"] for firework in fireworks} == {row["metadata"]["candidate_id"]}
        told = {firework["name"]: firework["spec"]["_category"] for firework in fireworks}
        assert told == {"begin": "ml", "end of the calculation": "ml"}
        [end] = [firework["spec"] for firework in fireworks if firework["name"] != "begin"]
        assert end["_allow_fizzled_parents"]
    again = submit_campaign(database, verification(candidate_ids=candidates))
    assert (states(again), again.added, again.campaign_round) == (["ready"] * 3, [], 0)
    assert database.raw["workflows"].count_documents({}) == 3


def test_a_candidate_that_is_calculated_or_queued_elsewhere_is_told_and_not_added(database):
    first, second, third = stored_candidates(database, 3)
    recipe = verification(candidate_ids=[first, second, third])
    calculated(database, recipe, first, "insulating")
    calculated(database, recipe, third, "failed")
    submit_campaign(database, verification("other", candidate_ids=[second]))
    submission = submit_campaign(database, recipe)
    assert states(submission) == ["insulating", "ready", "added"]
    assert submission.entries[1].remark == "by round 0 of other"
    [row] = get_campaign(database, "verified").rounds
    assert row.outcomes == {first: "insulating", second: "queued elsewhere", third: "waiting"}


def test_other_settings_are_another_calculation(database):
    candidates = stored_candidates(database, 1)
    submit_campaign(database, verification(candidate_ids=candidates))
    assert states(submit_campaign(database, verification("other", candidate_ids=candidates, protocol="fast"))) == [
        "added"
    ]


def test_a_round_of_what_is_calculated_is_closed_at_once(database):
    [candidate_id] = stored_candidates(database, 1)
    recipe = verification(candidate_ids=[candidate_id])
    calculated(database, recipe, candidate_id, "magnetic")
    assert states(submit_campaign(database, recipe)) == ["magnetic"]
    [row] = get_campaign(database, "verified").rounds
    [stage] = row.stages
    assert (row.status, stage.entered, stage.rejected) == ("completed", 1, {"magnetic": 1})


def test_a_selection_that_adds_nothing_begins_no_round(database):
    [candidate_id] = stored_candidates(database, 1)
    calculated(database, verification(), candidate_id, "magnetic")
    submission = submit_campaign(database, verification(), Selection([candidate_id]))
    assert (states(submission), submission.campaign_round) == (["magnetic"], None)
    assert database.raw["campaigns"].count_documents({}) == 0


def test_a_selection_joins_the_round_that_is_open(database):
    first, second = stored_candidates(database, 2)
    submit_campaign(database, verification(), Selection([first]))
    assert submit_campaign(database, verification(), Selection([second])).campaign_round == 0
    [row] = get_campaign(database, "verified").rounds
    assert (row.chosen, row.outcomes) == ([first, second], {first: "waiting", second: "waiting"})


def test_what_cannot_be_calculated_is_told(database):
    candidates = stored_candidates(database, 1)
    recipe = verification(family="/nowhere")
    [entry] = submit_campaign(database, recipe, Selection(candidates)).entries
    assert (entry.state, entry.firework_ids) == ("impossible", [])
    assert "/nowhere" in entry.remark
    submit_campaign(database, verification(family="/nowhere", candidate_ids=candidates))
    [row] = get_campaign(database, "verified").rounds
    assert (row.status, row.outcomes) == ("completed", {candidates[0]: "failed"})


def test_the_most_promising_are_first_and_have_the_highest_priority(database):
    known = stored_candidates(database, 3, tc_k=10.0)  # the last one has the highest Tc
    submission = submit_campaign(database, verification(tc_min=5.0), Selection(top=2))
    assert [entry.candidate_id for entry in submission.entries] == [known[2], known[1]]
    best, second = (entry.priority for entry in submission.entries)
    assert best > second
    priorities = {row["spec"]["candidate_id"]: row["spec"]["_priority"] for row in database.raw["fireworks"].find()}
    assert priorities == {known[2]: best, known[1]: second}
    again = submit_campaign(database, verification(tc_min=5.0), Selection(top=2))
    assert (states(again), again.added) == (["ready", "ready"], [])


def test_without_a_prediction_there_is_no_priority(database):
    [entry] = submit_campaign(database, verification(), Selection(stored_candidates(database, 1))).entries
    assert entry.priority is None
    assert "no full prediction" in entry.remark
    assert all("_priority" not in row["spec"] for row in database.raw["fireworks"].find())


def test_candidates_are_selected_by_identifiers_or_filters(database):
    known = stored_candidates(database, 3, tc_k=10.0)
    maker = verification(tc_min=5.0).maker
    maker.eligible(database)  # builds the summaries
    assert selected(database, maker, Selection([known[1][:12], known[0]])) == [known[1], known[0]]
    assert selected(database, maker, Selection(["elements=Al", "tc-min=10.5"])) == [known[2], known[1]]
    assert selected(database, maker, Selection(["elements=Al"], top=1)) == [known[2]]
    assert selected(database, maker, Selection(["exclude=Al,O"])) == []
    for words, message in (
        (["cand-nowhere"], "No candidate is called"),
        (["colour=red"], "colour"),
        (["tc-min=hot"], "tc_min"),
        (["tc-min=3", known[0]], "mixed"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            selected(database, maker, Selection(words))
    with pytest.raises(ConfigurationError, match="DiscoveryMaker proposes"):
        submit_campaign(database, Recipe("found", DiscoveryMaker()), Selection(top=1))


def test_an_archived_workflow_gives_way(database):
    candidates = stored_candidates(database, 1)
    recipe = verification(candidate_ids=candidates)
    submit_campaign(database, recipe)
    launchpad_of(database).archive_wf(1)
    assert states(submit_campaign(database, recipe)) == ["added"]


def test_what_a_killed_submission_left_is_added_again(database, monkeypatch):
    monkeypatch.setattr(queue, "_ADDING_S", 0.2)
    candidates = stored_candidates(database, 2)
    recipe = verification(candidate_ids=candidates)
    submit_campaign(database, recipe)
    [row] = database.raw["workflows"].find({"metadata.candidate_id": candidates[1]})
    database.raw["fireworks"].delete_many({"fw_id": {"$in": row["nodes"]}})  # FireWorks adds them after the workflow
    assert states(submit_campaign(database, recipe)) == ["ready", "added"]
    there = [row["spec"]["candidate_id"] for row in database.raw["fireworks"].find()]
    assert sorted(there) == sorted(2 * candidates)


def test_two_that_add_the_same_at_the_same_moment_add_it_once(database, monkeypatch):
    """The other one comes between our look and our writing."""
    candidates = stored_candidates(database, 3)
    add, overtaken = LaunchPad.bulk_add_wfs, []

    def be_overtaken(launchpad, workflows):
        if not overtaken:
            overtaken.append(Workflow.from_dict(workflows[1].to_dict()))
            add(launchpad, overtaken)
        add(launchpad, workflows)

    monkeypatch.setattr(LaunchPad, "bulk_add_wfs", be_overtaken)
    submission = submit_campaign(database, verification(candidate_ids=candidates))
    assert states(submission) == ["added", "ready", "added"]
    rows = list(database.raw["workflows"].find())
    assert sorted(row["metadata"]["candidate_id"] for row in rows) == sorted(candidates)
    nodes = sorted(node for row in rows for node in row["nodes"])
    assert sorted(row["fw_id"] for row in database.raw["fireworks"].find()) == nodes


@pytest.mark.slow
def test_two_machines_submit_the_same_candidates_once(database, tmp_path):
    """Two processes with data folders of their own, so that no lock of one machine keeps them apart."""
    candidates = stored_candidates(database, 12)
    stores = yaml.safe_load(Path(os.environ["INVDESFLOW_STORES"]).read_text()) | {"server": "remote"}
    file = Path(os.environ["INVDESFLOW_STORES"]).with_name("remote.yaml")
    file.write_text(yaml.safe_dump(stores))
    command = [sys.executable, "-m", "invdesflow.cli.main", "submit", "--json"]
    command += [str(recipe_file(tmp_path, candidate_ids=candidates))]
    machines = []
    for name in ("one", "two"):
        environment = os.environ | {"INVDESFLOW_STORES": str(file), "INVDESFLOW_DATA_DIR": str(tmp_path / name)}
        machines.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
    told = []
    for machine in machines:
        output, error = machine.communicate(timeout=300)
        assert machine.returncode == 0, error
        told += json.loads(output)
    added = [row["candidate_id"] for row in told if row["state"] == "added"]
    assert sorted(added) == sorted(candidates)
    assert database.raw["workflows"].count_documents({}) == 12
    [row] = get_campaign(database, "verified").rounds
    assert row.outcomes == dict.fromkeys(candidates, "waiting")


@pytest.mark.slow
def test_hundreds_are_added_at_once_and_only_once(database):
    candidates = stored_candidates(database, 200)
    recipe = verification(candidate_ids=candidates)
    assert len(submit_campaign(database, recipe).added) == 200
    assert submit_campaign(database, recipe).added == []
    assert database.raw["workflows"].count_documents({}) == 200
    assert database.raw["fireworks"].count_documents({}) == 400
    identifiers = database.raw["fireworks"].distinct("fw_id")
    assert sorted(identifiers) == list(range(1, 401))


def test_the_recipe_says_what_the_queue_is_asked_for(database):
    candidates = stored_candidates(database, 1)
    asked = Launching.model_validate({"dft": {"nodes": 2, "ntasks": 64}, "ml": {"cpus_per_task": 3}})
    recipe = Recipe("verified", verification(candidate_ids=candidates).maker, asked)
    submit_campaign(database, recipe)
    assert [row["spec"]["_queueadapter"] for row in database.raw["fireworks"].find()] == 2 * [{"cpus_per_task": 3}]


def test_the_workflows_are_found_by_their_indexes(database):
    launchpad = launchpad_of(database)
    launchpad_of(database)
    assert "spec.candidate_id_1" in launchpad.fireworks.index_information()
    found = launchpad.workflows.index_information()
    assert "metadata.campaign_1" in found
    assert found[f"{CLAIM}_1"]["unique"]
    assert launchpad.fw_id_assigner.count_documents({}) == 1
