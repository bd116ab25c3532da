"""`invdesflow learn`: rounds of the learning loop."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from invdesflow.cli.output import JsonFlag, print_json, print_table, say

if TYPE_CHECKING:
    from invdesflow.learning.round_documents import LearningRoundDocument

app = typer.Typer(help="Learn: choose candidates, calculate them, retrain the models.", no_args_is_help=True)

CampaignOption = Annotated[str | None, typer.Option("--campaign", help="Only this campaign")]

_CHOSEN = {
    "rank": "rank",
    "candidate_id": "candidate",
    "reduced_formula": "formula",
    "score": "score",
    "predicted": "predicted Tc (K)",
    "p_stable": "P(success)",
    "found": "found Tc (K)",
    "remark": "remark",
}
_ROUNDS = {
    "campaign": "campaign",
    "number": "round",
    "status": "status",
    "oracle": "oracle",
    "strategy": "strategy",
    "pool": "pool",
    "chosen": "chosen",
    "answered": "with a Tc",
    "best": "best Tc so far (K)",
    "core_hours": "core-hours",
    "models": "models",
}


@app.command("round")
def learn_round(
    recipe: Annotated[Path, typer.Argument(help="Recipe, such as flows/active_learning.yaml")],
    json: JsonFlag = False,
) -> None:
    """Run the unfinished round of a learning campaign here, or its next one; a stopped round continues."""
    from invdesflow.campaigns.active_learning import ActiveLearningMaker
    from invdesflow.campaigns.local import run_campaign
    from invdesflow.campaigns.recipes import read_recipe
    from invdesflow.database import Database
    from invdesflow.errors import ConfigurationError
    from invdesflow.learning.rounds import stored_round

    parsed = read_recipe(recipe)
    if not isinstance(parsed.maker, ActiveLearningMaker):
        raise ConfigurationError(
            f"The recipe {recipe} is not one of a learning campaign.",
            "Use one with maker: ActiveLearningMaker, such as flows/active_learning.yaml.",
        )
    with Database() as database:
        number = run_campaign(database, parsed)
        found = stored_round(database, parsed.campaign, number)
    print_json([found.model_dump(mode="json")]) if json else _print_round(found)


@app.command()
def status(campaign: CampaignOption = None, json: JsonFlag = False) -> None:
    """Show the last round of every learning campaign: what it chose, what came of it, its models."""
    last = {found.campaign: found for found in _rounds(campaign)}
    if json:
        print_json(found.model_dump(mode="json") for found in last.values())
        return
    for found in last.values():
        _print_round(found)


@app.command()
def history(campaign: CampaignOption = None, json: JsonFlag = False) -> None:
    """List the rounds of the learning campaigns."""
    rounds = _rounds(campaign)
    if json:
        print_json(found.model_dump(mode="json") for found in rounds)
    else:
        print_table([_row(found) for found in rounds], _ROUNDS)


def _rounds(campaign: str | None) -> list["LearningRoundDocument"]:
    from invdesflow.database import Database
    from invdesflow.learning.round_documents import LearningRoundDocument

    criteria = {} if campaign is None else {"campaign": campaign}
    with Database() as database:
        found = database.collection(LearningRoundDocument).find(criteria, sort=[("campaign", 1), ("number", 1)])
        rounds = list(found)
    if not rounds:
        say("No round has been run yet: invdesflow learn round flows/active_learning.yaml.")
    return rounds


def _row(found: "LearningRoundDocument") -> dict[str, Any]:
    return {
        "campaign": found.campaign,
        "number": found.number,
        "status": found.status,
        "oracle": found.oracle,
        "strategy": found.strategy,
        "pool": found.pool,
        "chosen": len(found.chosen),
        "answered": sum(row.outcome is not None and row.outcome.tc_k is not None for row in found.chosen),
        "best": f"{found.best_tc_k:.3g}",
        "core_hours": f"{found.core_hours:.3g}",
        "models": ", ".join(f"{one.kind}: {one.after}" for one in found.models),
    }


def _print_round(found: "LearningRoundDocument") -> None:
    rows = []
    for chosen in found.chosen:
        outcome = chosen.outcome
        rows.append(
            {
                "rank": chosen.rank,
                "candidate_id": chosen.candidate_id,
                "reduced_formula": chosen.reduced_formula,
                "score": f"{chosen.score:.3g}",
                "predicted": f"{chosen.terms['tc_mean_k']:.3g} +- {chosen.terms['tc_std_k']:.2g}",
                "p_stable": f"{chosen.terms['p_stable']:.2f}",
                "found": None if outcome is None or outcome.tc_k is None else f"{outcome.tc_k:.3g}",
                "remark": "not answered yet" if outcome is None else outcome.reason,
            }
        )
    title = f"{found.campaign}, round {found.number} ({found.status}): {len(rows)} of {found.pool} by {found.strategy}"
    print_table(rows, _CHOSEN, title)
    if found.bias is not None and found.bias.over_represented:
        say(f"Chosen more often than chance explains: {', '.join(found.bias.over_represented)}.")
    for change in found.models:
        trained = "nothing was trained" if change.trained is None else f"trained {change.trained}"
        say(f"{change.kind}: {trained}, {change.after} is asked" + (f" ({change.remark})" if change.remark else ""))
    say(f"Best Tc so far {found.best_tc_k:.3g} K; {found.core_hours:.3g} core-hours in this round.")
