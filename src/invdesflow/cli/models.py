"""`invdesflow models`: the machine-learned models that generate and screen candidates."""

from pathlib import Path
from typing import Annotated, Any

import typer

from invdesflow.cli.output import JsonFlag, print_json, print_table

app = typer.Typer(help="Models: list them, predict with them.", no_args_is_help=True)


@app.command("list")
def list_models(json: JsonFlag = False) -> None:
    """List the models that ship with InvDesFlow, with what was measured of them on crystals held out of training."""
    from invdesflow.generation.diffusion.model import GeneratorModel
    from invdesflow.screening.tc_baseline import TcBaseline

    generator, tc = GeneratorModel.load(), TcBaseline.load()
    rows: list[tuple[dict[str, str], dict[str, Any]]] = [
        (
            {"kind": "generator", "model_id": generator.name, "digest": generator.digest},
            {"metrics": generator.card["metrics"]},
        ),
        (
            {"kind": "tc", "model_id": tc.model_id, "digest": tc.digest},
            {"cross_validation": tc.cross_validation},
        ),
    ]
    if json:
        print_json(model | measured for model, measured in rows)
        return
    for model, measured in rows:
        values = model | {name: value for numbers in measured.values() for name, value in numbers.items()}
        print_table([{"what": name, "value": value} for name, value in values.items()], {"what": "model", "value": ""})


@app.command()
def predict(
    structures: Annotated[list[Path], typer.Argument(help="CIF, POSCAR or extXYZ files")],
    mu_star: Annotated[float, typer.Option(min=0.0, max=0.3, help="Coulomb pseudopotential")] = 0.10,
    json: JsonFlag = False,
) -> None:
    """Predict Tc of crystals in files, with uncertainty and training domain."""
    from dataclasses import asdict

    from invdesflow.crystals.reading import read_structure
    from invdesflow.screening.tc_baseline import TcBaseline

    crystals = [read_structure(path) for path in structures]
    predictions = TcBaseline.load().predict(crystals, mu_star=mu_star)
    rows: list[dict[str, Any]] = [
        {"file": str(path), "formula": crystal.composition.reduced_formula, **asdict(prediction)}
        for path, crystal, prediction in zip(structures, crystals, predictions, strict=True)
    ]
    if json:
        print_json(rows)
        return
    columns = {"file": "file", "formula": "formula", "tc_k": "Tc (K)", "tc_std_k": "+- (K)", "lambda_": "lambda"}
    columns |= {"omega_log_mev": "omega_log (meV)", "in_domain": "in domain", "reason": "reason"}
    print_table(rows, columns)
