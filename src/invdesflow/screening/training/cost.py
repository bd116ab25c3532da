"""Fit the cost model to measured runs of pw.x and ph.x.

``python -m invdesflow.screening.training.cost --output DIR`` writes the weights and their card, and prints how well
runs are predicted whose crystal was left out. ``benchmarks/espresso_cost.py`` measures the runs.
"""

import argparse
import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table
from scipy.optimize import least_squares, nnls

from invdesflow.errors import TrainingError
from invdesflow.model_files import write_model
from invdesflow.screening.cost import KIND, PARTS, VERSION, CostModel, Part, operations
from invdesflow.screening.training.splits import formulas_digest, is_held_out

__all__ = ["Fit", "MeasuredRun", "evaluate", "fit", "leave_one_crystal_out", "read_runs", "train"]

FloatArray = NDArray[np.float64]
HERE = Path(__file__).parent
RUNS = HERE / "cost_runs.csv"
PSEUDOPOTENTIALS = HERE / "cost_pseudopotentials.csv"
MACHINE = "one core of a virtual Intel Xeon, shared with other programs; Quantum ESPRESSO 6.7, OpenBLAS 0.3.21"


@dataclass(frozen=True)
class MeasuredRun:
    """One part of one run.

    Parameters
    ----------
    formula
        Of the crystal.
    part
        Which part of the calculation.
    bands, plane_waves, projectors
        Size of the calculation; plane waves on the average over k-points.
    repeats
        k-points times displacements.
    iterations
        Steps to self-consistency; 1 where there is none.
    cpu_s
        CPU time of one core, s.
    cutoff_ry
        Cutoff of the wave functions, Ry.
    """

    formula: str
    part: Part
    bands: int
    plane_waves: float
    projectors: int
    repeats: int
    iterations: int
    cpu_s: float
    cutoff_ry: int

    @classmethod
    def from_row(cls, row: Mapping[str, str]) -> Self:
        """Take a run from a row of the file."""
        part = next((part for part in PARTS if part == row["part"]), None)
        if part is None:
            raise TrainingError(f"There is no part {row['part']!r} of a calculation.", f"Use {', '.join(PARTS)}.")
        return cls(
            formula=row["formula"],
            part=part,
            bands=int(row["bands"]),
            plane_waves=float(row["plane_waves"]),
            projectors=int(row["projectors"]),
            repeats=int(row["k_points"]) * int(row["modes"]),
            iterations=int(row["iterations"]),
            cpu_s=float(row["cpu_s"]),
            cutoff_ry=int(row["cutoff_ry"]),
        )

    def terms(self, iterations: float) -> FloatArray:
        """Return what the coefficients and the overhead of its part are multiplied with, shape (4,)."""
        size = operations(self.plane_waves, self.bands, self.projectors)
        return np.append(self.repeats * iterations * size, 1.0)


@dataclass(frozen=True)
class Fit:
    """Fitted seconds.

    Parameters
    ----------
    coefficients
        Seconds for each operation, shape (parts, 3).
    overheads
        Seconds for each job, shape (parts,).
    iterations
        Mean number of iterations, shape (parts,).
    """

    coefficients: FloatArray
    overheads: FloatArray
    iterations: FloatArray

    def predict(self, run: MeasuredRun) -> float:
        """Predict the CPU time of a run (s) without knowing how many iterations it took."""
        row = PARTS.index(run.part)
        return float(run.terms(self.iterations[row]) @ np.append(self.coefficients[row], self.overheads[row]))


def read_runs(path: Path) -> list[MeasuredRun]:
    """Read the file that ``benchmarks/espresso_cost.py`` writes.

    Of a run that was measured several times the fastest counts: what else a machine does only lengthens it.
    """
    fastest: dict[tuple[str, ...], dict[str, str]] = {}
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            same = tuple(value for name, value in row.items() if name != "cpu_s")
            if same not in fastest or float(row["cpu_s"]) < float(fastest[same]["cpu_s"]):
                fastest[same] = row
    return [MeasuredRun.from_row(row) for row in fastest.values()]


