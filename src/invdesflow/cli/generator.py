"""`invdesflow generator`: train, fine-tune, evaluate and use the crystal diffusion model."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from invdesflow.cli.output import JsonFlag, print_json, print_table, say

if TYPE_CHECKING:
    from invdesflow.generation.diffusion.conditions import Conditions
    from invdesflow.generation.diffusion.drawing import Drawing
    from invdesflow.generation.diffusion.fitting import Fit
    from invdesflow.generation.diffusion.gathering import DataRequest
    from invdesflow.generation.diffusion.model import GeneratorModel
    from invdesflow.generation.diffusion.orbits import EncodedCrystals
    from invdesflow.generation.diffusion.proposals import DrawnCrystal

_MANY = 256
"""Crystals drawn together where thousands are wanted: the more there are, the more alike are those of one batch."""

app = typer.Typer(help="The generator: draw crystals, train and evaluate the model.", no_args_is_help=True)

SAMPLE_COLUMNS = {
    "formula": "formula",
    "space_group": "space group",
    "n_atoms": "atoms",
    "volume_per_atom": "volume (A3/atom)",
    "candidate_id": "candidate",
}

Data = Annotated[
    list[str], typer.Option(help="NAME=PATH of crystals; materials-project, alexandria, jarvis or folder; repeat it")
]
Output = Annotated[Path, typer.Option(help="Folder for checkpoints, metrics and the model; continues what it holds")]
Epochs = Annotated[int, typer.Option(min=1, help="Passes over the crystals")]
LearningRate = Annotated[float, typer.Option(min=0.0, help="Learning rate at its height")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random")]
Device = Annotated[str, typer.Option(help="cpu, cuda, ...")]
MixedPrecision = Annotated[bool, typer.Option(help="bfloat16 where it is safe; for GPUs")]
HoldOut = Annotated[list[str] | None, typer.Option(help="Prototype to leave out, such as 221:abc; repeat it")]
MostGivenSites = Annotated[
    int | None, typer.Option(min=1, help="Pass over crystals given in larger cells without looking for smaller ones")
]
Radioactive = Annotated[bool, typer.Option(help="Also learn from elements without a stable isotope")]
ModelOption = Annotated[Path | None, typer.Option(help="Model file; without it, the one that ships with InvDesFlow")]
Processes = Annotated[int, typer.Option(min=1, help="Processes that read and encode the crystals")]


@app.command()
def train(
    data: Data,
    output: Output,
    name: Annotated[str, typer.Option(help="Name of the model")] = "crystals",
    epochs: Epochs = 40,
    learning_rate: LearningRate = 1e-3,
    predict: Annotated[
        Literal["clean", "noise"], typer.Option(help="What the network predicts of types and lattice")
    ] = "clean",
    width: Annotated[int, typer.Option(min=1, help="Length of the node vectors")] = 256,
    layers: Annotated[int, typer.Option(min=1, help="Message-passing layers")] = 4,
    hold_out: HoldOut = None,
    most_given_sites: MostGivenSites = None,
    allow_radioactive: Radioactive = False,
    seed: Seed = 0,
    device: Device = "cpu",
    mixed_precision: MixedPrecision = False,
    processes: Processes = 1,
) -> None:
    """Train a new model; the same command continues a training that was interrupted."""
    from invdesflow.generation.diffusion.fitting import Fit
    from invdesflow.generation.diffusion.gathering import DataRequest, parse_data
    from invdesflow.generation.diffusion.network import NetworkSettings
    from invdesflow.generation.diffusion.objective import Objective
    from invdesflow.generation.diffusion.training import TrainingSettings

    request = DataRequest(
        data=parse_data(data),
        most_given_sites=most_given_sites,
        held_out_templates=tuple(hold_out or ()),
        allow_radioactive=allow_radioactive,
    )
    settings = TrainingSettings(
        epochs=epochs, learning_rate=learning_rate, seed=seed, device=device, mixed_precision=mixed_precision
    )
    crystals, card = _gather(request, output, processes)
    start = NetworkSettings(width=width, layers=layers)
    _run(
        Fit(name, crystals, card, output, settings=settings, objective=Objective.predicting(predict), start=start),
        output,
    )


@app.command()
def finetune(
    data: Data,
    output: Output,
    name: Annotated[str, typer.Option(help="Name of the model")] = "superconductors",
    parent: Annotated[
        Path | None,
        typer.Option(help="Model to start from; without it, the pre-trained one that ships with InvDesFlow"),
    ] = None,
    tc_min: Annotated[
        float | None, typer.Option(min=0.0, help="Learn only from crystals with at least this Tc (K)")
    ] = None,
    epochs: Epochs = 20,
    learning_rate: LearningRate = 3e-4,
    hold_out: HoldOut = None,
    most_given_sites: MostGivenSites = None,
    allow_radioactive: Radioactive = False,
    seed: Seed = 0,
    device: Device = "cpu",
    mixed_precision: MixedPrecision = False,
    processes: Processes = 1,
) -> None:
    """Fine-tune a model; how often which template occurs is then taken from the new data alone."""
    from invdesflow.generation.diffusion.fitting import Fit
    from invdesflow.generation.diffusion.gathering import DataRequest, parse_data
    from invdesflow.generation.diffusion.model import PRETRAINED_MODEL
    from invdesflow.generation.diffusion.objective import Objective
    from invdesflow.generation.diffusion.training import TrainingSettings

    model = _model(parent or PRETRAINED_MODEL)
    request = DataRequest(
        data=parse_data(data),
        most_given_sites=most_given_sites,
        held_out_templates=tuple(hold_out or ()),
        tc_min_k=tc_min,
        allow_radioactive=allow_radioactive,
    )
    settings = TrainingSettings(
        epochs=epochs, learning_rate=learning_rate, seed=seed, device=device, mixed_precision=mixed_precision
    )
    crystals, card = _gather(request, output, processes)
    _run(
        Fit(
            name, crystals, card, output, settings=settings, objective=Objective.predicting(model.predict), start=model
        ),
        output,
    )


@app.command()
def sample(
    output: Annotated[Path | None, typer.Option(help="Folder for one file per crystal")] = None,
    n: Annotated[int, typer.Option("-n", "--number", help="Number of crystals")] = 10,
    elements: Annotated[str | None, typer.Option(help="Elements that are allowed: K,Ga,Cu,H")] = None,
    require: Annotated[str | None, typer.Option(help="Elements that every crystal has: K,H")] = None,
    exclude: Annotated[str | None, typer.Option(help="Elements that no crystal has")] = None,
    composition: Annotated[str | None, typer.Option(help="Exact composition: K2GaCuH6")] = None,
    n_atoms: Annotated[int | None, typer.Option(help="Atoms in the primitive cell")] = None,
    spacegroup: Annotated[int | None, typer.Option(help="Space group number")] = None,
    tc: Annotated[float | None, typer.Option(help="Tc (K) that the crystals should have")] = None,
    guidance: Annotated[float, typer.Option(help="How strongly Tc guides; 1 is the plain conditional model")] = 2.0,
    composed_share: Annotated[float, typer.Option(min=0, max=1, help="Share of new, composed prototypes")] = 0.0,
    steps: Annotated[int, typer.Option(min=2, help="Steps from noise to crystal")] = 50,
    model: ModelOption = None,
    file_format: Annotated[str, typer.Option("--format", help="cif, poscar or extxyz")] = "cif",
    raw: Annotated[bool, typer.Option(help="Write what the gates refuse, too")] = False,
    seed: Seed = 0,
    device: Device = "cpu",
    json: JsonFlag = False,
) -> None:
    """Draw crystals that pass the gates, without a database."""
    from invdesflow.generation.diffusion.drawing import Drawing
    from invdesflow.generation.diffusion.sampling import Sampler, SamplerSettings
    from invdesflow.generation.gates import GateSettings
    from invdesflow.progress import track

    asked = _conditions(
        elements=_symbols(elements),
        required_elements=_symbols(require) or (),
        excluded_elements=_symbols(exclude) or (),
        composition=composition,
        n_atoms=n_atoms,
        space_group=spacegroup,
        tc_k=tc,
        guidance=guidance,
    )
    _check_target(output, file_format)
    settings = SamplerSettings(steps=steps, composed_share=composed_share, device=device)
    drawing = Drawing(Sampler(_model(model), asked, settings), n, seed, None if raw else GateSettings())
    crystals = list(track(drawing, "drawing", total=n))
    rows = [_row(crystal) for crystal in crystals]
    say(drawing.summary())
    if output is not None:
        _write(crystals, drawing, output, file_format)
        say(f"{len(rows)} {file_format} files in {output}.")
    if json:
        print_json(rows)
    elif output is None:
        print_table(rows, SAMPLE_COLUMNS)


@app.command()
def evaluate(
    output: Annotated[Path, typer.Option(help="Folder for drawings, relaxations and results; continues what it holds")],
    n: Annotated[int, typer.Option("-n", "--number", min=1, help="Crystals to draw")] = 1000,
    relax: Annotated[int, typer.Option(min=0, help="So many of them are relaxed and compared with the hull")] = 200,
    tc: Annotated[float | None, typer.Option(help="Tc (K) that is asked for; without it nothing is")] = None,
    training: Annotated[
        list[Path] | None, typer.Option(help="crystals.npz of a training, to compare structures with; repeat it")
    ] = None,
    materials_project: Annotated[
        Path | None, typer.Option(help="Crystals that compete for the hull (JSON lines)")
    ] = None,
    competitors: Annotated[int, typer.Option(min=0, help="Most of them that are relaxed")] = 1000,
    model: ModelOption = None,
    steps: Annotated[int, typer.Option(min=2, help="Steps from noise to crystal")] = 50,
    seed: Seed = 0,
    json: JsonFlag = False,
) -> None:
    """Draw crystals and measure validity, novelty, symmetry and stability; slow parts are kept and not done again."""
    from invdesflow.campaigns.generator_evaluation import evaluate_model
    from invdesflow.generation.diffusion.orbits import EncodedCrystals
    from invdesflow.generation.diffusion.sampling import SamplerSettings

    evaluation = evaluate_model(
        _model(model),
        output,
        n=n,
        relax=relax,
        seed=seed,
        conditions=_conditions(tc_k=tc),
        sampler=SamplerSettings(steps=steps, chunk=_MANY),
        training=EncodedCrystals.join([EncodedCrystals.load(path) for path in training]) if training else None,
        materials_project=materials_project,
        most_competitors=competitors,
    )
    _print_metrics(evaluation.model_dump(mode="json"), json)


@app.command()
def benchmark(
    name: Annotated[str, typer.Argument(help="perov_5, carbon_24 or mp_20")],
    data: Annotated[Path, typer.Argument(help="File of the benchmark with its parts train, val and test")],
    model: Annotated[Path, typer.Option(help="Model trained on its training part")],
    output: Annotated[Path, typer.Option(help="Folder for drawings, fingerprints and the result")],
    n: Annotated[int, typer.Option("-n", "--number", min=1, help="Crystals to draw")] = 10_000,
    fingerprinted: Annotated[int | None, typer.Option(min=1, help="Compare only so many of them; lowers COV-R")] = None,
    steps: Annotated[int, typer.Option(min=2, help="Steps from noise to crystal")] = 50,
    processes: Processes = 1,
    seed: Seed = 0,
    json: JsonFlag = False,
) -> None:
    """Measure a model trained on a benchmark of the field against its test set, as published."""
    from invdesflow.campaigns.generator_evaluation import evaluate_benchmark_model
    from invdesflow.generation.diffusion.sampling import SamplerSettings
    from invdesflow.generation.diffusion.sources import LabelledCrystal, read_benchmark

    reference = [entry.structure for entry in read_benchmark(data, "test") if isinstance(entry, LabelledCrystal)]
    result = evaluate_benchmark_model(
        _model(model),
        name,
        reference,
        output,
        n=n,
        seed=seed,
        sampler=SamplerSettings(steps=steps, chunk=_MANY),
        fingerprinted=fingerprinted,
        processes=processes,
    )
    _print_metrics(result.model_dump(mode="json"), json)


@app.command()
def rediscover(
    data: Data,
    held_out: Annotated[list[str], typer.Option(help="Prototype that the model never saw, such as 221:abc; repeat it")],
    model: Annotated[Path, typer.Option(help="Model that was trained without them")],
    output: Annotated[Path, typer.Option(help="Folder for the drawings and the result")],
    targets: Annotated[int, typer.Option(min=1, help="Most crystals to ask for")] = 100,
    samples: Annotated[int, typer.Option(min=1, help="Drawings for each; the best counts")] = 20,
    most_given_sites: MostGivenSites = None,
    processes: Processes = 1,
    seed: Seed = 0,
    json: JsonFlag = False,
) -> None:
    """Ask a model for the compositions of crystals that were kept from it, and count what it finds again."""
    import numpy as np

    from invdesflow.campaigns.generator_rediscovery import evaluate_rediscovery
    from invdesflow.generation.diffusion.gathering import DataRequest, parse_data

    request = DataRequest(data=parse_data(data), most_given_sites=most_given_sites, only_templates=tuple(held_out))
    crystals, _ = _gather(request, output, processes)
    chosen = np.sort(np.random.default_rng(seed).permutation(len(crystals))[:targets])
    result = evaluate_rediscovery(_model(model), crystals.subset(chosen), output, samples=samples, seed=seed)
    _print_metrics(result.model_dump(mode="json"), json)


def _print_metrics(metrics: dict[str, Any], json: bool) -> None:
    if json:
        print_json([metrics])
        return
    rows = [{"what": what, "value": value} for what, value in _flat(metrics)]
    print_table(rows, {"what": "metric", "value": ""})


def _flat(metrics: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in metrics.items():
        if isinstance(value, dict) and {"count", "total"} <= value.keys():
            share = "-" if value.get("share") is None else f"{100 * value['share']:.1f} %"
            yield prefix + name, f"{value['count']} of {value['total']} ({share})"
        elif isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}: ")
        else:
            yield prefix + name, value


def _gather(request: "DataRequest", output: Path, processes: int) -> tuple["EncodedCrystals", dict[str, Any]]:
    from invdesflow.generation.diffusion.gathering import gather

    say("Reading and encoding the crystals, unless that was done before ...")
    crystals, card = gather(request, output, processes)
    for source in card["sources"]:
        refused = ", ".join(f"{count} {gate}" for gate, count in source["refused"].items())
        say(f"{source['name']}: {source['encoded']} crystals; refused: {refused or 'none'}.")
    return crystals, card


def _run(fit: "Fit", output: Path) -> None:
    """Train; print a line and draw the figure anew after every epoch."""
    from invdesflow.plotting.files import write_figure
    from invdesflow.plotting.training import read_metrics, training_figure
    from invdesflow.progress import shown_share

    panels = {"types": "elements (cross entropy)", "lattice": "lattice", "parameters": "coordinates"}
    with shown_share("training") as report:
        for epoch in fit.run(report):
            say(
                f"epoch {epoch.epoch}: loss {epoch.train_loss:.3f}, held out {epoch.validation_loss:.3f} "
                f"(elements {epoch.validation_types:.3f}, lattice {epoch.validation_lattice:.3f}, "
                f"coordinates {epoch.validation_parameters:.3f})"
            )
            write_figure(training_figure(read_metrics(output / "metrics.csv"), panels), output / "metrics.html")
    say(f"Model: {fit.model_file}; metrics: {output / 'metrics.html'}")


def _model(path: Path | None) -> "GeneratorModel":
    from invdesflow.generation.diffusion.model import DEFAULT_MODEL, GeneratorModel

    return GeneratorModel.load(path or DEFAULT_MODEL)


def _symbols(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(symbol.strip() for symbol in text.split(","))


def _conditions(**asked: Any) -> "Conditions":
    from pydantic import ValidationError

    from invdesflow.errors import ConfigurationError
    from invdesflow.generation.diffusion.conditions import Conditions
    from invdesflow.settings import one_line

    try:
        return Conditions(**asked)
    except ValidationError as error:
        raise ConfigurationError(f"The conditions do not fit: {one_line(error)}.", "See --help.") from error


def _check_target(output: Path | None, file_format: str) -> None:
    """Refuse before hours of drawing what could not be written after them."""
    from invdesflow.crystals.writing import FORMATS
    from invdesflow.errors import ConfigurationError

    if file_format not in FORMATS:
        raise ConfigurationError(f"There is no format {file_format!r}.", f"Use one of {', '.join(FORMATS)}.")
    if output is None:
        return
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ConfigurationError(f"{output} exists and is not an empty folder.", "Give a new folder.")


def _row(crystal: "DrawnCrystal") -> dict[str, Any]:
    structure = crystal.structure
    return {
        "index": crystal.index,
        "formula": structure.composition.reduced_formula,
        "space_group": crystal.intended_space_group,
        "wyckoff": "".join(crystal.orbits.template.letters),
        "n_atoms": len(structure),
        "volume_per_atom": structure.volume / len(structure),
        "candidate_id": crystal.candidate_id,
    }


def _write(crystals: list["DrawnCrystal"], drawing: "Drawing", folder: Path, file_format: str) -> None:
    """Write one file per crystal, and what was refused with its reasons into ``rejections.jsonl``."""
    import json

    from invdesflow.crystals.writing import FORMATS, write_structure
    from invdesflow.errors import ConfigurationError

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for crystal in crystals:
            formula = crystal.structure.composition.reduced_formula
            name = f"{crystal.index:06d}_{formula}_{crystal.intended_space_group}{FORMATS[file_format]}"
            write_structure(crystal.structure, folder / name, file_format)
        with (folder / "rejections.jsonl").open("w", encoding="utf-8") as file:
            for crystal, rejections in drawing.refused:
                entry = _row(crystal) | {"rejections": [rejection.model_dump() for rejection in rejections]}
                file.write(json.dumps(entry | {"structure": crystal.structure.as_dict()}, allow_nan=False) + "\n")
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be written: {error.strerror}.", "Choose another folder.") from error
