"""Train the formation energy model on the Materials Project and evaluate it on formulas that it has not seen.

``python -m invdesflow.screening.training.formation_energy --materials-project PATH --cache DIR --output DIR`` writes
the weights and their card, and prints the tables of the model card. A training that was interrupted goes on.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from invdesflow.errors import TrainingError
from invdesflow.model_files import write_model
from invdesflow.progress import track
from invdesflow.screening.elements import LAST_ATOMIC_NUMBER
from invdesflow.screening.formation_energy import KIND, VERSION, FormationEnergy, ask
from invdesflow.screening.formation_energy_inputs import CUTOFF, MOST_NEIGHBOURS, EnergyInputs
from invdesflow.screening.megnet import Megnet
from invdesflow.screening.training.descriptions import describe_set
from invdesflow.screening.training.formation_energy_data import EnergySet, energy_set, read_formation_energies
from invdesflow.screening.training.formation_energy_fitting import Recipe, fit_inputs, fit_network
from invdesflow.screening.training.splits import FOLDS, formulas_digest

__all__ = ["evaluate", "figures", "read", "train"]

FloatArray = NDArray[np.float64]
ONE_SIGMA, TWO_SIGMA = 0.6827, 0.9545


def read(path: Path, cache: Path | None, bonds: bool) -> EnergySet:
    """Read a Materials Project file and describe its crystals.

    Parameters
    ----------
    path
        As `read_formation_energies` reads it.
    cache
        Folder that keeps the descriptions.
    bonds
        Whether to look for neighbours.
    """
    rows = list(read_formation_energies(path))
    return energy_set(rows, describe_set([row.structure for row in rows], cache), bonds)


def train(crystals: EnergySet, recipe: Recipe, output: Path, checkpoints: Path | None = None) -> FormationEnergy:
    """Train a network without each fifth of the formulas, and write all of them as one model.

    Parameters
    ----------
    crystals
        Crystals; the networks learn from those that are neither held out nor legacy.
    recipe
        What a network is and how it is trained.
    output
        Folder for ``formation_energy.safetensors`` and its card.
    checkpoints
        Folder for the state of the trainings.

    Returns
    -------
    FormationEnergy
        As it was written: with weights of 16 bits.

    Raises
    ------
    TrainingError
        If a fold has no crystal to learn from or to be calibrated on.
    """
    taught = crystals.rows(crystals.taught)
    if not np.bincount(taught.folds, minlength=FOLDS).all():
        raise TrainingError("A fold of the cross-validation has no crystals.", "Give more crystals.")
    unseen = np.full((2, len(taught)), np.nan)
    arrays: dict[str, NDArray[Any]] = {}
    elements = set(range(1, LAST_ATOMIC_NUMBER + 1))
    for fold in track(range(FOLDS), "networks", FOLDS):
        seen, rest = taught.rows(taught.folds != fold), taught.folds == fold
        inputs = fit_inputs(seen.sights, seen.energies, recipe.atom_features)
        network = _member(seen, inputs, replace(recipe, seed=recipe.seed + fold), checkpoints)
        unseen[:, rest] = ask(network, inputs, taught.rows(rest).sights)
        arrays |= {f"{fold}.inputs.{name}": value for name, value in inputs.arrays().items()}
        arrays |= {f"{fold}.network.{name}": value.numpy() for name, value in network.state_dict().items()}
        elements &= set(np.flatnonzero(inputs.known).tolist())
    known = np.isfinite(unseen[0])
    error = np.abs(unseen[0] - taught.energies)[known]
    path = output / "formation_energy.safetensors"
    card = _card(crystals, taught, recipe) | {
        "elements": sorted(elements),
        "calibration": _calibration(error / unseen[1, known]),
        "cross_validation": {"rows": int(known.sum())} | _errors(error),
    }
    arrays = {name: array.astype(np.float16) if ".network." in name else array for name, array in arrays.items()}
    write_model(path, arrays, card)
    held_out = crystals.rows(crystals.held_out & ~crystals.legacy)
    card["held_out"] = {
        "rows": len(held_out),
        "formulas_digest": formulas_digest(list(held_out.formulas)),
        "metrics": figures(FormationEnergy.load(path), crystals),
    }
    write_model(path, arrays, card)
    return FormationEnergy.load(path)


def _member(seen: EnergySet, inputs: EnergyInputs, recipe: Recipe, checkpoints: Path | None) -> Megnet:
    identity = f"{formulas_digest(list(seen.formulas))} {len(seen)} {asdict(recipe)}"
    checkpoint = None if checkpoints is None else checkpoints / f"formation-energy-{recipe.seed}.pt"
    return fit_network(seen.sights, seen.energies, inputs, recipe, checkpoint=checkpoint, identity=identity)


def _card(crystals: EnergySet, taught: EnergySet, recipe: Recipe) -> dict[str, Any]:
    name = "Materials Project, formation energies with the corrections of 2020"
    return {
        "kind": KIND,
        "version": VERSION,
        "model_id": f"{KIND}-{VERSION}",
        "parent": None,
        "members": FOLDS,
        "recipe": asdict(recipe),
        "graph": {"cutoff_angstrom": CUTOFF, "most_neighbours": MOST_NEIGHBOURS},
        "training_sets": [
            {
                "name": name,
                "licence": "CC BY 4.0",
                "rows": len(taught),
                "formulas_digest": formulas_digest(list(taught.formulas)),
            }
        ],
        "potential": "CHGNet 0.3.0",
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
        "seeds": [recipe.seed + fold for fold in range(FOLDS)],
    }


def _calibration(surprise: FloatArray) -> dict[str, float]:
    """Return by how much the expected error must be stretched to cover what it promises (split conformal)."""
    return {
        "stretch_68": float(np.quantile(surprise, ONE_SIGMA)),
        "stretch_95": float(np.quantile(surprise, TWO_SIGMA)),
    }


def _errors(error: FloatArray) -> dict[str, float]:
    return {"MAE (eV/atom)": float(error.mean()), "median (eV/atom)": float(np.median(error))}


def figures(model: FormationEnergy, crystals: EnergySet) -> dict[str, float]:
    """Measure a model on the held-out formulas.

    Parameters
    ----------
    model
        What is measured.
    crystals
        Crystals, of which the held-out ones count.

    Returns
    -------
    dict
        Figures by name: errors of the model and of CHGNet's energy with the elemental correction alone, how many
        crystals the intervals cover, and the same by size of the cell and by width of the interval; "legacy" are the
        crystals whose labels are from before the corrections of 2020.
    """
    held_out = crystals.rows(crystals.held_out & np.array([model.knows(sight) for sight in crystals.sights]))
    energy, width = model.energies(held_out.sights)
    start = model.corrected(held_out.sights)
    error, before = np.abs(energy - held_out.energies), np.abs(start - held_out.energies)
    sites = np.array([len(sight.graph.numbers) for sight in held_out.sights])
    present = ~held_out.legacy
    quarter = np.digitize(width, np.quantile(width[present], [0.25, 0.5, 0.75]))
    parts = {
        "": present,
        ", at most 8 atoms": present & (sites <= 8),
        ", 9 to 20 atoms": present & (sites > 8) & (sites <= 20),
        ", 21 to 40 atoms": present & (sites > 20),
        **{f", quarter {number + 1} of the widths": present & (quarter == number) for number in range(4)},
        ", legacy": held_out.legacy,
    }
    found: dict[str, float] = {}
    for name, mask in parts.items():
        if mask.any():
            found[f"rows{name}"] = float(mask.sum())
            found |= {f"{figure}{name}": value for figure, value in _errors(error[mask]).items()}
            found |= {f"corrected CHGNet: {figure}{name}": value for figure, value in _errors(before[mask]).items()}
            found[f"coverage of 68 %{name}"] = float((error <= width)[mask].mean())
            found[f"coverage of 95 %{name}"] = float((error <= width * model.widening_95)[mask].mean())
            found[f"mean width (eV/atom){name}"] = float(width[mask].mean())
    return found


def evaluate(model: FormationEnergy, data: Mapping[str, Path], cache: Path | None) -> dict[str, float]:
    """Measure a model on the held-out formulas of the data.

    Parameters
    ----------
    model
        What is measured.
    data
        Paths by name; "materials-project" is read.
    cache
        Folder that keeps the descriptions.
    """
    return figures(model, read(data["materials-project"], cache, model.bonds))


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the data, train, and print the figures."""
    parser = argparse.ArgumentParser(prog="formation_energy", description=__doc__)
    parser.add_argument("--materials-project", type=Path, required=True, help="materials_project_subset.jsonl.gz")
    parser.add_argument("--cache", type=Path, help="folder that keeps descriptions and the state of the trainings")
    parser.add_argument("--output", type=Path, required=True, help="folder for the weights and their card")
    parser.add_argument("--epochs", type=int, default=Recipe.epochs)
    parser.add_argument("--blocks", type=int, default=Recipe.blocks, help="MEGNet blocks on top of CHGNet's features")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    recipe = Recipe(epochs=options.epochs, blocks=options.blocks)
    crystals = read(options.materials_project, options.cache, recipe.blocks > 0)
    model = train(crystals, recipe, options.output, options.cache)
    table = Table("figure", "value")
    for part in ("cross_validation", "calibration"):
        for name, value in model.card[part].items():
            table.add_row(f"{part}: {name}", f"{value:.4f}")
    for name, value in model.card["held_out"]["metrics"].items():
        table.add_row(f"held out: {name}", f"{value:.4f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
