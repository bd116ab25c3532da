"""What a MEGNet makes of the crystals alone, and which atom features help it.

``python -m invdesflow.screening.training.formation_energy_trials --materials-project PATH --checkpoints DIR`` trains
networks that know nothing of CHGNet and prints the mean absolute error of each on the held-out formulas.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from invdesflow.screening.formation_energy import ask
from invdesflow.screening.formation_energy_inputs import ATOM_FEATURES
from invdesflow.screening.training.formation_energy_data import EnergySet, energy_set, read_formation_energies
from invdesflow.screening.training.formation_energy_fitting import Recipe, fit_inputs, fit_network
from invdesflow.screening.training.splits import formulas_digest

__all__ = ["ABLATIONS", "trial"]

_NUMBERS = ("group", "period")
_SHELLS = ("valence electrons by shell",)
_SIZES = ("covalent radius", "volume per atom")
_BONDING = ("electronegativity", "ionisation energy", "electron affinity")
ABLATIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "none but the atomic number": (),
        "all eight": tuple(ATOM_FEATURES),
        **{
            f"without {', '.join(group)}": tuple(name for name in ATOM_FEATURES if name not in group)
            for group in (_BONDING, _SIZES, _SHELLS, _NUMBERS)
        },
    }
)
"""Atom features of each trial."""


def trial(crystals: EnergySet, recipe: Recipe, most_crystals: int, checkpoints: Path | None) -> float:
    """Train a network without CHGNet and return its mean absolute error on the held-out formulas, eV/atom.

    Parameters
    ----------
    crystals
        Crystals without descriptions.
    recipe
        What the network is and how it is trained.
    most_crystals
        How many of them it learns from.
    checkpoints
        Folder for the state of the training.
    """
    taught = np.flatnonzero(crystals.taught)
    taught = np.sort(np.random.default_rng(recipe.seed).permutation(taught)[:most_crystals])
    mask = np.zeros(len(crystals), dtype=bool)
    mask[taught] = True
    seen, unseen = crystals.rows(mask), crystals.rows(crystals.held_out & ~crystals.legacy)
    inputs = fit_inputs(seen.sights, seen.energies, recipe.atom_features)
    identity = formulas_digest(list(seen.formulas)) + str(asdict(recipe))
    name = sha256(identity.encode()).hexdigest()[:16]
    checkpoint = None if checkpoints is None else checkpoints / f"formation-energy-trial-{name}.pt"
    network = fit_network(seen.sights, seen.energies, inputs, recipe, checkpoint=checkpoint, identity=identity)
    known = [not np.isnan(inputs.correction[sight.graph.numbers]).any() for sight in unseen.sights]
    unseen = unseen.rows(np.array(known))
    return float(np.abs(ask(network, inputs, unseen.sights)[0] - unseen.energies).mean())


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the networks of the trials and print their errors."""
    parser = argparse.ArgumentParser(prog="formation_energy_trials", description=__doc__)
    parser.add_argument("--materials-project", type=Path, required=True, help="materials_project_subset.jsonl.gz")
    parser.add_argument("--checkpoints", type=Path, help="folder that keeps the state of the trainings")
    parser.add_argument("--most-sites", type=int, default=8, help="largest cells that are learned from and asked for")
    parser.add_argument("--epochs", type=int, default=10, help="of each network")
    parser.add_argument("--crystals", type=int, default=6000, help="crystals that the larger network learns from")
    parser.add_argument("--ablation-crystals", type=int, default=1500, help="crystals that the ablation learns from")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    every = read_formation_energies(options.materials_project)
    rows = [row for row in every if len(row.structure) <= options.most_sites and not row.legacy]
    crystals = energy_set(rows, [None] * len(rows), bonds=True)
    table = Table("network without CHGNet", "crystals", "MAE on held-out formulas (eV/atom)")
    small = Recipe(blocks=1, width=32, hidden=64, epochs=options.epochs, batch=32)
    trials = {"2 blocks, all eight": (replace(small, blocks=2), options.crystals)}
    for name, features in ABLATIONS.items():
        trials[f"1 block, {name}"] = (replace(small, atom_features=features), options.ablation_crystals)
    for name, (recipe, most) in trials.items():
        error = trial(crystals, recipe, most, options.checkpoints)
        table.add_row(name, str(min(most, int(crystals.taught.sum()))), f"{error:.4f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
