"""Options and steps that several commands of `invdesflow generator` share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from invdesflow.cli.output import say

if TYPE_CHECKING:
    from invdesflow.generation.diffusion.conditions import Conditions
    from invdesflow.generation.diffusion.gathering import DataRequest
    from invdesflow.generation.diffusion.model import GeneratorModel
    from invdesflow.generation.diffusion.orbits import EncodedCrystals

__all__ = [
    "Data",
    "Device",
    "ModelOption",
    "MostGivenSites",
    "Processes",
    "Seed",
    "Steps",
    "gather_crystals",
    "load_generator",
    "read_conditions",
]

Data = Annotated[
    list[str], typer.Option(help="NAME=PATH of crystals; materials-project, alexandria, jarvis or folder; repeat it")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random")]
Device = Annotated[str, typer.Option(help="cpu, cuda, ...")]
MostGivenSites = Annotated[
    int | None, typer.Option(min=1, help="Pass over crystals given in larger cells without looking for smaller ones")
]
ModelOption = Annotated[Path | None, typer.Option(help="Model file; without it, the one that ships with InvDesFlow")]
Processes = Annotated[int, typer.Option(min=1, help="Processes that read and encode the crystals")]
Steps = Annotated[int, typer.Option(min=2, help="Steps from noise to crystal")]


def gather_crystals(request: "DataRequest", output: Path, processes: int) -> tuple["EncodedCrystals", dict[str, Any]]:
    """Read and encode crystals, telling what was refused; return them with the card of the data."""
    from invdesflow.generation.diffusion.gathering import gather

    say("Reading and encoding the crystals, unless that was done before ...")
    crystals, card = gather(request, output, processes)
    for source in card["sources"]:
        refused = ", ".join(f"{count} {gate}" for gate, count in source["refused"].items())
        say(f"{source['name']}: {source['encoded']} crystals; refused: {refused or 'none'}.")
    return crystals, card


def load_generator(path: Path | None) -> "GeneratorModel":
    """Load the model at a path, or the one that ships."""
    from invdesflow.generation.diffusion.model import DEFAULT_MODEL, GeneratorModel

    return GeneratorModel.load(path or DEFAULT_MODEL)


def read_conditions(**asked: Any) -> "Conditions":
    """Check what is asked of a drawing."""
    from pydantic import ValidationError

    from invdesflow.errors import ConfigurationError
    from invdesflow.generation.diffusion.conditions import Conditions
    from invdesflow.settings import one_line

    try:
        return Conditions(**asked)
    except ValidationError as error:
        raise ConfigurationError(f"The conditions do not fit: {one_line(error)}.", "See --help.") from error
