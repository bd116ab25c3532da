"""What `invdesflow intercalate` prints when the study goes to the launchpad."""

import json
from contextlib import nullcontext

import pytest
import typer
from typer.testing import CliRunner

from invdesflow.campaigns.fireworks import Submission
from invdesflow.cli.intercalate import add_commands


@pytest.fixture
def submitted(monkeypatch):
    """Let a launchpad stand for FireWorks that has a round already when it is asked for again."""
    recipes = []

    def submit(_, recipe):
        recipes.append(recipe)
        return Submission(recipe.campaign, 0, [7, 8], already_there=len(recipes) > 1)

    monkeypatch.setattr("invdesflow.campaigns.fireworks.submit_campaign", submit)
    monkeypatch.setattr("invdesflow.campaigns.fireworks.launch_command", lambda _: "rlaunch it")
    monkeypatch.setattr("invdesflow.database.Database", lambda: nullcontext(None))
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
    assert row == {"campaign_round": 0, "firework_ids": [7, 8], "already_there": False}
    intercalated = submitted[0].maker.study.intercalate
    assert (intercalated.hosts.names, intercalated.guests) == (["K2CuH6"], ["Ga", "Li"])
    assert submitted[0].maker.verify is None


def test_a_study_that_was_submitted_before_is_told_so(submitted):
    assert "is on the launchpad, fireworks" in intercalate("K2CuH6").stderr
    again = intercalate("K2CuH6", "--verify", "--protocol", "fast")
    assert "is on the launchpad already" in again.stderr
    assert "rlaunch it" in again.stderr
    assert submitted[1].maker.verify.protocol == "fast"
