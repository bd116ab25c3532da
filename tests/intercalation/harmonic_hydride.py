"""A2BH6 with and without X on 4b, held together by springs, whose Eg mode is known in closed form."""

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.neighborlist import neighbor_list
from pymatgen.core import Lattice, Structure

A = 7.35
X_HOST, X_GUEST = 0.2122, 0.2466
CONSTANTS = {"BH": 9.0, "AH": 0.8, "XH": 2.5, "AB": 1.5, "AX": 1.0, "AA": 0.7}  # eV/A^2
ELEMENTS = {"A": "K", "B": "Cu", "X": "Ga", "H": "H"}
ROLES = {element: role for role, element in ELEMENTS.items()}
M_H = 1.00784  # phonopy's differs in the fourth digit


def host(x=X_HOST, a=A):
    return _primitive(["K", "Cu", "H"], [[0.25] * 3, [0] * 3, [x, 0, 0]], a)


def guest(x=X_GUEST, a=A):
    return _primitive(["K", "Cu", "Ga", "H"], [[0.25] * 3, [0] * 3, [0.5] * 3, [x, 0, 0]], a)


def _primitive(species, sites, a):
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(a), species, sites).get_primitive_structure()


def eg_squared(x, a=A, *, with_x):
    """K/m of the Eg mode (eV/A^2/u): every H moves along its bond, everything else rests."""
    inclined = (0.25 - x) ** 2 / ((0.25 - x) ** 2 + 0.125)
    constant = CONSTANTS["BH"] + 4 * CONSTANTS["AH"] * inclined + (CONSTANTS["XH"] if with_x else 0.0)
    return constant / M_H


class HarmonicHydride(Calculator):
    """Springs without tension in the crystal that `x` and `a` describe."""

    implemented_properties = ("energy", "forces")

    def __init__(self, x, a=A):
        super().__init__()
        self.rest = {
            "BH": x * a,
            "XH": (0.5 - x) * a,
            "AH": np.sqrt((0.25 - x) ** 2 + 0.125) * a,
            "AB": np.sqrt(3) / 4 * a,
            "AX": np.sqrt(3) / 4 * a,
            "AA": a / 2,
        }

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        i, j, distance, vector = neighbor_list("ijdD", atoms, max(self.rest.values()) + 0.2)
        symbols = np.array([ROLES[symbol] for symbol in atoms.symbols])
        forces, energy = np.zeros((len(atoms), 3)), 0.0
        for pair, length in self.rest.items():
            ends = {(pair[0], pair[1]), (pair[1], pair[0])}
            joined = [(a, b) in ends for a, b in zip(symbols[i], symbols[j], strict=True)]
            joined &= np.abs(distance - length) < 0.2
            stretch = distance[joined] - length
            np.add.at(forces, i[joined], (CONSTANTS[pair] * stretch / distance[joined])[:, None] * vector[joined])
            energy += 0.25 * CONSTANTS[pair] * (stretch**2).sum()
        self.results = {"energy": energy, "forces": forces}
