"""`invdesflow superconductors`: the known ones, from the literature catalogue and from imported sets."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from invdesflow.cli.output import JsonFlag, print_json, print_table

if TYPE_CHECKING:
    from invdesflow.superconductors.documents import SuperconductorDocument

app = typer.Typer(help="Known superconductors: list, show.", no_args_is_help=True)

_COLUMNS = {
    "name": "name",
    "reduced_formula": "formula",
    "space_group": "space group",
    "prototype": "prototype",
    "pressure_gpa": "crystal at p (GPa)",
    "tc_experiment_k": "Tc exp (K)",
    "tc_experiment_pressure_gpa": "at p (GPa)",
    "tc_theory_k": "Tc calc (K)",
    "lambda": "lambda",
    "superconductor_id": "id",
}


@app.command("list")
def list_superconductors(
    elements: Annotated[str | None, typer.Option(help="Elements that must be present: Nb,C")] = None,
    tc_min: Annotated[float | None, typer.Option(help="Least measured Tc (K)")] = None,
    limit: Annotated[int, typer.Option(min=0, help="At most so many; 0 is all")] = 0,
    json: JsonFlag = False,
) -> None:
    """List the known superconductors of the database, highest measured Tc first."""
    from invdesflow.database import Database
    from invdesflow.database.queries import CandidateFilter
    from invdesflow.superconductors.documents import SuperconductorDocument
    from invdesflow.superconductors.loading import load_catalogue_into

    symbols = [symbol.strip() for symbol in (elements or "").split(",") if symbol.strip()]
    criteria = CandidateFilter.checked(elements=symbols).to_mongo()
    with Database() as database:
        collection = database.collection(SuperconductorDocument)
        if collection.count() == 0:
            load_catalogue_into(database)
        rows = [_row(document) for document in collection.find(criteria)]
    rows = [row for row in rows if tc_min is None or (row["tc_experiment_k"] or 0.0) >= tc_min]
    rows.sort(key=lambda row: -(row["tc_experiment_k"] or 0.0))
    rows = rows[: limit or None]
    if json:
        print_json(rows)
    else:
        print_table(rows, _COLUMNS)


@app.command("show")
def show_superconductor(
    name: Annotated[str, typer.Argument(help="Identifier or formula")], json: JsonFlag = False
) -> None:
    """Show the known superconductors of one formula, every value with its source."""
    from invdesflow.cli.history import print_superconductor
    from invdesflow.database import Database
    from invdesflow.superconductors.finding import known_superconductors

    with Database() as database:
        documents = known_superconductors(database, name)
    if json:
        print_json(document.model_dump(mode="json") for document in documents)
        return
    for document in documents:
        print_superconductor(document)


def _row(document: "SuperconductorDocument") -> dict[str, Any]:
    best = max(document.experiment, key=lambda value: value.tc_k, default=None)
    calculated = [value for value in document.theory if value.tc_k is not None]
    return {
        "superconductor_id": document.superconductor_id,
        "name": document.name,
        "reduced_formula": document.reduced_formula,
        "space_group": f"{document.space_group_symbol} ({document.space_group_number})",
        "prototype": document.prototype,
        "pressure_gpa": document.pressure_gpa,
        "tc_experiment_k": None if best is None else best.tc_k,
        "tc_experiment_pressure_gpa": None if best is None else best.pressure_gpa,
        "tc_theory_k": max((value.tc_k for value in calculated if value.tc_k is not None), default=None),
        "lambda": next((value.lambda_ for value in document.theory if value.lambda_ is not None), None),
    }
