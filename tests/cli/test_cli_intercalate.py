"""What `invdesflow intercalate` prints when the study goes to the launchpad."""

import json

import pytest
import typer
from typer.testing import CliRunner

from invdesflow.campaigns.launching.entries import Entry, Submission
from invdesflow.cli.intercalate import add_commands


@pytest.fixture
def submitted(database, monkeypatch):
    """Let a launchpad stand for FireWorks that has a round already when it is asked for again."""
    recipes = []

    def submit(_, recipe, selection):
        recipes.append(recipe)
        state = "added" if len(recipes) == 1 else "waiting"
        return Submission(recipe.campaign, 0, [Entry(state, firework_ids=[7, 8])])

    monkeypatch.setattr("invdesflow.campaigns.launching.submission.submit_campaign", submit)
    monkeypatch.setattr("invdesflow.campaigns.launching.launchpad.launch_command", lambda _: "rlaunch it")
    return recipes


def intercalate(*arguments):
    app = typer.Typer()
    add_commands(app)
    result = CliRunner().invoke(app, [*arguments, "--submit"])
    assert result.exit_code == 0, result.output
    return result


def test_a_submitted_study_is_told_as_json(submitted):
    rows = json.loads(intercalate("K2CuH6", "--guests", "Ga,Li", "--json").stdout)
    [row] = rows
    assert row.pop("campaign").startswith("intercalation-K2CuH6-")
    assert (row["campaign_round"], row["firework_ids"], row["state"]) == (0, [7, 8], "added")
    intercalated = submitted[0].maker.study.intercalate
    assert (intercalated.hosts.names, intercalated.guests) == (["K2CuH6"], ["Ga", "Li"])
    assert submitted[0].maker.verify is None


def test_a_study_that_was_submitted_before_is_told_so(submitted):
    assert "is on the launchpad, fireworks" in intercalate("K2CuH6").stderr
    again = intercalate("K2CuH6", "--verify", "--protocol", "fast")
    assert "is on the launchpad already" in again.stderr
    assert "rlaunch it" in again.stderr
    assert submitted[1].maker.verify.protocol == "fast"


def test_a_known_superconductor_is_studied_at_the_pressure_of_its_tc(submitted):
    told = intercalate("H3S", "--verify").stderr
    assert "H3S is known to superconduct at 200 GPa; --pressure takes another." in told
    assert submitted[0].maker.study.relax.settings.pressure_gpa == submitted[0].maker.verify.pressure_gpa == 200.0
    assert "known to superconduct" not in intercalate("H3S", "--pressure", "150").stderr
    assert submitted[1].maker.study.relax.settings.pressure_gpa == 150.0


def test_hosts_of_different_pressures_need_a_choice(submitted):
    app = typer.Typer()
    add_commands(app)
    refused = CliRunner().invoke(app, ["H3S", "K2CuH6", "--submit"])
    assert "K2CuH6 at 0 GPa, H3S at 200 GPa" in str(refused.exception)
    assert submitted == []
