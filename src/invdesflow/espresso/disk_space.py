"""The space on the disk that a calculation takes, counted before it starts."""

import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from pymatgen.core import Structure

from invdesflow.errors import EspressoError
from invdesflow.espresso.meshes import Meshes, n_points
from invdesflow.espresso.protocols import Protocol
from invdesflow.espresso.pseudopotentials import Pseudopotential
from invdesflow.screening.wave_vectors import CrystalSymmetry
from invdesflow.screening.workload import BOHR_PER_ANGSTROM, band_count, plane_wave_count
from invdesflow.settings import get_settings

__all__ = ["DiskEstimate", "check_disk", "estimate_disk"]

_COMPLEX = 16
_REAL = 8
_VALENCE_WIDTH_EV = 20.0


@dataclass(frozen=True, slots=True)
class DiskEstimate:
    """Bytes that a calculation takes on the disk.

    Attributes
    ----------
    density
        Wavefunctions of the self-consistent run.
    phonons
        Wavefunctions at k and k + q with their changes, of the q-points that are calculated at once.
    potentials
        Changes of the potential, of all q-points; kept for EPW.
    wannier
        Wavefunctions on the mesh of the Wannier functions.
    vertices
        Electron-phonon vertices between Wannier functions, and near the Fermi level on the second fine mesh, the first
        that can be found converged.
    """

    density: float
    phonons: float
    potentials: float
    wannier: float
    vertices: float

    @property
    def total(self) -> float:
        """Sum of all parts."""
        return float(sum(getattr(self, part.name) for part in fields(self)))


def estimate_disk(
    structure: Structure,
    protocol: Protocol,
    pseudopotentials: Mapping[str, Pseudopotential],
    at_once: int | None = None,
) -> DiskEstimate:
    r"""Estimate the space on the disk that a calculation takes, about within a factor of two.

    A wavefunction has :math:`N_{pw} = \Omega E_{cut}^{3/2} / 6 \pi^2` coefficients of 16 bytes. With
    :math:`N_b` bands of pw.x, :math:`N_k` irreducible k-points, :math:`N_k(q)` of them under the small group of q,
    :math:`d_q` the largest degeneracy of a representation there, :math:`N_r` points of the FFT grid, :math:`N_w`
    orbitals, spread over 20 eV, and :math:`N_f` of them within fsthick of the Fermi level:

    - density: :math:`N_{pw} N_b N_k`
    - phonons: :math:`N_{pw} N_b N_k(q) (2 + 2 d_q)`, summed over the largest q-points that run at once
    - potentials: :math:`3 N_{at} N_r` for each q
    - Wannier functions: :math:`N_{pw} N_b' N_k'` with the bands and the full mesh of the nscf run
    - vertices: :math:`N_w^2 3 N_{at} N_k' N_q`, and of 8 bytes :math:`N_f^2 3 N_{at} N_k N_q` on the fine meshes

    Parameters
    ----------
    structure
        Primitive cell.
    protocol
        Accuracy.
    pseudopotentials
        Of every element.
    at_once
        q-points that run at the same time; by default as many as the workers and ranks of the settings allow.
    """
    settings = get_settings()
    at_once = at_once or max(1, settings.workers // settings.espresso_ranks)
    meshes, symmetry = Meshes.of(structure, protocol), CrystalSymmetry(structure)
    found = [pseudopotentials[site.specie.symbol] for site in structure]
    electrons = round(sum(pseudopotential.z_valence for pseudopotential in found))
    orbitals = sum(2 * momentum + 1 for pseudopotential in found for _, momentum in pseudopotential.wavefunctions)
    free = protocol.extra_bands + protocol.extra_bands_per_atom * len(structure)
    coefficients = _COMPLEX * plane_wave_count(structure.volume, protocol.ecutwfc_ry)
    modes = 3 * len(structure)
    wave_vectors = symmetry.wave_vectors(meshes.q, meshes.k_scf)
    of_q = sorted((vector.k_points * (2 + 2 * max(vector.representations)) for vector in wave_vectors), reverse=True)
    states = coefficients * band_count(electrons)
    fine = meshes.fine[:2][-1]
    near = orbitals * 2 * protocol.fsthick_ev / _VALENCE_WIDTH_EV
    return DiskEstimate(
        density=states * symmetry.count_points(meshes.k_scf),
        phonons=states * sum(of_q[:at_once]),
        potentials=_COMPLEX * modes * _grid_points(structure, protocol.ecutrho_ry) * len(wave_vectors),
        wannier=coefficients * (max(electrons // 2, orbitals) + free) * n_points(meshes.k_wannier),
        vertices=_COMPLEX * orbitals**2 * modes * n_points(meshes.k_wannier) * n_points(meshes.q)
        + _REAL * near * max(1.0, near) * modes * symmetry.count_points(fine.k) * n_points(fine.q),
    )


def check_disk(estimate: DiskEstimate, folder: Path) -> None:
    """Refuse to start where the space is less than the estimate.

    Raises
    ------
    EspressoError
        With what is needed and what is there.
    """
    place = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(place).free
    if estimate.total > free:
        raise EspressoError(
            f"The calculation needs about {estimate.total / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free in {folder}.",
            "Give another folder with INVDESFLOW_ESPRESSO_DIR.",
        )


def _grid_points(structure: Structure, ecutrho_ry: float) -> float:
    """Count the points of the FFT grid: a box around the sphere of the cutoff of the density."""
    per_bohr = math.sqrt(ecutrho_ry) / math.pi
    return math.prod(per_bohr * float(length) * BOHR_PER_ANGSTROM + 1 for length in structure.lattice.abc)
