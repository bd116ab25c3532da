"""`invdesflow doctor`: whether this machine has what a run needs."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from invdesflow.cli.output import JsonFlag, print_json, print_table, say

FINDING_COLUMNS = {"subject": "what", "verdict": "", "found": "found", "remedy": "how to mend it"}


def add_commands(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(doctor)


def doctor(
    recipe: Annotated[
        Path | None, typer.Argument(help="Recipe to be run; without one, Quantum ESPRESSO is not needed")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Test what a run needs and say how to mend what is missing; exit code 1 if something needed is."""
    from invdesflow.campaigns.doctor.table import examine
    from invdesflow.campaigns.recipes import read_recipe
    from invdesflow.progress import track

    parsed = None if recipe is None else read_recipe(recipe)
    findings = list(track(examine(parsed), "examining"))
    if json:
        print_json(map(asdict, findings))
    else:
        print_table(list(map(asdict, findings)), FINDING_COLUMNS)
    missing = sum(finding.verdict == "missing" for finding in findings)
    warnings = sum(finding.verdict == "warning" for finding in findings)
    say(f"{len(findings)} things looked at: {missing} missing, {warnings} warnings.")
    if missing:
        raise typer.Exit(1)
