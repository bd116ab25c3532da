"""Units in which people keep phonon energies."""

from typing import Literal, get_args

from scipy.constants import Boltzmann, c, e, h, physical_constants

__all__ = ["MEV_PER_UNIT", "UNITS", "EnergyUnit"]

EnergyUnit = Literal["meV", "eV", "THz", "cm-1", "Ha", "Ry", "K"]
UNITS: tuple[EnergyUnit, ...] = get_args(EnergyUnit)

_HARTREE_EV = float(physical_constants["Hartree energy in eV"][0])
MEV_PER_UNIT: dict[EnergyUnit, float] = {
    "meV": 1.0,
    "eV": 1000.0,
    "THz": 1e15 * h / e,
    "cm-1": 1e5 * h * c / e,
    "Ha": 1000.0 * _HARTREE_EV,
    "Ry": 500.0 * _HARTREE_EV,
    "K": 1000.0 * Boltzmann / e,
}
"""Unit -> its size in meV. alpha2F itself has no dimension and stays what it is."""
