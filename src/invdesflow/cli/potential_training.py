"""`invdesflow potential train|finetune|learn|pack`: models from labelled crystals."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from invdesflow.cli.output import print_table, say
from invdesflow.cli.pairs import settings_of
from invdesflow.cli.potential_measuring import ERROR_COLUMNS, errors_of
from invdesflow.cli.potential_options import HeldOutOption, OnlyOption, TheoryOption, read_labels

if TYPE_CHECKING:
    from invdesflow.learning.potential.deepmd_input import DpaSettings
    from invdesflow.learning.potential.deepmd_training import Parent, TrainedPotential
    from invdesflow.learning.potential.frames import Frame

__all__ = ["add_commands", "finetune", "learn", "pack", "train"]

FramesArgument = Annotated[
    list[Path] | None, typer.Argument(help="Extended XYZ files of labelled crystals; none: the tasks of the database")
]
FolderOption = Annotated[Path, typer.Option("--folder", help="Folder of the training; the same command continues")]
MembersOption = Annotated[int, typer.Option(min=1, help="Models of a committee, trained with different random numbers")]
SettingOption = Annotated[
    list[str] | None, typer.Option("--set", help="SETTING=VALUE of architecture or training; repeatable")
]

STAGE_COLUMNS = {"stage": "stage", "entered": "of", "passed": "done", "rejected": "failed", "note": "note"}


def add_commands(app: typer.Typer) -> None:
    """Add the commands that make models."""
    for command in (train, finetune, learn, pack):
        app.command()(command)


def train(
    frames: FramesArgument = None,
    folder: FolderOption = Path("potential"),
    hold_out: HeldOutOption = None,
    theory: TheoryOption = None,
    members: MembersOption = 1,
    setting: SettingOption = None,
) -> None:
    """Train a DPA model with deepmd-kit; the same command continues after a stop, and measures it at the end."""
    _train(frames, folder, (hold_out or [], theory), members, _dpa_settings(setting or []))


def finetune(
    parent: Annotated[Path, typer.Argument(help="Checkpoint *.pt of a DPA model")],
    frames: FramesArgument = None,
    folder: FolderOption = Path("potential"),
    branch: Annotated[str, typer.Option(help="Head of a parent that was trained on several tasks")] = "",
    hold_out: HeldOutOption = None,
    theory: TheoryOption = None,
    members: MembersOption = 1,
    setting: SettingOption = None,
) -> None:
    """Train a pre-trained DPA model further; its architecture stays."""
    from invdesflow.learning.potential.deepmd_training import Parent

    settings = _dpa_settings(setting or [])
    _train(frames, folder, (hold_out or [], theory), members, settings, Parent(parent, branch))


def learn(recipe: Annotated[Path, typer.Argument(help="Recipe, such as flows/potential.yaml")]) -> None:
    """Run the unfinished round of a potential's campaign, or its next one: label what is disputed, train again."""
    from invdesflow.campaigns.local import run_campaign
    from invdesflow.campaigns.potential_learning import PotentialLearningMaker
    from invdesflow.campaigns.recipes import read_recipe
    from invdesflow.campaigns.rounds import get_campaign
    from invdesflow.database import Database
    from invdesflow.errors import ConfigurationError

    parsed = read_recipe(recipe)
    if not isinstance(parsed.maker, PotentialLearningMaker):
        raise ConfigurationError(
            f"The recipe {recipe} is not one of a potential.", "Use one with maker: PotentialLearningMaker."
        )
    with Database() as database:
        number = run_campaign(database, parsed)
        stages = get_campaign(database, parsed.campaign).rounds[number].stages
    rows = [stage.model_dump(include=set(STAGE_COLUMNS)) for stage in stages]
    print_table(rows, STAGE_COLUMNS, f"{parsed.campaign}, round {number}")


def pack(
    folder: Annotated[Path, typer.Argument(help="Folder of a training that has ended, such as potential/member-0")],
    name: Annotated[str, typer.Argument(help="Name that the model gets in the registry")],
    frames: Annotated[list[Path], typer.Option(help="Labelled crystals of compositions held out; repeatable")],
    only: OnlyOption = None,
    output: Annotated[Path, typer.Option(help="Folder that the file and its card go to")] = Path(),
) -> None:
    """Measure a model and write it in the form that `invdesflow models import` takes."""
    from invdesflow.learning.potential.deepmd_training import load_trained
    from invdesflow.learning.potential.evaluation import split_by_composition
    from invdesflow.learning.potential.lineage import UNKNOWN
    from invdesflow.learning.potential.packing import pack_potential

    known = read_labels(frames, None)
    held_out = split_by_composition(known, only)[1] if only else known
    trained = load_trained(folder.resolve())
    path = pack_potential(trained, name, held_out, output / f"{name}.safetensors")
    if not trained.seen.complete:
        say(UNKNOWN)
    say(f"{path}: import it with `invdesflow models import {path}`.")


def _dpa_settings(setting: list[str]) -> "DpaSettings":
    from pydantic import ValidationError

    from invdesflow.errors import ConfigurationError
    from invdesflow.learning.potential.deepmd_input import DpaSettings
    from invdesflow.settings import one_line

    try:
        return DpaSettings.model_validate(settings_of(setting))
    except ValidationError as error:
        known = ", ".join(DpaSettings.model_fields)
        raise ConfigurationError(f"A DPA model cannot have that: {one_line(error)}.", f"Settings: {known}.") from None


def _train(
    paths: list[Path] | None,
    folder: Path,
    choice: tuple[list[str], str | None],
    members: int,
    settings: "DpaSettings",
    parent: "Parent | None" = None,
) -> None:
    from invdesflow.learning.potential.deepmd_training import train_committee
    from invdesflow.learning.potential.evaluation import split_by_composition

    hold_out, theory = choice
    training, held_out = split_by_composition(read_labels(paths, theory), hold_out)
    trained = train_committee(training, settings, folder, members, held_out=held_out, parent=parent)
    _tell(trained, held_out)


def _tell(trained: "list[TrainedPotential]", held_out: "list[Frame]") -> None:
    from invdesflow.learning.potential.lineage import UNKNOWN
    from invdesflow.relaxation.potentials import load_calculator

    for one in trained:
        say(f"{one.potential.model}: {one.card['training_set']['rows']} crystals, {' '.join(one.card['elements'])}.")
    if held_out:
        if not trained[0].seen.complete:
            say(UNKNOWN)
        rows = [errors_of(one.potential.model, load_calculator(one.potential), held_out) for one in trained]
        print_table(rows, ERROR_COLUMNS, "root mean square errors on held-out compositions")
