"""What can be known to go wrong before the first expensive step, and is then said at once."""

import math
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import get_args

import numpy as np
from ase.data import covalent_radii
from pymatgen.core import DummySpecies, Structure

from invdesflow.crystals.geometry import neighbours
from invdesflow.errors import EspressoError, StructureError
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.meshes import Meshes
from invdesflow.espresso.programs import Program, find_program
from invdesflow.espresso.protocols import Protocol
from invdesflow.espresso.pseudopotentials import Pseudopotential
from invdesflow.espresso.tasks import run_root
from invdesflow.screening.wave_vectors import CrystalSymmetry, Mesh
from invdesflow.screening.workload import BOHR_PER_ANGSTROM, band_count, plane_wave_count
from invdesflow.settings import get_settings

__all__ = [
    "DiskEstimate",
    "check_before_running",
    "check_crystal",
    "check_disk",
    "check_meshes",
    "check_moments",
    "check_orbitals",
    "check_programs",
    "estimate_disk",
]

SMALLEST_CONTACT = 0.4
"""Distance over the sum of the covalent radii below which two atoms overlap; Na at 200 GPa has 0.57."""
LARGEST_CONTACT = 2.0
"""The same, above which an atom has no neighbour: it stands in a vacuum, and no metal holds it."""
LARGEST_MOMENT = 0.5
"""Moment of a site in Bohr magnetons above which a crystal is taken for a magnet; CHGNet errs by 0.03 on average."""
MOST_K_POINTS = 40_000
"""Dimension of the list of k-points in Quantum ESPRESSO (npk); ph.x keeps k and k + q in one list."""
MOST_FINE_POINTS = 100_000_000
"""epw.x keeps the list of the fine k-points on every rank: here 3 GB."""

_CHAIN: tuple[Program, ...] = ("pw.x", "ph.x", "q2r.x", "matdyn.x", "projwfc.x", "epw.x")
_COMPLEX = 16
_REAL = 8
_VALENCE_WIDTH_EV = 20.0


def check_before_running(
    structure: Structure, calculation: Calculation, moments_mu_b: Sequence[float] | None = None
) -> None:
    """Refuse what cannot come to a good end: crystal, pseudopotentials, meshes, programs and space on the disk.

    Parameters
    ----------
    structure
        Primitive cell.
    calculation
        Protocol and pseudopotentials.
    moments_mu_b
        Expected magnetic moment of each site, such as CHGNet's, if something is known of it.

    Raises
    ------
    StructureError
        If the crystal cannot be calculated, or is too large for the protocol.
    EspressoError
        If a pseudopotential or a program is missing, a mesh does not fit, or there is too little space.
    """
    protocol = calculation.protocol
    check_crystal(structure, protocol.max_atoms)
    if moments_mu_b is not None:
        check_moments(structure, moments_mu_b)
    pseudopotentials = calculation.pseudopotentials(structure)
    check_orbitals(pseudopotentials)
    check_meshes(structure, Meshes.of(structure, protocol))
    check_programs(_CHAIN)
    check_disk(estimate_disk(structure, protocol, pseudopotentials), run_root())


def check_crystal(structure: Structure, max_atoms: int) -> None:
    """Refuse a crystal that is disordered, too large, has atoms that overlap or stand alone, or is of no elements.

    Raises
    ------
    StructureError
        With the atoms and the distance.
    """
    name = structure.composition.reduced_formula
    if not structure.is_ordered:
        raise StructureError(f"{name} has partially occupied sites.", "Give an ordered approximant.")
    if any(isinstance(site.specie, DummySpecies) for site in structure):
        raise StructureError(f"{name} holds a site that is no element.", "Replace it by an element.")
    if len(structure) > max_atoms:
        raise StructureError(
            f"The primitive cell of {name} has {len(structure)} atoms, more than the {max_atoms} of the protocol.",
            "Raise max_atoms if you have the hours; they grow with the fourth power.",
        )
    radii = covalent_radii[[site.specie.Z for site in structure]]
    reach = 2 * LARGEST_CONTACT * float(radii.max())
    centres, points, distances = neighbours(structure.lattice.matrix, structure.cart_coords, reach)
    ratios = distances / (radii[centres] + radii[points])
    if len(ratios) and ratios.min() < SMALLEST_CONTACT:
        worst = int(np.argmin(ratios))
        pair = "-".join(structure[int(i)].specie.symbol for i in (centres[worst], points[worst]))
        raise StructureError(f"{name} has two atoms ({pair}) at {distances[worst]:.2f} A.", "Relax or repair it.")
    nearest = np.full(len(structure), np.inf)
    np.minimum.at(nearest, centres, ratios)
    if nearest.max() > LARGEST_CONTACT:
        symbol = structure[int(np.argmax(nearest))].specie.symbol
        raise StructureError(f"{name} has an isolated atom ({symbol}): no neighbour is near.", "Give a crystal.")


