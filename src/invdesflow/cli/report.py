"""`invdesflow report`: what came of campaigns."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from invdesflow.cli.output import JsonFlag, print_json, print_table, say

if TYPE_CHECKING:
    from invdesflow.campaigns.stability_table import SourceStability
    from invdesflow.database.database import Database
    from invdesflow.generation.evaluation.shares import Share

app = typer.Typer(help="Reports: of a campaign, of the stability of what the sources propose.", no_args_is_help=True)

ReportOption = Annotated[Path | None, typer.Option("--report", help="Where to write the report (HTML)")]

_TITLE = "Shares of the candidates of which it is known; energies in eV/atom, the median of the largest forces"
_COLUMNS = {
    "source": "source",
    "candidates": "candidates",
    "relaxed": "relaxed",
    "median_max_force": "max force (eV/A)",
    "negative_formation_energy": "E form < 0",
    "hull_0": "E hull <= 0",
    "hull_0.05": "<= 0.05",
    "hull_0.1": "<= 0.1",
    "complete_hulls": "complete hulls",
    "dynamically_stable": "phonons stable",
    "phonons_failed": "failed",
    "phonons_missing": "not calculated",
}


@app.command("campaign")
def report_campaign(
    campaign: Annotated[str, typer.Argument(help="Name of the campaign")], report_path: ReportOption = None
) -> None:
    """Write the report of a campaign as one HTML file."""
    from invdesflow.database import Database

    with Database(read_only=True) as database:
        written = write_report(database, campaign, report_path)
    say(f"Report: {written}")


@app.command("intercalation")
def report_intercalation(
    campaign: Annotated[str, typer.Argument(help="Name of the campaign")],
    report_path: ReportOption = None,
    figures: Annotated[Path | None, typer.Option(help="Folder for every figure as a file of its own")] = None,
    suffix: Annotated[str, typer.Option("--format", help="Of these files: png, pdf, svg or html")] = "png",
) -> None:
    """Write the report of all intercalation studies of a campaign, as one HTML file and as single figures."""
    from invdesflow.campaigns.study_report import (
        default_report,
        studies_of,
        write_study_figures,
        write_study_report,
    )
    from invdesflow.database import Database

    with Database(read_only=True) as database:
        studies = studies_of(database, campaign)
        written = write_study_report(database, studies, report_path or default_report(database, campaign))
        drawn = [] if figures is None else write_study_figures(database, studies, figures, f".{suffix}")
    for path in (written, *drawn):
        say(f"{'Report' if path == written else 'Figure'}: {path}")


@app.command("stability")
def report_stability(
    campaign: Annotated[str | None, typer.Option(help="Only what this campaign proposed")] = None,
    json: JsonFlag = False,
) -> None:
    """Count the stable candidates of each source: formation energy, hull, forces, phonons."""
    from invdesflow.campaigns.rounds import get_campaign
    from invdesflow.campaigns.stability_table import read_states, stability_table
    from invdesflow.database import Database

    with Database(read_only=True) as database:
        if campaign is not None:
            get_campaign(database, campaign)  # a wrong name is an error, not an empty table
        rows = stability_table(read_states(database, campaign))
    if json:
        print_json(row.model_dump(mode="json") for row in rows)
        return
    if not rows:
        say("There are no candidates yet: run a campaign with invdesflow discover.")
        return
    print_table([_cells(row) for row in rows], _COLUMNS, _TITLE)


def write_report(database: "Database", campaign: str, path: Path | None) -> Path:
    """Write the report of a campaign to a file, by default in the data folder, and return its path."""
    from invdesflow.campaigns.reporting import write_campaign_report

    target = path or database.settings.data_dir / "reports" / f"{campaign}.html"
    write_campaign_report(database, campaign, target)
    return target


def _cells(row: "SourceStability") -> dict[str, Any]:
    shares: dict[str, Share] = {f"hull_{limit}": share for limit, share in row.within_hull.items()}
    for name in ("relaxed", "negative_formation_energy", "complete_hulls", "dynamically_stable"):
        shares[name] = getattr(row, name)
    return row.model_dump() | {name: _percent(share) for name, share in shares.items()}


def _percent(share: "Share") -> str | None:
    return None if share.share is None else f"{share.share:.0%} ({share.count}/{share.total})"
