"""`invdesflow db check`: what a crash has left, and mending it."""

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from invdesflow.cli.output import JsonFlag, print_json, print_table, say

if TYPE_CHECKING:
    from invdesflow.database.findings import Finding

__all__ = ["check"]

_COLUMNS = {"kind": "found", "place": "where", "identifier": "which", "remark": "remark", "repaired": "repaired"}


def check(
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended.")] = False,
    hours: Annotated[
        float, typer.Option(min=0.0, help="What is younger than this may be being written, and is left alone.")
    ] = 4.0,
    patience: Annotated[float, typer.Option(min=0.0, help="Seconds to look at what the queue writes just now.")] = 10,
    json: JsonFlag = False,
) -> None:
    """Find what a crash has left: blobs, locks, indexes, files, lost runs; exit code 1 if something remains."""
    from invdesflow.campaigns.launching.leavings import claim_findings, file_findings, queue_findings
    from invdesflow.database import Database
    from invdesflow.database.check import check as database_findings
    from invdesflow.database.documents import utc_now

    silence = timedelta(hours=hours)
    with Database() as database:
        before = utc_now() - silence
        found = [
            *database_findings(database, before),
            *file_findings(database, before),
            *claim_findings(database),
            *queue_findings(database, silence, timedelta(seconds=patience)),
        ]
        if repair:
            _repair(found)
    rows = [
        {name: getattr(finding, name) for name in ("kind", "place", "identifier", "remark")}
        | {"repaired": repair and finding.repair is not None}
        for finding in found
    ]
    if json:
        print_json(rows)
    elif rows:
        print_table(rows, _COLUMNS)
    say(_account(found, repair))
    if any(not row["repaired"] for row in rows):
        raise typer.Exit(1)


def _repair(found: "list[Finding]") -> None:
    for finding in found:
        if finding.repair is not None:
            finding.repair()


def _account(found: "list[Finding]", repaired: bool) -> str:
    if not found:
        return "Nothing is left over."
    counts = ", ".join(f"{kind}: {count}" for kind, count in sorted(Counter(one.kind for one in found).items()))
    mendable = sum(one.repair is not None for one in found)
    if repaired:
        return f"{counts}. {mendable} of {len(found)} mended."
    return f"{counts}. Mend {mendable} of {len(found)} with: invdesflow db check --repair"
