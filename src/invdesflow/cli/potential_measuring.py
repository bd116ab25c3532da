"""`invdesflow potential evaluate|check`: what a potential is worth, and where it knows nothing."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from invdesflow.cli.output import JsonFlag, print_json, print_table
from invdesflow.cli.potential_options import OnlyOption, load_committee, named_potential, read_labels

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator
    from pymatgen.core import Structure

    from invdesflow.learning.potential.frames import Frame

__all__ = ["ERROR_COLUMNS", "add_commands", "check", "errors_of", "evaluate"]

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


def add_commands(app: typer.Typer) -> None:
    """Add the commands that measure models."""
    for command in (evaluate, check):
        app.command()(command)


def evaluate(
    models: Annotated[list[str], typer.Argument(help="CHGNet, SevenNet, or DPA models *.pth")],
    frames: Annotated[
        list[Path] | None, typer.Option(help="Extended XYZ file of labelled crystals; repeatable")
    ] = None,
    only: OnlyOption = None,
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
    from invdesflow.relaxation.potentials import load_calculator
    from invdesflow.relaxation.relaxation import RelaxationSettings

    known = read_labels(frames, None) if frames else []
    measured = split_by_composition(known, only)[1] if only else known
    references: dict[str, Structure] = {}
    if lattice:
        with Database() as database:
            references = {name: find_subject(database, name).structure for name in lattice}
    errors, lattices = [], []
    for name in models:
        calculator = load_calculator(named_potential(name))
        if measured:
            errors.append(errors_of(name, calculator, measured))
        found = evaluate_lattices(references, calculator, RelaxationSettings(fmax=fmax))
        lattices += [{"model": name} | asdict(one) for one in found]
    if json:
        print_json([*errors, *lattices])
        return
    if errors:
        print_table(errors, ERROR_COLUMNS, "root mean square errors")
    if lattices:
        print_table(lattices, LATTICE_COLUMNS)


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
    levels, judges = TrustLevels(known=known, absurd=absurd), load_committee(committee)
    with Database() as database:
        structures = {name: find_subject(database, name).structure for name in subjects}
    rows: list[dict[str, Any]] = []
    for name, structure in structures.items():
        deviation = judges.deviation(structure)
        rows.append({"crystal": name, "verdict": levels.of(deviation)} | asdict(deviation))
    print_json(rows) if json else print_table(rows, DEVIATION_COLUMNS, "disagreement of the committee")


def errors_of(name: str, calculator: "Calculator", frames: "list[Frame]") -> dict[str, Any]:
    """Measure a potential on labelled crystals: a row of the table."""
    from invdesflow.learning.potential.evaluation import evaluate_frames
    from invdesflow.learning.potential.lineage import Seen

    Seen.of_file(Path(name)).require_unseen(frames)
    return {"model": name} | asdict(evaluate_frames(frames, calculator))
