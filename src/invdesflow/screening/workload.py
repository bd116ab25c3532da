"""How much work an electron-phonon calculation is, counted before it starts: electrons, plane waves, wave vectors."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pymatgen.core import Structure
from scipy.constants import physical_constants

from invdesflow.crystals.symmetry import primitive
from invdesflow.errors import StructureError
from invdesflow.screening.wave_vectors import CrystalSymmetry, Mesh, WaveVector

__all__ = [
    "PAPER",
    "PROTOCOLS",
    "SCREENING",
    "Protocol",
    "Valence",
    "Workload",
    "band_count",
    "count",
    "plane_wave_count",
]

BOHR_PER_ANGSTROM: float = 1e-10 / physical_constants["Bohr radius"][0]


@dataclass(frozen=True)
class Protocol:
    """Settings of an electron-phonon calculation that follow the cell.

    Parameters
    ----------
    name
        Name of the protocol.
    cutoff_ry
        Kinetic-energy cutoff of the wave functions, Ry; that of the density is 4 times as high.
    q_spacing
        Largest distance between wave vectors of the phonons along a reciprocal vector, with 2 pi, 1/Angstrom.
    k_per_q
        Divisions of the mesh of the electrons for each of that of the phonons.
    """

    name: str
    cutoff_ry: float
    q_spacing: float
    k_per_q: int

    def meshes(self, structure: Structure) -> tuple[Mesh, Mesh]:
        """Return the meshes of electrons and phonons for a primitive cell."""
        lengths = structure.lattice.reciprocal_lattice.abc
        q_mesh = tuple(max(1, math.ceil(length / self.q_spacing - 1e-6)) for length in lengths)
        return (
            (self.k_per_q * q_mesh[0], self.k_per_q * q_mesh[1], self.k_per_q * q_mesh[2]),
            (q_mesh[0], q_mesh[1], q_mesh[2]),
        )


PAPER = Protocol("paper", cutoff_ry=80.0, q_spacing=0.4, k_per_q=4)
"""16 x 16 x 16 and 4 x 4 x 4 points for K2CuH6, as published for it; the same density for other crystals."""
SCREENING = Protocol("screening", cutoff_ry=60.0, q_spacing=0.6, k_per_q=3)
PROTOCOLS = {protocol.name: protocol for protocol in (PAPER, SCREENING)}


@dataclass(frozen=True)
class Valence:
    """What a pseudopotential brings into a calculation.

    Parameters
    ----------
    electrons
        Valence electrons.
    projectors
        Nonlocal projectors, all orientations counted.
    """

    electrons: int
    projectors: int


@dataclass(frozen=True)
class Workload:
    """The counts on which the time depends.

    Parameters
    ----------
    atoms, electrons, bands, projectors
        In the primitive cell.
    plane_waves
        Of one wave function, on the average.
    k_mesh, q_mesh
        Meshes of the electrons and of the phonons, through Gamma.
    k_points
        Irreducible k-points of the ground state.
    wave_vectors
        Irreducible wave vectors of the phonons.
    """

    atoms: int
    electrons: int
    bands: int
    projectors: int
    plane_waves: float
    k_mesh: Mesh
    q_mesh: Mesh
    k_points: int
    wave_vectors: tuple[WaveVector, ...]

    @property
    def representations(self) -> int:
        """Irreducible representations of the displacements at all irreducible wave vectors."""
        return sum(len(vector.representations) for vector in self.wave_vectors)


def plane_wave_count(volume: float, cutoff_ry: float) -> float:
    """Return the plane waves of one wave function: the volume of the sphere of the cutoff over that of a wave vector.

    Parameters
    ----------
    volume
        Of the cell, Angstrom^3.
    cutoff_ry
        Kinetic-energy cutoff, Ry.
    """
    return float(volume * BOHR_PER_ANGSTROM**3 * cutoff_ry**1.5 / (6 * math.pi**2))


def band_count(electrons: int) -> int:
    """Return the bands that pw.x takes for a metal: a fifth more than are filled, and at least four more."""
    filled = math.floor(electrons / 2 + 0.5)
    return max(math.floor(0.6 * electrons + 0.5), filled + 4)


def count(
    structure: Structure,
    valences: Mapping[int, Valence],
    protocol: Protocol,
    meshes: tuple[Mesh, Mesh] | None = None,
) -> Workload:
    """Count the work for a crystal, in whatever cell it is given.

    Parameters
    ----------
    structure
        Ordered crystal.
    valences
        By atomic number.
    protocol
        Settings.
    meshes
        Meshes of electrons and phonons for the standardised primitive cell, instead of those of the protocol.

    Raises
    ------
    StructureError
        If there is no symmetry, or no pseudopotential for an element.
    """
    cell = primitive(structure)
    missing = sorted({element.symbol for element in cell.composition.elements if element.Z not in valences})
    if missing:
        raise StructureError(f"There is no pseudopotential for {', '.join(missing)}.")
    k_mesh, q_mesh = meshes or protocol.meshes(cell)
    symmetry = CrystalSymmetry(cell)
    of_atoms = [valences[number] for number in cell.atomic_numbers]
    electrons = sum(valence.electrons for valence in of_atoms)
    return Workload(
        atoms=len(cell),
        electrons=electrons,
        bands=band_count(electrons),
        projectors=sum(valence.projectors for valence in of_atoms),
        plane_waves=plane_wave_count(cell.volume, protocol.cutoff_ry),
        k_mesh=k_mesh,
        q_mesh=q_mesh,
        k_points=symmetry.count_points(k_mesh),
        wave_vectors=tuple(symmetry.wave_vectors(q_mesh, k_mesh)),
    )
