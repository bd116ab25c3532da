"""What EPW finds for the states of a mesh near the Fermi level, brought onto the Fermi surface: couplings and gaps."""

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Lattice
from scipy.spatial import cKDTree

from invdesflow.epw.fermi_surface import FermiSurface
from invdesflow.epw.parsers.couplings import FermiSurfaceValues
from invdesflow.epw.parsers.wannier import WannierHamiltonian
from invdesflow.errors import SpectrumError

__all__ = ["values_on_sheets"]

FloatArray = NDArray[np.float64]

_SAME_ENERGY_EV = 0.01
_NEIGHBOURS = 6
_NOTHING = 1e-6  # share of the largest value below which EPW has found none


def values_on_sheets(
    surface: FermiSurface,
    found: FermiSurfaceValues,
    hamiltonian: WannierHamiltonian,
    fermi_energy_ev: float,
) -> tuple[FloatArray, ...]:
    """Interpolate the values of states to the points of the sheets.

    Each point takes the mean of its six nearest states of the same band, weighted by the inverse squared distance.
    EPW writes 0 for a state that has no partner near the Fermi level; those are passed over.

    Parameters
    ----------
    surface
        The Fermi surface.
    found
        From ``lambda_FS`` or ``imag_aniso_gap_FS_T``.
    hamiltonian
        The Hamiltonian from which the surface was made; it tells the bands of the states by their energies.
    fermi_energy_ev
        Fermi level from which EPW counted the energies.

    Returns
    -------
    tuple of ndarray
        For each sheet the values at its points, (n,), in the unit of `found`.

    Raises
    ------
    SpectrumError
        If the states are not of these bands, or too few of a band are near the Fermi level.
    """
    lattice = surface.lattice
    k_points = found.k_points @ lattice.matrix.T / lattice.a  # pw.x calls the first vector alat where ibrav = 0
    bands = _bands(hamiltonian.eigenvalues(k_points), found.energies_ev + fermi_energy_ev)
    there = found.values > _NOTHING * found.values.max()
    return tuple(
        _interpolated(lattice, k_points[of_band], found.values[of_band], sheet.points)
        for sheet in surface.sheets
        for of_band in [there & (bands == sheet.band)]
    )


def _bands(eigenvalues_ev: FloatArray, energies_ev: FloatArray) -> NDArray[np.int_]:
    """Return to which band each state belongs; shape (states,)."""
    away = np.abs(eigenvalues_ev - energies_ev[:, None])
    worst = float(away.min(axis=1).max())
    if worst > _SAME_ENERGY_EV:
        raise SpectrumError(
            f"The states of EPW are up to {worst * 1e3:.0f} meV away from the bands of the Wannier functions.",
            "Take both, and the Fermi level, from one calculation.",
        )
    return np.asarray(away.argmin(axis=1))


def _interpolated(lattice: Lattice, k_points: FloatArray, values: FloatArray, points: FloatArray) -> FloatArray:
    if len(values) < _NEIGHBOURS:
        raise SpectrumError(
            f"Only {len(values)} states of a band of the Fermi surface have values.", "Use a finer k-mesh in EPW."
        )
    reciprocal = lattice.reciprocal_lattice.matrix
    images = np.stack(np.meshgrid(*[range(-2, 3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    everywhere = (k_points - np.floor(k_points))[None] + images[:, None]
    distances, nearest = cKDTree(everywhere.reshape(-1, 3) @ reciprocal).query(points, k=_NEIGHBOURS)
    weights = 1.0 / np.maximum(distances, np.finfo(float).eps) ** 2
    return np.asarray((weights * values[nearest % len(values)]).sum(axis=1) / weights.sum(axis=1))
