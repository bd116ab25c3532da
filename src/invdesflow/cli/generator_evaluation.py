"""`invdesflow generator evaluate|benchmark|rediscover`: how good a model is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from invdesflow.cli.generator_options import (
    Data,
    ModelOption,
    MostGivenSites,
    Processes,
    Seed,
    Steps,
    gather_crystals,
    load_generator,
    read_conditions,
)
from invdesflow.cli.output import JsonFlag, print_json, print_table

__all__ = ["add_commands"]

_MANY = 256
"""Crystals drawn together where thousands are wanted: the more there are, the more alike are those of one batch."""


def add_commands(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.command()(evaluate)
    app.command()(benchmark)
    app.command()(rediscover)


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
    steps: Steps = 50,
    seed: Seed = 0,
    json: JsonFlag = False,
) -> None:
    """Draw crystals and measure validity, novelty, symmetry and stability; slow parts are kept and not done again."""
    from invdesflow.campaigns.generator_evaluation import evaluate_model
    from invdesflow.generation.diffusion.orbits import EncodedCrystals
    from invdesflow.generation.diffusion.sampling import SamplerSettings

    evaluation = evaluate_model(
        load_generator(model),
        output,
        n=n,
        relax=relax,
        seed=seed,
        conditions=read_conditions(tc_k=tc),
        sampler=SamplerSettings(steps=steps, chunk=_MANY),
        training=EncodedCrystals.join([EncodedCrystals.load(path) for path in training]) if training else None,
        materials_project=materials_project,
        most_competitors=competitors,
    )
    _print_metrics(evaluation.model_dump(mode="json"), json)


def benchmark(
    name: Annotated[str, typer.Argument(help="perov_5, carbon_24 or mp_20")],
    data: Annotated[Path, typer.Argument(help="File of the benchmark with its parts train, val and test")],
    model: Annotated[Path, typer.Option(help="Model trained on its training part")],
    output: Annotated[Path, typer.Option(help="Folder for drawings, fingerprints and the result")],
    n: Annotated[int, typer.Option("-n", "--number", min=1, help="Crystals to draw")] = 10_000,
    fingerprinted: Annotated[int | None, typer.Option(min=1, help="Compare only so many of them; lowers COV-R")] = None,
    steps: Steps = 50,
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
        load_generator(model),
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
    crystals, _ = gather_crystals(request, output, processes)
    chosen = np.sort(np.random.default_rng(seed).permutation(len(crystals))[:targets])
    result = evaluate_rediscovery(load_generator(model), crystals.subset(chosen), output, samples=samples, seed=seed)
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
