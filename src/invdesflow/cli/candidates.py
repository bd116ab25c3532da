"""`invdesflow query`, `show`, `export`: asking the database for candidates."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from invdesflow.cli.output import JsonFlag, print_json, print_table, say

if TYPE_CHECKING:
    from invdesflow.database.summary import SummaryDocument

TABLE_COLUMNS = {
    "candidate_id": "candidate",
    "reduced_formula": "formula",
    "space_group": "space group",
    "stage": "stage",
    "tc_k": "Tc (K)",
    "tc_std_k": "+- (K)",
    "tc_mu_star": "mu*",
    "in_domain": "in domain",
    "superconductor_probability": "P(SC)",
    "e_above_hull_ev_per_atom": "E hull (eV/atom)",
    "predicted_formation_energy_ev_per_atom": "E form (eV/atom)",
    "dynamical_stability": "phonons",
    "core_hours": "core-hours",
    "origins": "origin",
}

Elements = Annotated[str | None, typer.Option(help="Elements that must be present: B,C,N")]
Exclude = Annotated[str | None, typer.Option(help="Elements that must be absent: O,F")]
Formula = Annotated[str | None, typer.Option(help="Formula, elements in any order")]
FormulaContains = Annotated[str | None, typer.Option(help="Text within the formula, taken literally")]
TcMin = Annotated[float | None, typer.Option(help="Least predicted Tc (K)")]
TcMax = Annotated[float | None, typer.Option(help="Largest predicted Tc (K)")]
MuStar = Annotated[float | None, typer.Option(help="Coulomb pseudopotential of the predicted Tc")]
EhullMax = Annotated[float | None, typer.Option(help="Largest energy above the hull (eV/atom)")]
Pressure = Annotated[float | None, typer.Option(help="Pressure of the relaxation (GPa)")]
Spacegroup = Annotated[int | None, typer.Option(help="Space group number")]
StageOption = Annotated[str | None, typer.Option(help="Last stage reached: generated, relaxed, screened or verified")]
Campaign = Annotated[str | None, typer.Option(help="Campaign that proposed it")]
Origin = Annotated[str | None, typer.Option(help="Kind of origin, such as substitution")]
Rejected = Annotated[bool | None, typer.Option("--rejected/--passed", help="Only rejected, or only passed, candidates")]
Sort = Annotated[str, typer.Option(help="tc, ehull, formation_energy, volume or updated")]


def add_commands(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command()(query)
    app.command()(show)
    app.command()(export)


def query(
    elements: Elements = None,
    exclude: Exclude = None,
    formula: Formula = None,
    formula_contains: FormulaContains = None,
    tc_min: TcMin = None,
    tc_max: TcMax = None,
    mu_star: MuStar = None,
    ehull_max: EhullMax = None,
    pressure: Pressure = None,
    spacegroup: Spacegroup = None,
    stage: StageOption = None,
    campaign: Campaign = None,
    origin: Origin = None,
    rejected: Rejected = None,
    sort: Sort = "tc",
    limit: Annotated[int, typer.Option(min=0, help="At most so many; 0 is all")] = 50,
    json: JsonFlag = False,
) -> None:
    """List the candidates that match, best first."""
    filters = _filters(locals())
    rows = (row_of(candidate) for candidate in _find(filters, sort, limit))
    if json:
        print_json(rows)
        return
    found = list(rows)
    if not found:
        say("No candidate matches.")
        return
    print_table(found, TABLE_COLUMNS)


def show(
    candidate_id: Annotated[str, typer.Argument(help="Identifier, or its first characters")], json: JsonFlag = False
) -> None:
    """Show everything known of one candidate, with its history."""
    from invdesflow.campaigns.history import candidate_history
    from invdesflow.cli.history import print_history
    from invdesflow.database import Database

    with Database(read_only=True) as database:
        history = candidate_history(database, candidate_id)
    if json:
        print_json([history.model_dump(mode="json")])
    else:
        print_history(history)


def export(
    output: Annotated[Path, typer.Argument(help="Folder for structures, file for csv, parquet and extxyz")],
    file_format: Annotated[str, typer.Option("--format", help="cif, poscar, extxyz, csv or parquet")] = "cif",
    elements: Elements = None,
    exclude: Exclude = None,
    formula: Formula = None,
    formula_contains: FormulaContains = None,
    tc_min: TcMin = None,
    tc_max: TcMax = None,
    mu_star: MuStar = None,
    ehull_max: EhullMax = None,
    pressure: Pressure = None,
    spacegroup: Spacegroup = None,
    stage: StageOption = None,
    campaign: Campaign = None,
    origin: Origin = None,
    rejected: Rejected = None,
    sort: Sort = "tc",
    limit: Annotated[int, typer.Option(min=0, help="At most so many; 0 is all")] = 0,
) -> None:
    """Write the matching candidates' structures, or their summary table, to disk."""
    from invdesflow.campaigns.exporting import export_candidates
    from invdesflow.database import Database

    filters = _filters(locals())
    with Database(read_only=True) as database:
        found = database.candidates(sort=sort, limit=limit, **filters)
        count = export_candidates(database, found, output, file_format)
    say(f"{count} candidates written to {output}.")


def row_of(candidate: "SummaryDocument") -> dict[str, Any]:
    """Return what a result row shows, the space group in one field."""
    row = candidate.model_dump(exclude={"schema_version", "provenance", "sources_digest"})
    row["space_group"] = f"{candidate.space_group_symbol} ({candidate.space_group_number})"
    return row


def _find(filters: dict[str, Any], sort: str, limit: int) -> "Iterator[SummaryDocument]":
    from invdesflow.database import Database

    with Database(read_only=True) as database:
        yield from database.candidates(sort=sort, limit=limit, **filters)


def _filters(options: dict[str, Any]) -> dict[str, Any]:
    """Return the filters that were given on the command line."""
    names = (
        *("formula", "formula_contains", "tc_min", "tc_max", "mu_star", "ehull_max"),
        *("pressure", "spacegroup", "stage", "campaign", "origin", "rejected"),
    )
    filters = {name: options[name] for name in names if options[name] is not None}
    for name in ("elements", "exclude"):
        if options[name] is not None:
            filters[name] = [symbol.strip() for symbol in options[name].split(",") if symbol.strip()]
    return filters
