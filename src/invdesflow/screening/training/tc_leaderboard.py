"""Measure the method of the ALIGNN Tc model on the split of the JARVIS leaderboard for Tc, which is not by formula.

``python -m invdesflow.screening.training.tc_leaderboard --jarvis PATH --cache DIR`` trains members on the training and
validation rows of that split alone, and prints the errors of Tc on its 30 test rows, at the mu* of JARVIS.
"""

import argparse
import csv
import gzip
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from pymatgen.core import Structure

from invdesflow.eliashberg.formulas import KELVIN_PER_MEV, mcmillan_tc
from invdesflow.errors import ModelError
from invdesflow.screening.alignn_inputs import Featuriser
from invdesflow.screening.elements import periodic_table
from invdesflow.screening.tc_alignn import PARTS, combine
from invdesflow.screening.training.alignn_data import AlignnData
from invdesflow.screening.training.alignn_fitting import Recipe, fit_member
from invdesflow.screening.training.electron_phonon_data import LARGEST_LAMBDA, SMALLEST_OMEGA_MEV, Compound
from invdesflow.screening.training.evaluation import print_results
from invdesflow.screening.training.tc_alignn import element_features

__all__ = ["leaderboard"]

JARVIS_MU_STAR = 0.085
MEMBERS, SHARES = 3, (0.4, 0.4, 0.2)
RECIPE = replace(Recipe(), epochs=60, batch=32)


def leaderboard(path: Path, cache: Path | None, recipe: Recipe = RECIPE) -> dict[str, float]:
    """Train on the leaderboard's training and validation rows; return the errors on its test rows by name, K.

    Parameters
    ----------
    path
        jarvis_supercon3d.csv.gz.
    cache
        Folder for what is slow to compute.
    recipe
        How to train.

    Raises
    ------
    ModelError
        If a test row cannot be predicted, which would make it another leaderboard.
    """
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["leaderboard_split"]]
    tests = np.array([row["leaderboard_split"] == "test" for row in rows])
    truth = np.array([float(row["leaderboard_Tc"]) for row in rows])
    compounds = [_compound(row) for row in rows]
    seen = sorted({element.Z for one in compounds for element in one.structure.elements})
    data = AlignnData.of([compounds], Featuriser(periodic_table(), tuple(seen), recipe.neighbours), cache)
    if len(data) < len(rows):
        raise ModelError("a row of the leaderboard has no inputs.", "Look at its structure.")
    sane = np.array([one.lambda_ <= LARGEST_LAMBDA and one.omega_log_mev >= SMALLEST_OMEGA_MEV for one in compounds])
    elements = element_features()
    members = [fit_member(data.rows(~tests & sane), elements, recipe, seed=seed) for seed in range(MEMBERS)]
    outputs = np.mean([member.predict(data.rows(tests).inputs, elements) for member in members], axis=0)
    logs = {part: outputs[:, number] for number, part in enumerate(PARTS)} | {"average": combine(outputs, SHARES)[0]}
    tc = {name: mcmillan_tc(np.exp(one[:, 0]), np.exp(one[:, 1]), JARVIS_MU_STAR) for name, one in logs.items()}
    tc["mean of the training rows"] = np.full(tests.sum(), truth[~tests].mean())
    errors = {f"{name}: MAE (K)": float(np.abs(one - truth[tests]).mean()) for name, one in tc.items()}
    return {"test rows": float(tests.sum()), "training rows": float((~tests & sane).sum())} | errors


def _compound(row: dict[str, str]) -> Compound:
    structure = Structure.from_str(row["poscar"].replace("\\n", "\n"), fmt="poscar")
    return Compound(structure, float(row["lambda_ep"]), float(row["wlog_K"]) / KELVIN_PER_MEV)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, and print the errors."""
    parser = argparse.ArgumentParser(prog="python -m invdesflow.screening.training.tc_leaderboard", description=__doc__)
    parser.add_argument("--jarvis", type=Path, required=True, help="jarvis_supercon3d.csv.gz")
    parser.add_argument("--cache", type=Path, help="folder for descriptions and graphs")
    options = parser.parse_args(arguments)
    print_results({"leaderboard": leaderboard(options.jarvis, options.cache)})


if __name__ == "__main__":
    main()
