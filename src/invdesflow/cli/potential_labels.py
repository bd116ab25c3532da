"""`invdesflow potential label|complete`: crystals that a potential learns from."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from invdesflow.cli.output import print_table, say
from invdesflow.cli.pairs import settings_of
from invdesflow.cli.potential_options import load_committee, named_potential, read_labels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymatgen.core import Structure

    from invdesflow.learning.potential.frames import Frame
    from invdesflow.learning.potential.labelling import Unlabelled
    from invdesflow.relaxation.potentials import Potential

__all__ = ["add_commands", "complete", "label"]

MISSING_COLUMNS = {"element": "element", "virial": "missing virial (eV/atom)"}


def add_commands(app: typer.Typer) -> None:
    """Add the commands that make labels."""
    for command in (label, complete):
        app.command()(command)


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


def complete(
    labels: Annotated[list[Path], typer.Argument(help="Extended XYZ files of crystals that pw.x labelled")],
    low: Annotated[Path, typer.Option(help="A few crystals of the same elements, labelled at the same cutoff")],
    high: Annotated[Path, typer.Option(help="The same few crystals, labelled at a higher cutoff")],
    output: Annotated[Path, typer.Option(help="Extended XYZ file that the completed labels go to")],
) -> None:
    """Add to the stress of labels what it lacks at their cutoff, atom by atom."""
    from invdesflow.learning.potential.frame_files import read_frames, write_frames
    from invdesflow.learning.potential.plane_waves import complete_virials, missing_virials

    reference = read_frames(high)
    missing = missing_virials(read_frames(low), reference)
    print_table([{"element": name, "virial": f"{share:.3f}"} for name, share in missing.items()], MISSING_COLUMNS)
    completed = complete_virials(read_labels(labels, None), missing, reference[0].theory)
    write_frames(output, completed)
    say(f"{len(completed)} labelled crystals in {output}.")


def _in_turn(drawn: "list[list[Structure]]") -> "Iterator[Structure]":
    from itertools import zip_longest

    for turn in zip_longest(*drawn):
        yield from (crystal for crystal in turn if crystal is not None)


def _disputed(crystals: "list[Structure]", models: list[Path], most: int) -> "list[Structure]":
    from invdesflow.learning.potential.committee import TrustLevels, choose_for_labels

    chosen = choose_for_labels(crystals, load_committee(models), TrustLevels(), most)
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
    from invdesflow.learning.potential.labelling import label_with_potential

    return label_with_potential(queue, _potential(name, queue))


def _ways(structures: "list[Structure]", name: str) -> "list[list[Structure]]":
    from invdesflow.learning.potential.sampling import relaxation_path
    from invdesflow.relaxation.potentials import load_calculator

    calculator = load_calculator(_potential(name, structures))
    return [relaxation_path(structure, calculator) for structure in structures]


def _potential(name: str, structures: "list[Structure]") -> "Potential":
    """Find a potential that knows all elements."""
    potential = named_potential(name)
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
