"""Densities of states by projwfc.x, total and of each shell of each atom."""

import re
from dataclasses import dataclass
from pathlib import Path

from invdesflow.espresso.parsers.text import FloatArray, number_lines, read_text, reading

__all__ = ["DensityOfStates", "PartialDensity", "read_density_of_states", "read_partial_densities"]

_PARTIAL = re.compile(r"\.pdos_atm#(\d+)\((\w+?)[\d_]*\)_wfc#(\d+)\((\w)(?:_j[\d.]+)?\)$")


@dataclass(frozen=True, slots=True)
class DensityOfStates:
    """``filpdos.pdos_tot``.

    Attributes
    ----------
    energies_ev
        Shape (n,).
    total
        States per eV and cell: shape (spins, n), one row of both spins together without polarisation.
    projected
        What the orbitals span of it, the same shape.
    """

    energies_ev: FloatArray
    total: FloatArray
    projected: FloatArray


@dataclass(frozen=True, slots=True)
class PartialDensity:
    """``filpdos.pdos_atm#N(X)_wfc#M(l)``: the density of one shell of one atom.

    Attributes
    ----------
    atom
        Index of the atom, from 0.
    element
        Chemical symbol.
    shell
        Number of the radial function in its pseudopotential, from 1.
    orbital
        ``s``, ``p``, ``d`` or ``f``.
    energies_ev
        Shape (n,).
    density
        States per eV: shape (spins, n).
    """

    atom: int
    element: str
    shell: int
    orbital: str
    energies_ev: FloatArray
    density: FloatArray


def read_density_of_states(path: Path) -> DensityOfStates:
    """Read ``filpdos.pdos_tot``.

    Raises
    ------
    EspressoError
        If the file is missing, cut within a line, or of another kind.
    """
    with reading(path, "a density of states of projwfc.x"):
        head, table, spins = _density_table(path)
        if "ldos" in head or table.shape[1] != 1 + 2 * spins:
            raise ValueError("its columns are not the total and the projected density")
        return DensityOfStates(table[:, 0], table[:, 1 : 1 + spins].T, table[:, 1 + spins :].T)


def read_partial_densities(folder: Path, name: str) -> list[PartialDensity]:
    """Read all ``NAME.pdos_atm#*`` of a folder, in the order of atoms and shells.

    Parameters
    ----------
    folder
        Where they are.
    name
        The ``filpdos`` of the input.

    Raises
    ------
    EspressoError
        If there are none, or one is cut within a line or of another kind.
    """
    found = [(match, path) for path in folder.glob(f"{name}.pdos_atm*") if (match := _PARTIAL.search(path.name))]
    with reading(folder, f"a folder of densities {name}.pdos_atm#*"):
        if not found:
            raise ValueError("it has none")
    return sorted((_partial(match, path) for match, path in found), key=lambda one: (one.atom, one.shell))


def _partial(match: re.Match[str], path: Path) -> PartialDensity:
    with reading(path, "a density of states of projwfc.x"):
        _, table, spins = _density_table(path)
        return PartialDensity(
            atom=int(match[1]) - 1,
            element=match[2],
            shell=int(match[3]),
            orbital=match[4].lower(),
            energies_ev=table[:, 0],
            density=table[:, 1 : 1 + spins].T,
        )


def _density_table(path: Path) -> tuple[str, FloatArray, int]:
    head, *lines = read_text(path).splitlines()
    if not head.lstrip().startswith("# E"):
        raise ValueError("its first line names no columns")
    return head, number_lines(lines), 2 if "up" in head else 1
