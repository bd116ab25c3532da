"""A small Tc model for the tests of retraining: real training on crystals made here; CHGNet's part is made up."""

from itertools import combinations

import numpy as np
from learned import METALS, alloy, matthias
from pymatgen.core import Element

from invdesflow.screening.alignn_inputs import Featuriser
from invdesflow.screening.description import FEATURES, CrystalDescription
from invdesflow.screening.elements import periodic_table
from invdesflow.screening.training.alignn_data import AlignnData
from invdesflow.screening.training.alignn_fitting import Recipe
from invdesflow.screening.training.electron_phonon_data import Compound
from invdesflow.screening.training.tc_alignn import train

SMALL = Recipe(epochs=8, batch=16, neighbours=6, hidden=8, readout=16, perceptrons=1, perceptron_epochs=40, trees=2)


def described(structures, cache=None):
    """Features that a potential could have learned: functions of elements and volume."""
    found = []
    for structure in structures:
        volume = structure.volume / len(structure)
        atoms = np.sin(np.outer(structure.atomic_numbers, np.arange(1, FEATURES + 1))) * volume / 16.0
        found.append(CrystalDescription(-1.0, np.zeros(len(structure), np.float32), atoms.astype(np.float32)))
    return found


def train_small_tc_model(folder):
    """Train on the alloys of `learned`, as published calculations have them; return the weights file."""
    structures = [alloy(*pair) for pair in combinations(METALS, 2)]
    featuriser = Featuriser(periodic_table(), tuple(sorted(Element(metal).Z for metal in METALS)), SMALL.neighbours)
    data = AlignnData.of(
        [
            [
                Compound(one, *matthias(one), dos_per_atom=1.0 + one.volume / 100, debye_k=200.0 + one.volume)
                for one in structures
            ]
        ],
        featuriser,
        None,
    )
    train(data, featuriser, SMALL, folder)
    return folder / "tc_alignn.safetensors"
