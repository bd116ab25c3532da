"""`invdesflow generator train|finetune`: learn from crystals."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from invdesflow.cli.generator_options import (
    Data,
    Device,
    MostGivenSites,
    Processes,
    Seed,
    gather_crystals,
    load_generator,
)
from invdesflow.cli.output import say

if TYPE_CHECKING:
    from invdesflow.generation.diffusion.fitting import Fit

__all__ = ["add_commands"]

Output = Annotated[Path, typer.Option(help="Folder for checkpoints, metrics and the model; continues what it holds")]
Epochs = Annotated[int, typer.Option(min=1, help="Passes over the crystals")]
LearningRate = Annotated[float, typer.Option(min=0.0, help="Learning rate at its height")]
MixedPrecision = Annotated[bool, typer.Option(help="bfloat16 where it is safe; for GPUs")]
HoldOut = Annotated[list[str] | None, typer.Option(help="Prototype to leave out, such as 221:abc; repeat it")]
Radioactive = Annotated[bool, typer.Option(help="Also learn from elements without a stable isotope")]


def add_commands(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.command()(train)
    app.command()(finetune)


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
    crystals, card = gather_crystals(request, output, processes)
    start = NetworkSettings(width=width, layers=layers)
    _run(
        Fit(name, crystals, card, output, settings=settings, objective=Objective.predicting(predict), start=start),
        output,
    )


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

    model = load_generator(parent or PRETRAINED_MODEL)
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
    crystals, card = gather_crystals(request, output, processes)
    _run(
        Fit(
            name, crystals, card, output, settings=settings, objective=Objective.predicting(model.predict), start=model
        ),
        output,
    )


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