def fit(runs: Sequence[MeasuredRun]) -> Fit:
    """Fit non-negative seconds to runs, part by part, by least squares of ln(predicted time / measured time).

    Raises
    ------
    TrainingError
        If a part was never measured.
    """
    solutions, iterations = [], []
    for part in PARTS:
        of_part = [run for run in runs if run.part == part]
        if not of_part:
            raise TrainingError(f"No run measures the part {part}.", "Measure it with benchmarks/espresso_cost.py.")
        solutions.append(_least_log_error(np.array([run.terms(run.iterations) / run.cpu_s for run in of_part])))
        iterations.append(np.mean([run.iterations for run in of_part]))
    found = np.array(solutions)
    return Fit(found[:, :-1], found[:, -1], np.array(iterations))


def _least_log_error(relative: FloatArray) -> FloatArray:
    """Return the non-negative x for which ln(relative @ x) is nearest to 0, shape (terms,).

    The linear problem relative @ x = 1, which punishes what is too long more than what is too short, gives the start.
    """
    scale = relative.max(axis=0)
    terms = relative / scale
    start = np.maximum(nnls(terms, np.ones(len(terms)))[0], 1e-3)
    found = least_squares(lambda x: np.log(terms @ x), start, bounds=(0, np.inf), xtol=1e-14, ftol=1e-14, gtol=1e-14)
    return np.asarray(np.where(found.x > 1e-9, found.x, 0.0) / scale)


def leave_one_crystal_out(runs: Sequence[MeasuredRun]) -> dict[str, dict[str, float]]:
    """Predict the runs of each crystal from those of the others.

    Returns
    -------
    dict
        formula -> part, or "all" -> ln(predicted time / measured time) of all its runs together.
    """
    errors: dict[str, dict[str, float]] = {}
    for formula in dict.fromkeys(run.formula for run in runs):
        own = [run for run in runs if run.formula == formula]
        errors[formula] = log_errors(fit([run for run in runs if run.formula != formula]), own)
    return errors


def log_errors(fitted: Fit, runs: Sequence[MeasuredRun]) -> dict[str, float]:
    """Return ln(predicted time / measured time) of runs, by part and of all together."""
    groups = {"all": list(runs)} | {part: [run for run in runs if run.part == part] for part in PARTS}
    return {
        name: float(np.log(sum(map(fitted.predict, group)) / sum(run.cpu_s for run in group)))
        for name, group in groups.items()
        if group
    }


