"""Fermi surfaces from the Hamiltonian between Wannier functions, in the first Brillouin zone."""

from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Lattice, Structure
from skimage.measure import marching_cubes

from invdesflow.epw.brillouin_zone import BrillouinZone
from invdesflow.epw.parsers.wannier import WannierHamiltonian
from invdesflow.errors import SpectrumError
from invdesflow.espresso.meshes import explicit_k_points, mesh_of_spacing

__all__ = ["FermiSheet", "FermiSurface", "fermi_surface", "sheets_of_bands"]

FloatArray = NDArray[np.float64]

_POINTS_AT_A_TIME = 4096
_SAME_POINT = 1e-7  # 1/Angstrom


@dataclass(frozen=True, slots=True, eq=False)
class FermiSheet:
    """The part of the Fermi surface that belongs to one band, as triangles.

    Attributes
    ----------
    band
        Index of the band among those of the Wannier functions, from 0.
    points
        Corners of the triangles, Cartesian, 1/Angstrom with the 2 pi; shape (n, 3).
    triangles
        Indices of their points; shape (m, 3).
    """

    band: int
    points: FloatArray
    triangles: NDArray[np.int_]

    @property
    def areas(self) -> FloatArray:
        """Areas of the triangles in 1/Angstrom^2; shape (m,)."""
        a, b, c = np.moveaxis(self.points[self.triangles], 1, 0)
        return np.asarray(0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class FermiSurface:
    """All sheets in the first Brillouin zone, and how fast the electrons on them are.

    Attributes
    ----------
    lattice
        Of the crystal.
    zone
        The first Brillouin zone.
    sheets
        One for each band that crosses the Fermi level.
    speeds_ev_a
        |dE/dk| at the points of each sheet in eV Angstrom (divided by hbar: 1 eV Angstrom is 1.519e5 m/s).
    """

    lattice: Lattice
    zone: BrillouinZone
    sheets: tuple[FermiSheet, ...]
    speeds_ev_a: tuple[FloatArray, ...]

    @property
    def dos_per_ev(self) -> float:
        """Density of states at the Fermi level, states per eV and cell, both spins: the integral of dA / |dE/dk|."""
        total = sum(
            float(sheet.areas @ (1.0 / speeds)[sheet.triangles].mean(axis=1))
            for sheet, speeds in zip(self.sheets, self.speeds_ev_a, strict=True)
        )
        return 2.0 * float(self.lattice.volume) * total / (2.0 * np.pi) ** 3


def fermi_surface(
    hamiltonian: WannierHamiltonian, structure: Structure, fermi_energy_ev: float, spacing: float = 0.05
) -> FermiSurface:
    """Find the Fermi surface by interpolating the bands onto a dense mesh.

    Parameters
    ----------
    hamiltonian
        Hamiltonian between Wannier functions.
    structure
        Its primitive cell.
    fermi_energy_ev
        Fermi level on the scale of the Hamiltonian.
    spacing
        Distance of the points of the mesh, 1/Angstrom with the 2 pi.

    Raises
    ------
    SpectrumError
        If no band crosses the Fermi level.
    StructureError
        If the symmetry of the crystal cannot be found.
    """
    mesh = mesh_of_spacing(structure, spacing)
    points = explicit_k_points(mesh)
    blocks = np.array_split(points, ceil(len(points) / _POINTS_AT_A_TIME))
    energies = np.concatenate([hamiltonian.eigenvalues(block) for block in blocks]).reshape(*mesh, -1)
    zone = BrillouinZone.of(structure.lattice)
    sheets = sheets_of_bands(energies, fermi_energy_ev, zone)
    if not sheets:
        raise SpectrumError(
            f"No band crosses the Fermi level at {fermi_energy_ev:.3f} eV.",
            "Check the Fermi level; an insulator has no Fermi surface.",
        )
    speeds = tuple(_speeds(hamiltonian, structure.lattice, sheet) for sheet in sheets)
    return FermiSurface(structure.lattice, zone, sheets, speeds)


def sheets_of_bands(energies_ev: FloatArray, level_ev: float, zone: BrillouinZone) -> tuple[FermiSheet, ...]:
    """Find the surfaces on which bands have a given energy, by marching cubes.

    Parameters
    ----------
    energies_ev
        On a Gamma-centred mesh, shape (n1, n2, n3, bands).
    level_ev
        The energy.
    zone
        The zone to which they are cut.

    Notes
    -----
    Lewiner et al., J. Graph. Tools 8, 1 (2003), by scikit-image.
    """
    sheets = []
    for band in range(energies_ev.shape[-1]):
        values = energies_ev[..., band]
        if values.min() < level_ev < values.max():
            sheets.append(_joined(band, zone.clip(_surface(values, level_ev, zone))))
    return tuple(sheets)


def _joined(band: int, triangles: FloatArray) -> FermiSheet:
    """Give triangles that meet common points, and drop those that have shrunk to a line."""
    rounded = np.rint(triangles.reshape(-1, 3) / _SAME_POINT)
    points, indices = np.unique(rounded, axis=0, return_inverse=True)
    corners = indices.reshape(-1, 3)
    proper = (np.diff(np.sort(corners, axis=1), axis=1) > 0).all(axis=1)
    return FermiSheet(band, np.asarray(points * _SAME_POINT, dtype=np.float64), corners[proper])


def _surface(values: FloatArray, level: float, zone: BrillouinZone) -> FloatArray:
    """Return triangles of a surface of constant energy in a block of cells that holds the zone; (n, 3, 3)."""
    corners = zone.corners @ np.linalg.inv(zone.reciprocal)
    mesh = np.array(values.shape)
    ranges = [
        np.arange(floor(low * n) - 1, ceil(high * n) + 2)
        for low, high, n in zip(corners.min(axis=0), corners.max(axis=0), mesh, strict=True)
    ]
    block = values[np.ix_(*(indices % n for indices, n in zip(ranges, mesh, strict=True)))]
    vertices, faces, _, _ = marching_cubes(block, level, allow_degenerate=False)
    fractional = (vertices.astype(np.float64) + [indices[0] for indices in ranges]) / mesh
    return np.asarray((fractional @ zone.reciprocal)[faces])


def _speeds(hamiltonian: WannierHamiltonian, lattice: Lattice, sheet: FermiSheet) -> FloatArray:
    """Return |dE/dk| at the points of a sheet after Hellmann and Feynman, eV Angstrom; (n,)."""
    vectors = hamiltonian.lattice_vectors @ lattice.matrix
    hoppings = hamiltonian.hoppings_ev / hamiltonian.degeneracies[:, None, None]
    derivatives = 1j * vectors.T[:, :, None, None] * hoppings
    speeds = []
    for points in np.array_split(sheet.points, ceil(len(sheet.points) / _POINTS_AT_A_TIME)):
        phases = np.exp(1j * (points @ vectors.T))
        states = np.linalg.eigh(np.tensordot(phases, hoppings, axes=1))[1][:, :, sheet.band]
        gradient = [np.tensordot(phases, derivative, axes=1) for derivative in derivatives]
        velocity = np.einsum("km,xkmn,kn->kx", states.conj(), gradient, states, optimize=True).real
        speeds.append(np.linalg.norm(velocity, axis=1))
    return np.concatenate(speeds)
