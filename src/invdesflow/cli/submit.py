"""`invdesflow submit`, `launchpad`: running campaigns with FireWorks."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from invdesflow.cli.campaign import RecipeArgument, run_here
from invdesflow.cli.output import JsonFlag, print_json, print_table, say

if TYPE_CHECKING:
    from invdesflow.campaigns.launching.entries import Submission
    from invdesflow.campaigns.recipes import Recipe
    from invdesflow.campaigns.selection import Selection

_COLUMNS = {
    "candidate_id": "candidate",
    "formula": "formula",
    "state": "state",
    "firework_ids": "fireworks",
    "priority": "priority",
    "remark": "remark",
}


def add_commands(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command()(submit)
    app.command()(launchpad)


def submit(
    recipe: RecipeArgument,
    candidates: Annotated[
        list[str] | None,
        typer.Option(
            help="Of a verification: identifiers, or filters as of query: 'elements=Mg,B tc-min=20'; repeatable"
        ),
    ] = None,
    top: Annotated[int | None, typer.Option(min=1, help="Only so many of them: those that are worth most")] = None,
    local: Annotated[bool, typer.Option("--local", help="Run it here instead, as discover does")] = False,
    json: JsonFlag = False,
) -> None:
    """Put a campaign's unfinished round, or its next one, on the FireWorks launchpad of the same database, once."""
    from invdesflow.campaigns.recipes import read_recipe
    from invdesflow.campaigns.selection import Selection

    words = [word for text in candidates or [] for word in text.split()]
    selection = Selection(words, top) if words or top else None
    if local:
        run_here(read_recipe(recipe), selection, json=json)
    else:
        submit_recipe(read_recipe(recipe), selection, json=json)


def submit_recipe(recipe: "Recipe", selection: "Selection | None" = None, *, json: bool) -> None:
    """Put the unfinished round of a recipe, or its next one, on the launchpad; print what is there now."""
    from invdesflow.campaigns.launching.launchpad import launch_command
    from invdesflow.campaigns.launching.submission import submit_campaign
    from invdesflow.database import Database

    with Database() as database:
        submission = submit_campaign(database, recipe, selection)
        command = launch_command(database)
    if json:
        print_json(submission.rows())
        return
    if any(entry.candidate_id for entry in submission.entries):
        print_table(submission.rows(), _COLUMNS)
    for line in _account(submission):
        say(line)
    say(f"Run what waits with: {command}")


def _account(submission: "Submission") -> list[str]:
    """Say in a line or two what was added."""
    round_name = f"Round {submission.campaign_round} of campaign {submission.campaign}"
    if submission.campaign_round is None:
        return [f"Nothing was added to campaign {submission.campaign}: all are queued, calculated or impossible."]
    if all(entry.candidate_id is None for entry in submission.entries) and submission.entries:
        [entry] = submission.entries
        there = "" if submission.added else f" already, {entry.state}"
        told = f"{round_name} is on the launchpad{there}, fireworks {entry.firework_ids}."
        return [told, *([entry.remark.capitalize() + "."] if entry.remark else [])]
    return [f"{round_name}: {len(submission.added)} of {len(submission.entries)} candidates were added."]


def launchpad(
    folder: Annotated[Path | None, typer.Argument(help="Folder to write to; by default one in the data folder")] = None,
) -> None:
    """Write the files with which lpad, rlaunch, qlaunch and jobflow find this database, for you alone to read."""
    from invdesflow.campaigns.launching.launchpad import launch_files, launch_variables
    from invdesflow.database import Database

    with Database() as database:
        files = launch_files(database, folder)
        variables = launch_variables(database, files)
    say("They hold the credentials of the stores: give them to nobody.")
    typer.echo(f"export {variables}")
    typer.echo(f"lpad -l {files.launchpad} get_wflows")
