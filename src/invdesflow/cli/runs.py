"""`invdesflow runs`: what runs where, what was lost, why something failed; running it again, and cancelling."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from invdesflow.campaigns.launching.categories import Category
from invdesflow.cli.output import JsonFlag, print_json, print_table, say

if TYPE_CHECKING:
    from invdesflow.campaigns.launching.steering import Steered

app = typer.Typer(help="What runs where: list, find what was lost, explain, rerun, cancel.", no_args_is_help=True)

_COLUMNS = {
    "identifier": "run",
    "kind": "kind",
    "name": "what",
    "state": "state",
    "campaign": "campaign",
    "candidate_id": "candidate",
    "category": "category",
    "host": "host",
    "folder": "folder",
    "updated_at": "heard of",
}
_LOST_COLUMNS = {"kind": "lost", "firework_id": "firework", "state": "state"}

RunArgument = Annotated[str, typer.Argument(help="Number of a firework, candidate, calculation, or campaign")]


@app.command("list")
def list_(
    campaign: Annotated[str | None, typer.Option(help="Only of this campaign")] = None,
    candidate: Annotated[str | None, typer.Option(help="Only of this candidate")] = None,
    state: Annotated[str | None, typer.Option(help="Only in this state, such as running or fizzled")] = None,
    category: Annotated[Category | None, typer.Option(help="Only of this kind of worker")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what has completed")] = False,
    json: JsonFlag = False,
) -> None:
    """List fireworks of the queue, rounds and programs of this machine, and calculations."""
    from invdesflow.campaigns.launching.runs import RunFilter, list_runs
    from invdesflow.database import Database

    wanted = RunFilter(campaign, candidate, category, None if state is None else state.lower(), everything)
    with Database() as database:
        rows = [asdict(run) for run in list_runs(database, wanted)]
    if json:
        print_json(rows)
    elif rows:
        filled = {field: heading for field, heading in _COLUMNS.items() if any(row[field] for row in rows)}
        print_table([row | {"updated_at": _minute(row)} for row in rows], filled)
    else:
        say("Nothing runs, waits or failed.")


@app.command()
def lost(
    rerun: Annotated[bool, typer.Option("--rerun", help="Mend it, so that rockets finish the work.")] = False,
    hours: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="A run is lost when nothing was heard of it for so long; by default RUN_EXPIRATION_SECS of FireWorks' "
            "settings: half an hour with those of `hpc init`, else 4 hours.",
        ),
    ] = None,
    patience: Annotated[float, typer.Option(min=0.0, help="Seconds to look at what may be written just now.")] = 10,
    json: JsonFlag = False,
) -> None:
    """Find what nobody works on any more: runs, reservations, locks and half-written changes of the queue."""
    from invdesflow.campaigns.launching.launchpad import launchpad_of
    from invdesflow.campaigns.launching.lost import find_lost, mend, usual_silence
    from invdesflow.database import Database

    silence = usual_silence() if hours is None else timedelta(hours=hours)
    with Database() as database:
        launchpad = launchpad_of(database)
        found = find_lost(launchpad, database.address, silence, timedelta(seconds=patience))
        if rerun:
            mend(launchpad, database.address, found)
    if json:
        print_json(asdict(one) | {"mended": rerun} for one in found)
    elif found:
        print_table([asdict(one) for one in found], _LOST_COLUMNS)
    if not found:
        say("Nothing is lost.")
    else:
        say(f"{len(found)} mended." if rerun else f"{len(found)} lost. Mend them with: invdesflow runs lost --rerun")


@app.command()
def rerun(identifier: RunArgument, json: JsonFlag = False) -> None:
    """Run again what failed, or was cancelled; steps that are done are not repeated."""
    from invdesflow.campaigns.launching.steering import rerun as run_again
    from invdesflow.database import Database

    with Database() as database:
        steered = run_again(database, identifier)
    _report(steered, "will be run again", json)


@app.command()
def cancel(identifier: RunArgument, json: JsonFlag = False) -> None:
    """Take unfinished work back; what is stored stays."""
    from invdesflow.campaigns.launching.steering import cancel as take_back
    from invdesflow.database import Database

    with Database() as database:
        steered = take_back(database, identifier)
    _report(steered, "will not be run", json)


@app.command()
def explain(
    identifier: Annotated[str, typer.Argument(help="Number of a firework, or identifier of a task or a calculation")],
    json: JsonFlag = False,
) -> None:
    """Tell why something failed: the last lines of the real output, what error handlers did, the exception."""
    from invdesflow.campaigns.launching.explaining import explain as known_of
    from invdesflow.database import Database

    with Database() as database:
        known = known_of(database, identifier)
    if json:
        print_json([known])
    else:
        _tell(known)


def _minute(row: Mapping[str, Any]) -> str | None:
    return None if row["updated_at"] is None else f"{row['updated_at']:%Y-%m-%d %H:%M}"


def _report(steered: "Steered", what: str, json: bool) -> None:
    if json:
        print_json([asdict(steered)])
        return
    if steered.firework_ids:
        say(f"Fireworks {', '.join(map(str, steered.firework_ids))} {what}.")
    for run in steered.still_running:
        say(f"Firework {run['fw_id']} runs on, on {run['host']} in {run['launch_dir']}; end it there.")
    if steered.stopped_process is not None:
        say(f"Process {steered.stopped_process} was told to end; what it finished is stored.")


def _tell(known: Mapping[str, Any], indent: str = "") -> None:
    """Print what is known, what holds others of its kind last."""
    for key, value in known.items():
        if key in ("tasks", "output", "launches", "exception", "corrections", "failure") or value in (None, ""):
            continue
        typer.echo(f"{indent}{key.replace('_', ' ')}: {value}")
    for launch in known.get("launches", []):
        typer.echo(f"{indent}launch {launch['launch_id']}: {launch['state'].lower()} on {launch['host']}")
        typer.echo(f"{indent}  in {launch['launch_dir']}")
    failure = known.get("failure")
    if failure:
        typer.echo(f"{indent}failure: {failure['name']} ({failure['code']}): {failure['message']}")
    for correction in known.get("corrections", []):
        actions = "; ".join(correction["actions"])
        typer.echo(f"{indent}corrected: {correction['handler']} for {correction['error']}: {actions}")
    for name, lines in {**known.get("output", {}), "exception": known.get("exception", [])}.items():
        if lines:
            typer.echo(f"{indent}{name}:")
            typer.echo("\n".join(f"{indent}  {line}" for line in lines))
    for task in known.get("tasks", []):
        typer.echo("")
        _tell(task, indent + "  ")
