"""What fine-tuning the shipped Tc model on few new rows costs where nothing is new, with and without what prevents it.

``python benchmarks/forgetting.py alexandria_elph.jsonl.gz`` takes crystals of a published set. What is new is made:
some of them, compressed by 5 % in length, are said to couple one and a half times as strongly at frequencies 1.2 times
as high. Both errors are measured on formulas that no model has learned from. Without replay there are more epochs, so
that every way takes the same number of steps.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from invdesflow.learning.labelled_sets import READERS
from invdesflow.learning.retraining import Lesson, RetrainingSettings, compare
from invdesflow.learning.retraining_tc import retrain_tc
from invdesflow.learning.training_set_rows import MU_STAR, Sources, build_training_set
from invdesflow.learning.training_sets import TrainingRow
from invdesflow.screening.kinds import SHIPPED_FILES
from invdesflow.screening.tc_baseline import critical_temperature
from invdesflow.superconductors.documents import SuperconductorDocument

WAYS = {
    "replay and anchor": {},
    "replay alone": {"anchor": 0.0},
    "anchor alone": {"replay": 0.0, "least_replay": 0},
    "neither": {"anchor": 0.0, "replay": 0.0, "least_replay": 0},
}


def compressed(row: TrainingRow) -> TrainingRow:
    """Make a crystal that the model has not seen, and its labels."""
    structure = row.structure.copy()
    structure.scale_lattice(0.95**3 * structure.volume)
    lambda_, omega = np.array([1.5 * row.labels["lambda_"]]), np.array([1.2 * row.labels["omega_log_mev"]])
    tc_k = float(critical_temperature(lambda_, omega, MU_STAR)[0])
    labels = {"lambda_": float(lambda_[0]), "omega_log_mev": float(omega[0]), "tc_k": tc_k}
    return row.model_copy(update={"structure": structure, "labels": labels, "source": f"made:{row.source}"})


def rows_of(path: Path, count: int) -> tuple[list[TrainingRow], list[TrainingRow]]:
    """Return rows of a set that may be learned from, and those of the frozen tenth, both in random order."""
    known = [entry for entry in READERS["alexandria"](path) if isinstance(entry, SuperconductorDocument)]
    chosen = np.random.default_rng(0).permutation(len(known))[:count]
    rows = build_training_set("tc", Sources(superconductors=[known[index] for index in chosen]))
    return [row for row in rows.taught if row.labels["lambda_"] < 2.0], rows.held_out


def main(arguments: Sequence[str] | None = None) -> None:
    """Fine-tune in every way and print the errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path, help="alexandria_elph.jsonl.gz")
    parser.add_argument("--crystals", type=int, default=1500, help="of the set that take part")
    parser.add_argument("--new", type=int, default=50, help="crystals that are learned")
    parser.add_argument("--epochs", type=int, default=8, help="with replay")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    options = parser.parse_args(arguments)
    taught, held_out = rows_of(options.path, options.crystals)
    new, old = [compressed(row) for row in taught[: options.new]], taught[options.new :]
    console = Console(width=120)
    table = Table("held by", "frozen tenth, before (K)", "after", "90 % of the gain", "new kind, before (K)", "after")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.ways:
            settings = RetrainingSettings(**WAYS[name])
            replay = settings.replayed(old, len(new))
            longer = (len(new) + len(RetrainingSettings().replayed(old, len(new)))) / (len(new) + len(replay))
            settings = settings.model_copy(update={"epochs": round(options.epochs * longer)})
            cells = [f"{name}, {settings.epochs} epochs"]
            for measured in (held_out, [compressed(row) for row in held_out]):
                lesson = Lesson(SHIPPED_FILES["tc"], new, replay, measured, settings, Path(folder) / name)
                found = compare(retrain_tc(lesson).measured, settings)
                cells += [f"{found.parent:.3f}", f"{found.child:.3f}"]
                if measured is held_out:
                    cells.append(f"{found.gain_low:+.3f} to {found.gain_high:+.3f}")
            table.add_row(*cells)
            console.print(", ".join(cells))
    console.print(f"{len(new)} new rows, {len(held_out)} rows of the frozen tenth; mean absolute error of Tc")
    console.print(table)


if __name__ == "__main__":
    main()
