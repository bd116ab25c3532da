"""`invdesflow import`: known superconductors and reference crystals, from files or public sources."""

from pathlib import Path
from typing import Annotated

import typer

from invdesflow.cli.output import JsonFlag, print_json, print_table, say


def add_commands(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command("import")(import_source)


def import_source(
    source: Annotated[str, typer.Argument(help="catalogue, jarvis, alexandria, htsc, folder or materials-project")],
    path: Annotated[Path | None, typer.Argument(help="Local file or folder; without it, the public source")] = None,
    json: JsonFlag = False,
) -> None:
    """Import known superconductors or reference crystals; running it again adds nothing twice."""
    from invdesflow.database import Database
    from invdesflow.superconductors.loading import load_from

    with Database() as database:
        counts = load_from(database, source, path)
    if json:
        print_json([counts.model_dump()])
        return
    say(f"{counts.added} added, {counts.merged} merged, {counts.unchanged} unchanged, {len(counts.refused)} refused.")
    if counts.corrected:
        say(f"{counts.corrected} corrected: the catalogue said something else of them before.")
    if counts.refused:
        print_table([refusal.model_dump() for refusal in counts.refused], {"name": "refused", "reason": "reason"})
