"""Properties of the elements that the screening features are made of."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BOND_CLASSES", "PROPERTIES", "ElementTable", "bond_class", "periodic_table"]

LAST_ATOMIC_NUMBER = 94  # pymatgen knows most of the properties up to plutonium

BOND_CLASSES = ("H", "light_p", "heavy_p", "anion", "sp_metal", "active_metal", "d_early", "d_late")


def _shell_electrons(element: Any, shell: str) -> float:
    """Count the valence electrons in one kind of shell; filled d and f shells below an open p shell are core."""
    rows = {"s": element.row, "p": element.row, "d": element.row - 1, "f": element.row - 2}
    outer_p = any(n == element.row and kind == "p" for n, kind, _ in element.full_electronic_structure)
    if shell in "df" and outer_p:
        return 0.0
    count = sum(k for n, kind, k in element.full_electronic_structure if kind == shell and n == rows[shell])
    return 0.0 if shell == "f" and count == 14 else float(count)


def _highest_orbital(element: Any) -> float:
    return max(element.atomic_orbitals.values(), default=nan) if element.atomic_orbitals else nan


def _covalent_radius(element: Any) -> float:
    from ase.data import covalent_radii

    return float(covalent_radii[element.Z])


_SOURCES: dict[str, Callable[[Any], float]] = {
    "mass": lambda e: e.atomic_mass,
    "electronegativity": lambda e: e.X,
    "row": lambda e: e.row,
    "group": lambda e: e.group,
    "mendeleev": lambda e: e.mendeleev_no,
    "covalent_radius": _covalent_radius,
    "atomic_radius": lambda e: e.atomic_radius,
    "vdw_radius": lambda e: e.van_der_waals_radius,
    "ionic_radius": lambda e: e.average_ionic_radius,
    "melting_point": lambda e: e.melting_point,
    "boiling_point": lambda e: e.boiling_point,
    "molar_volume": lambda e: e.molar_volume,
    "thermal_conductivity": lambda e: e.thermal_conductivity,
    "electron_affinity": lambda e: e.electron_affinity,
    "ionization_energy": lambda e: e.ionization_energy,
    "highest_orbital": _highest_orbital,
    "max_oxidation": lambda e: e.max_oxidation_state,
    "min_oxidation": lambda e: e.min_oxidation_state,
    "s_electrons": lambda e: _shell_electrons(e, "s"),
    "p_electrons": lambda e: _shell_electrons(e, "p"),
    "d_electrons": lambda e: _shell_electrons(e, "d"),
    "f_electrons": lambda e: _shell_electrons(e, "f"),
}
PROPERTIES: tuple[str, ...] = tuple(_SOURCES)


@dataclass(frozen=True)
class ElementTable:
    """Element properties by atomic number.

    Parameters
    ----------
    values
        Shape (Z_max + 1, properties); NaN where the source has no value. Units are those of pymatgen's ``Element``,
        lengths in Angstrom, energies in eV, temperatures in K.
    names
        Property of each column.
    """

    values: NDArray[np.float64]
    names: tuple[str, ...] = PROPERTIES

    def column(self, name: str) -> NDArray[np.float64]:
        """Return one property for all atomic numbers."""
        return self.values[:, self.names.index(name)]

    def unknown(self, numbers: Sequence[int] | NDArray[np.intp]) -> list[int]:
        """Return the atomic numbers for which a property is missing."""
        return [int(z) for z in sorted(set(numbers)) if z >= len(self.values) or np.isnan(self.values[z]).any()]


@lru_cache(maxsize=1)
def periodic_table() -> ElementTable:
    """Collect the properties from pymatgen and the covalent radii (Cordero et al. 2008) from ASE."""
    from pymatgen.core import Element

    values = np.full((LAST_ATOMIC_NUMBER + 1, len(PROPERTIES)), nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pymatgen warns of each value that it does not know
        for number in range(1, LAST_ATOMIC_NUMBER + 1):
            element = Element.from_Z(number)
            for column, source in enumerate(_SOURCES.values()):
                value = source(element)
                values[number, column] = nan if value is None else float(value)
    return ElementTable(values)


@lru_cache(maxsize=128)
def bond_class(number: int) -> int:
    """Return the index in `BOND_CLASSES` of an element: which kind of bond partner it is."""
    from pymatgen.core import Element

    element = Element.from_Z(number)
    kinds = {
        "H": number == 1,
        "light_p": element.symbol in {"B", "C", "N"},
        "heavy_p": element.symbol in {"Si", "P", "Ge", "As", "Sb", "Bi"},
        "anion": element.group >= 16,
        "sp_metal": element.group in {12, 13, 14} or element.symbol == "Be",
        "active_metal": element.group in {1, 2},
        "d_early": element.group <= 7,
        "d_late": element.group <= 11,
    }
    return next(index for index, name in enumerate(BOND_CLASSES) if kinds[name])
