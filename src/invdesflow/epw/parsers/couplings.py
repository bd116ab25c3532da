"""The coupling of single states, as epw.x writes it before it solves the anisotropic equations."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from invdesflow.epw.parsers.tables import table_after_head
from invdesflow.espresso.parsers.text import FloatArray, reading

__all__ = [
    "CouplingDistribution",
    "FermiSurfaceValues",
    "StateCouplings",
    "read_coupling_distribution",
    "read_fermi_surface_values",
    "read_state_couplings",
]


@dataclass(frozen=True, slots=True)
class CouplingDistribution:
    """``lambda_k_pairs`` (of states) or ``lambda_pairs`` (of pairs of states).

    Attributes
    ----------
    lambda_
        Coupling, shape (n,).
    density
        How often it occurs on the Fermi surface; the largest is 1: shape (n,).
    """

    lambda_: FloatArray
    density: FloatArray


@dataclass(frozen=True, slots=True)
class StateCouplings:
    """``lambda_aniso``: the coupling of each state on the irreducible k-points.

    Attributes
    ----------
    energies_ev
        Relative to the Fermi energy, shape (states,).
    lambda_
        Shape (states,). It is 0 for a state with no partner in the Fermi window.
    k_point, band
        Numbers as in the file, from 1, shape (states,).
    """

    energies_ev: FloatArray
    lambda_: FloatArray
    k_point: NDArray[np.int64]
    band: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FermiSurfaceValues:
    """``lambda_FS`` or ``imag_aniso_gap_FS_T``: a value for each state of the whole mesh near the Fermi surface.

    Attributes
    ----------
    k_points
        Cartesian in 2 pi / alat, shape (states, 3).
    band
        Number of the band among those in the Fermi window, from 1, shape (states,).
    energies_ev
        Relative to the Fermi energy, shape (states,).
    values
        Coupling, or gap in meV, shape (states,).
    """

    k_points: FloatArray
    band: NDArray[np.int64]
    energies_ev: FloatArray
    values: FloatArray


def read_coupling_distribution(path: Path) -> CouplingDistribution:
    """Read ``PREFIX.lambda_k_pairs`` or ``PREFIX.lambda_pairs``.

    Raises
    ------
    EspressoError
        If the file is missing, cut within a line, or of another kind.
    """
    with reading(path, "a distribution of couplings of epw.x"):
        table = table_after_head(path, r"\rho(lambda_nk")
        return CouplingDistribution(table[:, 0], table[:, 1])


def read_state_couplings(path: Path) -> StateCouplings:
    """Read ``PREFIX.lambda_aniso``.

    Raises
    ------
    EspressoError
        If the file is missing, cut within a line, or of another kind.
    """
    with reading(path, "couplings of states of epw.x"):
        table = table_after_head(path, "lambda_nk  # kpt", at_least=4)
        return StateCouplings(table[:, 0], table[:, 1], _integers(table[:, 2]), _integers(table[:, 3]))


def read_fermi_surface_values(path: Path) -> FermiSurfaceValues:
    """Read ``PREFIX.lambda_FS`` or ``PREFIX.imag_aniso_gap_FS_T``.

    Raises
    ------
    EspressoError
        If the file is missing, cut within a line, or of another kind.
    """
    with reading(path, "values on the Fermi surface of epw.x"):
        table = table_after_head(path, "Band Enk-Ef", at_least=6)
        return FermiSurfaceValues(table[:, :3], _integers(table[:, 3]), table[:, 4], table[:, 5])


def _integers(column: FloatArray) -> NDArray[np.int64]:
    return np.rint(column).astype(np.int64)
