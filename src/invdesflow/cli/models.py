"""`invdesflow models`: the machine-learned models that generate and screen candidates."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from invdesflow.cli.output import JsonFlag, print_json, print_table, say

if TYPE_CHECKING:
    from invdesflow.registry.registry import Registry

app = typer.Typer(
    help="Models: list, show, evaluate, promote, roll back, import and export them.", no_args_is_help=True
)

COLUMNS = {
    "model_id": "model",
    "kind": "kind",
    "promoted": "promoted",
    "parent": "parent",
    "metric": "held out",
    "value": "",
    "digest": "SHA-256",
}
PREDICTION_COLUMNS = {
    "file": "file",
    "formula": "formula",
    "superconductor_probability": "P(SC)",
    "formation_energy_ev_per_atom": "E form (eV/atom)",
    "formation_energy_std_ev_per_atom": "+-",
    "tc_k": "Tc (K)",
    "tc_std_k": "+-",
    "lambda_": "lambda",
    "omega_log_mev": "omega_log (meV)",
    "in_domain": "in domain",
    "core_hours": "core-hours",
    "reason": "reason",
}

ModelId = Annotated[str, typer.Argument(help="Name of the model, as `models list` has it")]


@app.command("list")
def list_models(json: JsonFlag = False) -> None:
    """List the models, with what was measured of them on formulas held out of training."""
    from invdesflow.screening.kinds import SCORES

    with _registry() as registry:
        models = list(registry.models())
        asked = [registry.asked(kind) for kind in {model.kind for model in models}]
        promoted = {model.model_id for model in asked if model is not None}
    if json:
        print_json(
            model.model_dump(mode="json", exclude={"card"}) | {"promoted": model.model_id in promoted}
            for model in models
        )
        return
    metrics = {kind: name for kind, (name, _) in SCORES.items()}
    rows = [
        {
            "model_id": model.model_id,
            "kind": model.kind,
            "promoted": model.model_id in promoted,
            "parent": model.parent and model.parent[:12],
            "metric": metrics.get(model.kind),
            "value": model.held_out_metrics.get(metrics.get(model.kind, "")),
            "digest": model.digest[:12],
        }
        for model in models
    ]
    print_table(rows, COLUMNS)


@app.command()
def show(model_id: ModelId, json: JsonFlag = False) -> None:
    """Show everything that is known of a model: its card."""
    with _registry() as registry:
        model = registry.get(model_id)
    if json:
        print_json([model.model_dump(mode="json")])
        return
    rows = [{"what": name, "value": value} for name, value in _flat(model.card)]
    print_table(rows, {"what": model_id, "value": ""})


@app.command()
def evaluate(
    model_id: ModelId,
    data: Annotated[list[str], typer.Option(help="NAME=PATH of alexandria, jarvis or materials-project; repeat it")],
    cache: Annotated[Path | None, typer.Option(help="Folder that keeps the descriptions of the crystals")] = None,
    json: JsonFlag = False,
) -> None:
    """Measure a model again on the formulas that were held out of its training."""
    from invdesflow.campaigns.models import evaluate as measure
    from invdesflow.generation.diffusion.gathering import parse_data

    files = dict(parse_data(data))
    with _registry() as registry:
        model = registry.get(model_id)
        metrics = measure(model.kind, registry.weights(model), files, cache)
    if json:
        print_json([metrics])
        return
    rows = [{"what": name, "now": value, "card": model.held_out_metrics.get(name)} for name, value in metrics.items()]
    print_table(rows, {"what": model_id, "now": "measured now", "card": "in its card"})


@app.command()
def promote(
    model_id: ModelId,
    anyway: Annotated[bool, typer.Option("--anyway", help="Also if it is not better than the present one")] = False,
) -> None:
    """Let a model be the one of its kind that campaigns ask, if it is better on the held-out formulas."""
    with _registry() as registry:
        model = registry.promote(model_id, anyway=anyway)
    say(f"Campaigns now ask {model.model_id} ({model.kind}).")


@app.command()
def rollback(
    kind: Annotated[str, typer.Argument(help="classifier, formation-energy, tc, cost, generator, ...")],
) -> None:
    """Ask again the model of a kind that was asked before the present one; repeat it to go further back."""
    with _registry() as registry:
        model = registry.rollback(kind)
    say(f"Campaigns now ask {model.model_id} ({model.kind}), not {model.promotions[-1].instead_of}.")


@app.command("import")
def import_model(
    path: Annotated[Path, typer.Argument(help="Weights file (.safetensors) with its card (.json) beside it")],
) -> None:
    """Store a model in the database."""
    with _registry() as registry:
        model = registry.add(path)
    say(f"{model.model_id} ({model.kind}) is stored; campaigns ask it after `models promote {model.model_id}`.")


@app.command()
def export(
    model_id: ModelId, output: Annotated[Path, typer.Argument(help="Folder for the weights and their card")]
) -> None:
    """Write a model to disk."""
    with _registry() as registry:
        path = registry.export(model_id, output)
    say(f"{path} and its card written.")


@app.command()
def predict(
    structures: Annotated[list[Path], typer.Argument(help="CIF, POSCAR or extXYZ files")],
    mu_star: Annotated[float, typer.Option(min=0.0, max=0.3, help="Coulomb pseudopotential")] = 0.10,
    json: JsonFlag = False,
) -> None:
    """Ask the models that ship about crystals in files; no database is needed."""
    from invdesflow.crystals.reading import read_structure
    from invdesflow.screening.assessment import assess
    from invdesflow.screening.kinds import SHIPPED_FILES

    crystals = [read_structure(path) for path in structures]
    assessments = assess(crystals, SHIPPED_FILES, mu_star)
    rows = [
        {"file": str(path), "formula": crystal.composition.reduced_formula, **_prediction(assessment)}
        for path, crystal, assessment in zip(structures, crystals, assessments, strict=True)
    ]
    if json:
        print_json(rows)
    else:
        print_table(rows, PREDICTION_COLUMNS)


def _prediction(assessment: Any) -> dict[str, Any]:
    superconductor, energy, tc, cost = (
        assessment.superconductor,
        assessment.formation_energy,
        assessment.tc,
        assessment.cost,
    )
    reasons = {part.reason for part in (superconductor, energy, tc, cost) if part.reason}
    return {
        "superconductor_probability": superconductor.probability,
        "superconductor_probability_std": superconductor.std,
        "formation_energy_ev_per_atom": energy.energy_ev_per_atom,
        "formation_energy_std_ev_per_atom": energy.std_ev_per_atom,
        "tc_k": tc.tc_k,
        "tc_std_k": tc.tc_std_k,
        "lambda_": tc.lambda_,
        "omega_log_mev": tc.omega_log_mev,
        "domain_distance": tc.domain_distance,
        "in_domain": tc.in_domain,
        "core_hours": cost.core_hours,
        "core_hours_factor": cost.factor,
        "reason": "; ".join(sorted(reasons)) or None,
    }


@contextmanager
def _registry() -> "Iterator[Registry]":
    from invdesflow.campaigns.models import model_registry
    from invdesflow.database import Database

    with Database() as database:
        yield model_registry(database)


def _flat(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, item in value.items():
        if isinstance(item, dict):
            yield from _flat(item, f"{prefix}{name}: ")
        elif not (isinstance(item, list) and len(item) > 20):
            yield f"{prefix}{name}", item
