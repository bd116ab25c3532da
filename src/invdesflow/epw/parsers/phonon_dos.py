"""Phonon densities of states on EPW's fine mesh, with the frequencies of the spectral functions."""

from dataclasses import dataclass
from pathlib import Path

from invdesflow.epw.parsers.tables import table_after_head
from invdesflow.espresso.parsers.text import FloatArray, reading

__all__ = ["ModePhononDos", "SmearedPhononDos", "read_mode_phonon_dos", "read_phonon_dos"]


@dataclass(frozen=True, slots=True)
class SmearedPhononDos:
    """``PREFIX.phdos``.

    Attributes
    ----------
    omega_mev
        Frequencies in meV, shape (n,).
    density
        States per meV for each smearing of ``PREFIX.a2f``, shape (smearings, n). The integral is the number of modes
        less those that epw.x leaves out: below ``eps_acustic``, and at q-points that connect no states in the window.
    """

    omega_mev: FloatArray
    density: FloatArray


@dataclass(frozen=True, slots=True)
class ModePhononDos:
    """``PREFIX.phdos_proj``.

    Attributes
    ----------
    omega_mev
        Frequencies in meV, shape (n,).
    total
        States per meV with the smallest smearing, shape (n,).
    by_mode
        Branches in the order of their frequencies, shape (modes, n).
    """

    omega_mev: FloatArray
    total: FloatArray
    by_mode: FloatArray


def read_phonon_dos(path: Path) -> SmearedPhononDos:
    """Read ``PREFIX.phdos``.

    Raises
    ------
    EspressoError
        If the file is missing, cut within a line, or of another kind.
    """
    with reading(path, "a phonon density of states of epw.x"):
        table = table_after_head(path, "smearing values")
        return SmearedPhononDos(table[:, 0], table[:, 1:].T)


def read_mode_phonon_dos(path: Path) -> ModePhononDos:
    """Read ``PREFIX.phdos_proj``.

    Raises
    ------
    EspressoError
        If the file is missing, cut within a line, or of another kind.
    """
    with reading(path, "a phonon density of states of branches of epw.x"):
        table = table_after_head(path, "phdos_modeproj", at_least=3)
        return ModePhononDos(table[:, 0], table[:, 1], table[:, 2:].T)
