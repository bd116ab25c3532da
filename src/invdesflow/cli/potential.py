"""`invdesflow potential`: interatomic potentials of your own, from labelled crystals."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from invdesflow.cli.output import JsonFlag, print_json, print_table, say
from invdesflow.cli.pairs import settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymatgen.core import Structure

    from invdesflow.learning.potential.committee import Committee
    from invdesflow.learning.potential.deepmd_input import DpaSettings
    from invdesflow.learning.potential.deepmd_training import Parent, TrainedPotential
    from invdesflow.learning.potential.frames import Frame
    from invdesflow.learning.potential.labelling import Unlabelled
    from invdesflow.relaxation.potentials import Potential

app = typer.Typer(help="Interatomic potentials: label crystals, train DPA models, measure them.", no_args_is_help=True)

FramesArgument = Annotated[
    list[Path] | None, typer.Argument(help="Extended XYZ files of labelled crystals; none: the tasks of the database")
]
HeldOutOption = Annotated[
    list[str] | None, typer.Option("--hold-out", help="Composition that is not trained on but measured on; repeatable")
]
TheoryOption = Annotated[str | None, typer.Option(help="Take labels only whose theory has these words")]
FolderOption = Annotated[Path, typer.Option("--folder", help="Folder of the training; the same command continues")]
MembersOption = Annotated[int, typer.Option(min=1, help="Models of a committee, trained with different random numbers")]
SettingOption = Annotated[
    list[str] | None, typer.Option("--set", help="SETTING=VALUE of architecture or training; repeatable")
]

ERROR_COLUMNS = {
    "model": "model",
    "n_frames": "crystals",
    "energy_rmse": "E (eV/atom)",
    "relative_energy_rmse": "E, relative",
    "force_rmse": "F (eV/A)",
    "force_mae": "F, MAE",
    "virial_rmse": "virial (eV/atom)",
    "pressure_rmse_gpa": "p (GPa)",
}
DEVIATION_COLUMNS = {
    "crystal": "crystal",
    "verdict": "verdict",
    "force": "F (eV/A)",
    "energy_per_atom": "E (eV/atom)",
    "virial_per_atom": "virial (eV/atom)",
}
LATTICE_COLUMNS = {"model": "model", "name": "crystal", "relative_error": "lattice error", "reason": "remark"}


@app.command()
def label(
    subjects: Annotated[
        list[str], typer.Argument(help="Candidates, known superconductors (identifier or formula), or structure files")
    ],
    output: Annotated[Path, typer.Option(help="Extended XYZ file that the labelled crystals go to")],
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="Crystals of each subject")] = 10,
    seed: Annotated[int, typer.Option(help="The same seed gives the same crystals")] = 0,
    stretch: Annotated[float, typer.Option(min=0, max=0.3, help="Largest change of all lengths alike")] = 0.03,
    strain: Annotated[float, typer.Option(min=0, max=0.2, help="Standard deviation of further strains")] = 0.015,
    displacement: Annotated[float, typer.Option(min=0, help="Root mean square displacement along an axis (A)")] = 0.06,
    operations: Annotated[
        int, typer.Option(min=1, help="Symmetry operations that are kept at least; more of them cost less")
    ] = 1,
    protocol: Annotated[str, typer.Option(help="Accuracy: precise, moderate, fast or smoke")] = "moderate",
    family: Annotated[
        str, typer.Option(help="Family of pseudopotentials, or a folder of UPF files")
    ] = "pseudodojo-pbe-standard",
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="SETTING=VALUE, to change one of the protocol's; repeatable")
    ] = None,
    path: Annotated[
        str | None, typer.Option(help="Also the way of a relaxation with CHGNet, SevenNet or a DPA model *.pth")
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(help="Label with a potential instead of pw.x: CHGNet, SevenNet or a DPA model *.pth")
    ] = None,
    committee: Annotated[
        list[Path] | None, typer.Option(help="Model of a committee that chooses what to label; repeatable")
    ] = None,
    candidates: Annotated[int, typer.Option(min=1, help="Crystals of each subject that a committee chooses from")] = 50,
) -> None:
    """Label strained and displaced crystals with pw.x; the same command continues after a stop."""
    from invdesflow.campaigns.subjects import find_subject
    from invdesflow.database import Database
    from invdesflow.learning.potential.sampling import DistortionSettings, distorted

    settings = DistortionSettings(stretch=stretch, strain=strain, displacement=displacement, operations=operations)
    with Database() as database:
        structures = [find_subject(database, subject).structure for subject in subjects]
    drawn = [list(distorted(one, settings, candidates if committee else number, seed)) for one in structures]
    if committee:
        drawn = [_disputed(crystals, committee, number) for crystals in drawn]
    if path is not None:
        drawn = [way + crystals for way, crystals in zip(_ways(structures, path), drawn, strict=True)]
    queue = list(_in_turn(drawn))  # a stop leaves some of each
    if teacher is None:
        _write_labels(_labelled_by_espresso(queue, protocol, family, setting or []), len(queue), output)
    else:
        _write_labels(_labelled_by_potential(queue, teacher), len(queue), output)


@app.command()
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


@app.command()
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


@app.command()
def evaluate(
    models: Annotated[list[Path], typer.Argument(help="Frozen models *.pth")],
    frames: Annotated[
        list[Path] | None, typer.Option(help="Extended XYZ file of labelled crystals; repeatable")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="Composition that is measured on; repeatable")] = None,
    lattice: Annotated[
        list[str] | None, typer.Option(help="Relaxed crystal whose lattice is compared: as of `label`; repeatable")
    ] = None,
    fmax: Annotated[float, typer.Option(help="Largest force of a relaxed crystal (eV/A)")] = 0.001,
    json: JsonFlag = False,
) -> None:
    """Measure models on labelled crystals that they were not trained on, and by the lattices that they relax to."""
    from invdesflow.campaigns.subjects import find_subject
    from invdesflow.database import Database
    from invdesflow.learning.potential.evaluation import evaluate_lattices, split_by_composition
    from invdesflow.relaxation.potentials import find_potential, load_calculator
    from invdesflow.relaxation.relaxation import RelaxationSettings

    known = _read(frames, None) if frames else []
    measured = split_by_composition(known, only)[1] if only else known
    references: dict[str, Structure] = {}
    if lattice:
        with Database() as database:
            references = {name: find_subject(database, name).structure for name in lattice}
    errors, lattices = [], []
    for path in models:
        if measured:
            errors.append(_errors(path, measured))
        calculator = load_calculator(find_potential("DeePMD", str(path)))
        found = evaluate_lattices(references, calculator, RelaxationSettings(fmax=fmax))
        lattices += [{"model": str(path)} | asdict(one) for one in found]
    if json:
        print_json([*errors, *lattices])
        return
    if errors:
        print_table(errors, ERROR_COLUMNS, "root mean square errors")
    if lattices:
        print_table(lattices, LATTICE_COLUMNS)


@app.command()
def check(
    subjects: Annotated[list[str], typer.Argument(help="Crystals, as of `label`")],
    committee: Annotated[list[Path], typer.Option(help="Frozen model of the committee; repeatable")],
    known: Annotated[float, typer.Option(help="Deviation below which a crystal is known (eV/A)")] = 0.1,
    absurd: Annotated[float, typer.Option(help="Deviation from which the geometry is doubtful (eV/A)")] = 0.8,
    json: JsonFlag = False,
) -> None:
    """Tell which crystals are outside the domain of a committee, and should be labelled from first principles."""
    from invdesflow.campaigns.subjects import find_subject
    from invdesflow.database import Database
    from invdesflow.errors import ConfigurationError
    from invdesflow.learning.potential.committee import TrustLevels

    if not 0 < known < absurd:
        raise ConfigurationError("The deviations must rise: 0 < known < absurd.", "Leave them out for the usual ones.")
    levels, judges = TrustLevels(known=known, absurd=absurd), _committee(committee)
    with Database() as database:
        structures = {name: find_subject(database, name).structure for name in subjects}
    rows: list[dict[str, Any]] = []
    for name, structure in structures.items():
        deviation = judges.deviation(structure)
        rows.append({"crystal": name, "verdict": levels.of(deviation)} | asdict(deviation))
    print_json(rows) if json else print_table(rows, DEVIATION_COLUMNS, "disagreement of the committee")


@app.command()
def pack(
    folder: Annotated[Path, typer.Argument(help="Folder of a training that has ended, such as potential/member-0")],
    name: Annotated[str, typer.Argument(help="Name that the model gets in the registry")],
    frames: Annotated[list[Path], typer.Option(help="Labelled crystals of compositions held out; repeatable")],
    only: Annotated[list[str] | None, typer.Option(help="Composition that is measured on; repeatable")] = None,
    output: Annotated[Path, typer.Option(help="Folder that the file and its card go to")] = Path(),
) -> None:
    """Measure a model and write it in the form that `invdesflow models import` takes."""
    from invdesflow.learning.potential.deepmd_training import load_trained
    from invdesflow.learning.potential.evaluation import split_by_composition
    from invdesflow.learning.potential.packing import pack_potential

    known = _read(frames, None)
    held_out = split_by_composition(known, only)[1] if only else known
    path = pack_potential(load_trained(folder.resolve()), name, held_out, output / f"{name}.safetensors")
    say(f"{path}: import it with `invdesflow models import {path}`.")


def _committee(models: list[Path]) -> "Committee":
    from invdesflow.learning.potential.committee import Committee
    from invdesflow.relaxation.potentials import find_potential

    return Committee.of([find_potential("DeePMD", str(path)) for path in models])


def _in_turn(drawn: "list[list[Structure]]") -> "Iterator[Structure]":
    from itertools import zip_longest

    for turn in zip_longest(*drawn):
        yield from (crystal for crystal in turn if crystal is not None)


def _disputed(crystals: "list[Structure]", models: list[Path], most: int) -> "list[Structure]":
    from invdesflow.learning.potential.committee import TrustLevels, choose_for_labels

    chosen = choose_for_labels(crystals, _committee(models), TrustLevels(), most)
    formula = crystals[0].composition.reduced_formula
    say(f"{formula}: {len(chosen)} of {len(crystals)} crystals are disputed and will be labelled.")
    return chosen


def _labelled_by_espresso(
    queue: "list[Structure]", protocol: str, family: str, setting: list[str]
) -> "Iterator[Frame | Unlabelled]":
    from invdesflow.espresso.calculation import Calculation
    from invdesflow.learning.potential.labelling import label_with_espresso

    return label_with_espresso(queue, Calculation.of(protocol, family, overrides=settings_of(setting)))


def _labelled_by_potential(queue: "list[Structure]", name: str) -> "Iterator[Frame]":
    from invdesflow.learning.potential.frames import label_with
    from invdesflow.relaxation.potentials import load_calculator

    potential = _potential(name, queue)
    theory = f"{potential.kind} {Path(potential.model).name} {potential.digest[:16]}"
    return label_with(queue, load_calculator(potential), theory)


def _ways(structures: "list[Structure]", name: str) -> "list[list[Structure]]":
    from invdesflow.learning.potential.sampling import relaxation_path
    from invdesflow.relaxation.potentials import load_calculator

    calculator = load_calculator(_potential(name, structures))
    return [relaxation_path(structure, calculator) for structure in structures]


def _potential(name: str, structures: "list[Structure]") -> "Potential":
    """Find a potential by the name of its program or the path of a DPA model; it must know all elements."""
    from invdesflow.relaxation.potentials import find_potential

    kind, model = ("DeePMD", name) if name.endswith(".pth") else (name, None)
    potential = find_potential(kind, model)  # type: ignore[arg-type] # it says so if there is no such kind
    potential.require(site.specie.symbol for structure in structures for site in structure)
    return potential


def _write_labels(answers: "Iterator[Frame | Unlabelled]", total: int, output: Path) -> None:
    from invdesflow.learning.potential.frame_files import write_frames
    from invdesflow.learning.potential.frames import Frame
    from invdesflow.progress import track

    frames: list[Frame] = []
    for answer in track(answers, "labelling", total=total):
        if isinstance(answer, Frame):
            frames.append(answer)
            write_frames(output, frames)
        else:
            say(f"{answer.structure.composition.reduced_formula} has no labels: {answer.reason}")
    say(f"{len(frames)} labelled crystals" + (f" in {output}." if frames else "; nothing is written."))


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


def _read(paths: list[Path] | None, theory: str | None) -> "list[Frame]":
    from invdesflow.database import Database
    from invdesflow.learning.potential.espresso_frames import stored_frames
    from invdesflow.learning.potential.frame_files import read_frames

    if paths:
        found = [frame for path in paths for frame in read_frames(path)]
    else:
        with Database() as database:
            found = list(stored_frames(database))
    return [frame for frame in found if theory is None or theory in frame.theory]


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
    training, held_out = split_by_composition(_read(paths, theory), hold_out)
    trained = train_committee(training, settings, folder, members, held_out=held_out, parent=parent)
    _tell(trained, held_out)


def _tell(trained: "list[TrainedPotential]", held_out: "list[Frame]") -> None:
    for one in trained:
        say(f"{one.potential.model}: {one.card['training_set']['rows']} crystals, {' '.join(one.card['elements'])}.")
    if held_out:
        rows = [_errors(Path(one.potential.model), held_out) for one in trained]
        print_table(rows, ERROR_COLUMNS, "root mean square errors on held-out compositions")


def _errors(model: Path, frames: "list[Frame]") -> dict[str, Any]:
    from invdesflow.learning.potential.evaluation import evaluate_frames
    from invdesflow.relaxation.potentials import find_potential, load_calculator

    return {"model": str(model)} | asdict(
        evaluate_frames(frames, load_calculator(find_potential("DeePMD", str(model))))
    )