def check_moments(structure: Structure, moments_mu_b: Sequence[float]) -> None:
    """Refuse a crystal that is expected to be magnetic: the chain has no spin.

    Raises
    ------
    StructureError
        With the largest moment.
    """
    sizes = np.abs(np.asarray(moments_mu_b, dtype=float))
    if sizes.max() > LARGEST_MOMENT:
        largest = int(np.argmax(sizes))
        raise StructureError(
            f"{structure.composition.reduced_formula} is expected to be magnetic: {sizes[largest]:.1f} Bohr magnetons "
            f"on {structure[largest].specie.symbol}.",
            "EPW knows no spin polarisation.",
        )


def check_orbitals(pseudopotentials: Mapping[str, Pseudopotential]) -> None:
    """Refuse pseudopotentials without the atomic orbitals from which the Wannier functions start.

    Raises
    ------
    EspressoError
        With the files.
    """
    without = ", ".join(str(pseudo.path) for pseudo in pseudopotentials.values() if not pseudo.has_pswfc)
    if without:
        raise EspressoError(
            f"There are no atomic orbitals (PP_PSWFC) in {without}, and Wannier functions need them.",
            "Take another family, such as pseudodojo-pbe-standard.",
        )


def check_meshes(structure: Structure, meshes: Meshes) -> None:
    """Refuse meshes that the programs cannot hold.

    Raises
    ------
    EspressoError
        With the counts and the setting that makes the mesh.
    """
    symmetry = CrystalSymmetry(structure)
    counts = [
        ("k-points of the density", "k_spacing", _irreducible(symmetry, meshes.k_scf), MOST_K_POINTS),
        ("k-points of the Wannier functions", "wannier_k_multiple", _points(meshes.k_wannier), MOST_K_POINTS),
        ("fine k-points", "fine_q_spacings", _points(meshes.fine[-1].k), MOST_FINE_POINTS),
    ]
    for what, setting, number, most in counts:
        if number > most:
            raise EspressoError(f"There are {number} {what} or more, and {most} fit.", f"Change {setting}.")
    q_points = symmetry.irreducible_points(meshes.q)[0]
    pairs = 2 * max(symmetry.count_points(meshes.k_scf, q) for q in q_points)
    if pairs > MOST_K_POINTS:
        raise EspressoError(
            f"At one q-point there are {pairs} points k and k + q, and {MOST_K_POINTS} fit.", "Raise k_spacing."
        )


def check_programs(programs: Iterable[Program] = get_args(Program)) -> None:
    """Refuse to start without the programs.

    Raises
    ------
    EspressoError
        As `invdesflow.espresso.programs.find_program`.
    """
    for program in programs:
        find_program(program)


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
        wannier=coefficients * (max(electrons // 2, orbitals) + free) * _points(meshes.k_wannier),
        vertices=_COMPLEX * orbitals**2 * modes * _points(meshes.k_wannier) * _points(meshes.q)
        + _REAL * near * max(1.0, near) * modes * symmetry.count_points(fine.k) * _points(fine.q),
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


def _irreducible(symmetry: CrystalSymmetry, mesh: Mesh) -> int:
    """Count the irreducible points, or if they are far too many anyway, give a number that they exceed."""
    at_least = _points(mesh) // 96  # no point group, time reversal included, has more members
    return at_least if at_least > MOST_K_POINTS else symmetry.count_points(mesh)


def _points(mesh: Mesh) -> int:
    return mesh[0] * mesh[1] * mesh[2]


def _grid_points(structure: Structure, ecutrho_ry: float) -> float:
    """Count the points of the FFT grid: a box around the sphere of the cutoff of the density."""
    per_bohr = math.sqrt(ecutrho_ry) / math.pi
    return math.prod(per_bohr * float(length) * BOHR_PER_ANGSTROM + 1 for length in structure.lattice.abc)
