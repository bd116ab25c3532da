"""`invdesflow discover`, `recipe`: running campaigns here."""

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from invdesflow.cli.candidates import TABLE_COLUMNS, row_of
from invdesflow.cli.output import JsonFlag, print_json, print_table, say
from invdesflow.cli.report import ReportOption, write_report

if TYPE_CHECKING:
    from invdesflow.campaigns.recipes import Recipe
    from invdesflow.campaigns.selection import Selection
    from invdesflow.database.database import Database
    from invdesflow.database.stages import StageRecord

RANKED = 20
"""Rows of the ranked table, where nobody asks for more."""
RecipeArgument = Annotated[Path, typer.Argument(help="Recipe, such as flows/discovery.yaml")]

recipe_app = typer.Typer(help="Recipes: check them, describe their parameters.", no_args_is_help=True)


def add_commands(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command()(discover)
    app.add_typer(recipe_app, name="recipe")


def discover(
    recipe: RecipeArgument,
    limit: Annotated[int, typer.Option(min=1, help="Rows of the ranked table")] = RANKED,
    report_path: ReportOption = None,
    json: JsonFlag = False,
) -> None:
    """Run a campaign here: its unfinished round, or the next one; then print the ranking and write the report."""
    from invdesflow.campaigns.recipes import read_recipe

    run_here(read_recipe(recipe), limit=limit, report_path=report_path, json=json)


def run_here(
    recipe: "Recipe",
    selection: "Selection | None" = None,
    *,
    limit: int = RANKED,
    report_path: Path | None = None,
    json: bool = False,
) -> None:
    """Run the unfinished round of a recipe here, or its next one; print the ranking and write the report."""
    from invdesflow.campaigns.local import run_campaign
    from invdesflow.campaigns.rounds import get_campaign
    from invdesflow.database import Database

    with Database() as database:
        number = run_campaign(database, recipe, selection)
        stages = get_campaign(database, recipe.campaign).rounds[number].stages
        ranked = _ranking(database, recipe.campaign, limit)
        written = write_report(database, recipe.campaign, report_path)
        total = database.summary.count({"campaigns": recipe.campaign})
        passed = database.summary.count(
            {"campaigns": recipe.campaign, "rejected": False, "stage": {"$in": ["screened", "verified"]}}
        )
    if json:
        print_json(ranked)
    else:
        title = f"Campaign {recipe.campaign}: the best {len(ranked)}, those that passed every gate first"
        print_table(ranked, TABLE_COLUMNS | {"hull_complete": "hull complete", "rejection_gate": "rejected by"}, title)
    for stage in stages:
        say(_account(stage))
    say(f"Round {number} is complete. The campaign holds {total} candidates, of which {passed} passed every gate.")
    say(f"Report: {written}")


@recipe_app.command("check")
def check_recipe(recipe: RecipeArgument, json: JsonFlag = False) -> None:
    """Validate a recipe and print every parameter, defaults included."""
    from invdesflow.campaigns.recipes import read_recipe

    parsed = read_recipe(recipe)
    content = {
        "campaign": parsed.campaign,
        "maker": type(parsed.maker).__name__,
        "parameters": parsed.parameters(),
        "launching": parsed.launching.model_dump(exclude_none=True),
    }
    if json:
        print_json([content])
        return
    import yaml

    typer.echo(yaml.safe_dump(content))


@recipe_app.command()
def schemas(
    folder: Annotated[Path, typer.Argument(help="Folder to write to")] = Path("flows/schemas"),
    check: Annotated[bool, typer.Option("--check", help="Compare with the files instead of writing them.")] = False,
) -> None:
    """Export the JSON schema of every campaign maker's parameters, and of what a recipe says of its launching."""
    from invdesflow.campaigns.flows import CAMPAIGN_MAKERS
    from invdesflow.campaigns.launching.resources import Launching
    from invdesflow.campaigns.recipes import recipe_schema
    from invdesflow.database.schemas import write_schemas

    exported = {name: recipe_schema(maker) for name, maker in CAMPAIGN_MAKERS.items()}
    write_schemas(exported | {"Launching": Launching.model_json_schema()}, folder, check=check)


def _account(stage: "StageRecord") -> str:
    """Say in one line what a stage of the round did."""
    lost = ", ".join(f"{reason} {count}" for reason, count in sorted(stage.rejected.items(), key=lambda loss: -loss[1]))
    return f"{stage.stage}: {stage.passed} of {stage.entered} passed" + (f" (rejected: {lost})" if lost else "")


def _ranking(database: "Database", campaign: str, limit: int) -> list[dict[str, Any]]:
    """Return the screened and the verified candidates, those that passed first, each part by falling Tc."""
    rows: list[dict[str, Any]] = []
    for rejected in (False, True):
        found = (
            candidate
            for candidate in database.candidates(campaign=campaign, rejected=rejected)
            if candidate.stage in ("screened", "verified")
        )
        rows += [row_of(candidate) for candidate in islice(found, limit)]
    return rows[:limit]
