"""Projections of every state onto atomic orbitals by projwfc.x, from which Wannier functions and windows are chosen.

The overlaps are in ``PREFIX.save/atomic_proj.xml``; which orbital is which, projwfc.x says only in its standard output.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from invdesflow.espresso.parsers.pw_xml import RYDBERG_EV
from invdesflow.espresso.parsers.text import FloatArray, read_text, reading

__all__ = [
    "AtomicState",
    "Projections",
    "read_atomic_states",
    "read_projections",
]

_Scalar = TypeVar("_Scalar", np.float64, np.complex128)

_STATE = re.compile(r"state #\s*(\d+): atom\s+(\d+)\s*\(\s*(\S+?)\s*\), wfc\s+(\d+)\s*\(l=\s*(\d+)(?:\s+m=\s*(\d+))?")


@dataclass(frozen=True, slots=True)
class Projections:
    """Overlaps of the bands with (orthogonalised) atomic orbitals.

    Attributes
    ----------
    k_points
        Cartesian in 2 pi / alat, shape (nk, 3).
    weights
        Sum 1, shape (nk,).
    energies_ev
        Shape (nk, nbnd), with two spin channels (2, nk, nbnd).
    overlaps
        <orbital|band>, the same shape and a last axis for the orbitals.
    fermi_energy_ev
        As pw.x left it.
    """

    k_points: FloatArray
    weights: FloatArray
    energies_ev: FloatArray
    overlaps: NDArray[np.complex128]
    fermi_energy_ev: float

    @property
    def squared(self) -> FloatArray:
        """Squared moduli of the overlaps."""
        return np.asarray(np.abs(self.overlaps) ** 2)

    @property
    def projectability(self) -> FloatArray:
        """How much of each band the orbitals span together, between 0 and 1: the shape of `energies_ev`."""
        return np.asarray(self.squared.sum(axis=-1))


@dataclass(frozen=True, slots=True)
class AtomicState:
    """One orbital of the projection.

    Attributes
    ----------
    atom
        Index of the atom in the structure, from 0.
    element
        Atomic type as pw.x names it.
    shell
        Number of the radial function in its pseudopotential, from 1.
    l
        Angular momentum.
    m
        Which of its real harmonics, from 1; None with spin-orbit coupling.
    """

    atom: int
    element: str
    shell: int
    l: int  # noqa: E741 (the field's name for it)
    m: int | None


def read_projections(path: Path) -> Projections:
    """Read ``atomic_proj.xml``.

    Raises
    ------
    EspressoError
        If the file is missing, truncated or of another kind.
    """
    with reading(path, "projections of projwfc.x"):
        root = ElementTree.parse(path).getroot()  # noqa: S314 (a file that our own run wrote)
        head, states = root.find("HEADER"), root.find("EIGENSTATES")
        if head is None or states is None:
            raise ValueError("it has no HEADER or no EIGENSTATES")
        spins = int(head.attrib["NUMBER_OF_SPIN_COMPONENTS"])
        nk, orbitals = int(head.attrib["NUMBER_OF_K-POINTS"]), int(head.attrib["NUMBER_OF_ATOMIC_WFC"])
        points = states.findall("K-POINT")[:nk]
        energies = np.array([_floats(found) for found in states.findall("E")]) * RYDBERG_EV
        overlaps = np.array([_overlaps(found) for found in states.findall("PROJS")])
        if overlaps.shape != (spins * nk, energies.shape[1], orbitals) or len(energies) != spins * nk:
            raise ValueError("it does not have what its head announces")
        weights = np.array([float(point.attrib["Weight"]) for point in points])
        return Projections(
            k_points=np.array([_floats(point) for point in points]),
            weights=weights / weights.sum(),
            energies_ev=_by_spin(energies, spins),
            overlaps=_by_spin(overlaps, spins),
            fermi_energy_ev=float(head.attrib["FERMI_ENERGY"]) * RYDBERG_EV,
        )


def read_atomic_states(path: Path) -> list[AtomicState]:
    """Read in the output of projwfc.x what the orbitals of the last axis of `Projections.overlaps` are.

    Raises
    ------
    EspressoError
        If the file is missing or lists no orbitals.
    """
    with reading(path, "an output of projwfc.x"):
        text = read_text(path)
        announced, found = re.search(r"natomwfc\s*=\s*(\d+)", text), _STATE.findall(text)
        if announced is None or [int(row[0]) for row in found] != list(range(1, int(announced[1]) + 1)):
            raise ValueError("it has no complete list of atomic states")
        return [
            AtomicState(int(atom) - 1, element, int(shell), int(momentum), int(m) if m else None)
            for _, atom, element, shell, momentum, m in found
        ]


def _overlaps(element: ElementTree.Element) -> NDArray[np.complex128]:
    values = np.array([_floats(orbital).reshape(-1, 2) for orbital in element.findall("ATOMIC_WFC")])
    return np.asarray((values[..., 0] + 1j * values[..., 1]).T)


def _by_spin(values: NDArray[_Scalar], spins: int) -> NDArray[_Scalar]:
    return values if spins == 1 else values.reshape(spins, -1, *values.shape[1:])


def _floats(element: ElementTree.Element) -> FloatArray:
    return np.array((element.text or "").split(), dtype=np.float64)