def train(runs: Sequence[MeasuredRun], pseudopotentials: NDArray[np.int64], output: Path) -> dict[str, Any]:
    """Fit, cross-validate by crystal, and write weights and card to ``output/cost.*``; return the card.

    Parameters
    ----------
    runs
        Measured runs; those whose formula is held out are only evaluated.
    pseudopotentials
        Atomic number, electrons, projectors; shape (elements, 3).
    output
        Folder.
    """
    seen = [run for run in runs if not is_held_out(run.formula)]
    unseen = [run for run in runs if is_held_out(run.formula)]
    fitted, crossed = fit(seen), leave_one_crystal_out(seen)
    sizes = np.sort([abs(errors["all"]) for errors in crossed.values()])
    # The split-conformal quantile: the error of a further crystal is below it in 68.27 % of the cases or more.
    level = min(1.0, 0.6827 * (len(sizes) + 1) / len(sizes))
    formulas = list(crossed)
    held_out = {formula: [run for run in unseen if run.formula == formula] for formula in {r.formula for r in unseen}}
    card = {
        "kind": KIND,
        "version": VERSION,
        "model_id": f"{KIND}-{VERSION}",
        "parent": None,
        "training_sets": [
            {
                "name": "measured runs of Quantum ESPRESSO (benchmarks/espresso_cost.py)",
                "licence": "MIT, as this package",
                "rows": len(seen),
                "formulas_digest": formulas_digest(formulas),
            }
        ],
        "held_out": {
            "rows": len(unseen),
            "formulas_digest": formulas_digest(list(held_out)),
            "metrics": metrics(fitted, unseen),
        },
        "cross_validation": {f"log_error_{formula}": errors["all"] for formula, errors in crossed.items()},
        "calibration": {"factor_68": float(np.exp(np.quantile(sizes, level, method="higher")))},
        "machine": {"name": MACHINE, "reference_run": asdict(max(seen, key=lambda run: run.cpu_s))},
        "measured": {
            name: [min(sizes), max(sizes)]
            for name in ("bands", "plane_waves", "projectors", "cutoff_ry")
            for sizes in [[getattr(run, name) for run in seen]]
        },
        "parts": list(PARTS),
        "seconds": sum(run.cpu_s for run in runs),
    }
    arrays = {
        "coefficients": fitted.coefficients,
        "overheads": fitted.overheads,
        "iterations": fitted.iterations,
        "pseudopotentials": pseudopotentials,
    }
    write_model(output / "cost.safetensors", arrays, card)
    return card


def metrics(fitted: Fit, runs: Sequence[MeasuredRun]) -> dict[str, float]:
    """Return the mean absolute ln(predicted / measured) over crystals, of all their runs together."""
    formulas = {run.formula for run in runs}
    errors = [abs(log_errors(fitted, [run for run in runs if run.formula == name])["all"]) for name in formulas]
    return {"mean_abs_log_error": float(np.mean(errors))} if errors else {}


def evaluate(model: CostModel, data: Mapping[str, Path], cache: Path | None = None) -> dict[str, float]:
    """Evaluate a model on measured runs of held-out formulas.

    Parameters
    ----------
    model
        The model.
    data
        ``measured-runs`` -> file of `read_runs`; by default the one that ships.
    cache
        Not needed: nothing is described.
    """
    runs = [run for run in read_runs(data.get("measured-runs", RUNS)) if is_held_out(run.formula)]
    return metrics(Fit(model.coefficients, model.overheads, model.iterations), runs)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit, write, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m invdesflow.screening.training.cost", description=__doc__)
    parser.add_argument("--runs", type=Path, default=RUNS, help="measured runs")
    parser.add_argument("--pseudopotentials", type=Path, default=PSEUDOPOTENTIALS, help="electrons and projectors")
    parser.add_argument("--output", type=Path, required=True, help="folder for the weights and their card")
    options = parser.parse_args(arguments)
    runs = read_runs(options.runs)
    table = np.loadtxt(options.pseudopotentials, delimiter=",", skiprows=1, dtype=np.int64)
    card = train(runs, table, options.output)
    print_tables(runs, card)


def print_tables(runs: Sequence[MeasuredRun], card: Mapping[str, Any]) -> None:
    """Print the figures of the model card as Markdown."""
    seen = [run for run in runs if not is_held_out(run.formula)]
    crossed, fitted = leave_one_crystal_out(seen), fit(seen)
    unseen = {run.formula: [other for other in runs if other.formula == run.formula] for run in runs}
    rows = crossed | {
        f"{name} (held out)": log_errors(fitted, own) for name, own in unseen.items() if name not in crossed
    }
    columns = ("all", *PARTS)
    table = Table("predicted / measured", *columns, box=MARKDOWN)
    for name, errors in rows.items():
        table.add_row(name, *(f"{np.exp(errors[part]):.2f}" if part in errors else "-" for part in columns))
    console = Console(width=120)
    console.print(table)
    console.print(f"factor {card['calibration']['factor_68']:.2f}; {len(runs)} parts measured, {card['seconds']:.0f} s")


if __name__ == "__main__":
    main()
