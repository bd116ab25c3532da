"""Meshes and paths in reciprocal space that fit the cell, its symmetry and each other."""

from dataclasses import dataclass
from math import ceil
from typing import Self

import numpy as np
import seekpath
from numpy.typing import NDArray
from pymatgen.core import Structure
from scipy.sparse.csgraph import connected_components

from invdesflow.crystals.symmetry import primitive, symmetry_of
from invdesflow.errors import StructureError
from invdesflow.espresso.protocols import Protocol
from invdesflow.screening.wave_vectors import Mesh

__all__ = [
    "BandPath",
    "FineMesh",
    "Mesh",
    "Meshes",
    "band_path",
    "explicit_k_points",
    "mesh_of_spacing",
    "n_points",
    "primitive_for_espresso",
]

_EDGE = 1e-6
"""A spacing that fits this nearly is taken to fit, so that the last bits of a cell do not add a point."""


@dataclass(frozen=True, slots=True)
class FineMesh:
    """A k- and a q-mesh onto which EPW interpolates; k is a multiple of q."""

    k: Mesh
    q: Mesh


@dataclass(frozen=True, slots=True)
class Meshes:
    """The Gamma-centred meshes of one calculation: numbers of points along the reciprocal vectors.

    Attributes
    ----------
    q
        Phonons.
    k_scf
        Self-consistent density; a multiple of `q`, so that k + q lies on it.
    k_wannier
        Wannier functions; a multiple of `q`.
    fine
        Interpolated meshes, each finer than the one before.
    k_dos, q_dos
        Densities of states of electrons and phonons.
    """

    q: Mesh
    k_scf: Mesh
    k_wannier: Mesh
    fine: tuple[FineMesh, ...]
    k_dos: Mesh
    q_dos: Mesh

    @classmethod
    def of(cls, structure: Structure, protocol: Protocol) -> Self:
        """Choose the meshes of a primitive cell.

        Raises
        ------
        StructureError
            If the symmetry cannot be found.
        """
        q = mesh_of_spacing(structure, protocol.q_spacing)
        fine: list[FineMesh] = []
        for spacing in protocol.fine_q_spacings:
            mesh = mesh_of_spacing(structure, spacing)
            if not fine or mesh != fine[-1].q:  # a large cell may not tell two spacings apart
                fine.append(FineMesh(k=_times(mesh, protocol.fine_k_multiple), q=mesh))
        dos = mesh_of_spacing(structure, protocol.dos_spacing)
        return cls(
            q=q,
            k_scf=_multiple_of(q, mesh_of_spacing(structure, protocol.k_spacing)),
            k_wannier=_times(q, protocol.wannier_k_multiple),
            fine=tuple(fine),
            k_dos=dos,
            q_dos=mesh_of_spacing(structure, 2.0 * protocol.dos_spacing),  # phonons have no Fermi surface
        )


@dataclass(frozen=True, slots=True, eq=False)
class BandPath:
    """Points along the lines between the special points of the Brillouin zone.

    Attributes
    ----------
    points
        In units of the reciprocal vectors of the cell; shape (n, 3).
    distances
        Length of the path up to each point in 1/Angstrom with the 2 pi; shape (n,). It does not grow where the path
        jumps.
    labels
        Index of a special point -> its name by Hinuma et al., with ``GAMMA`` for the centre.
    segments
        Indices of the first point of each line and of the one past its last; lines that meet share a point.
    """

    points: NDArray[np.float64]
    distances: NDArray[np.float64]
    labels: dict[int, str]
    segments: tuple[tuple[int, int], ...]


def primitive_for_espresso(structure: Structure) -> Structure:
    """Return the standardised primitive cell, exact enough for Quantum ESPRESSO to find all of its symmetry.

    Raises
    ------
    StructureError
        If the structure is disordered or degenerate, or its symmetry cannot be found.
    """
    return primitive(structure)


def mesh_of_spacing(structure: Structure, spacing: float) -> Mesh:
    """Return a mesh of at most a given spacing that has the symmetry of the crystal.

    Parameters
    ----------
    structure
        Crystal.
    spacing
        Largest distance of neighbouring points along a reciprocal vector, 1/Angstrom with the 2 pi.

    Raises
    ------
    StructureError
        If the symmetry cannot be found.
    """
    lengths = structure.lattice.reciprocal_lattice.abc
    needed = [max(1, ceil(length / spacing - _EDGE)) for length in lengths]
    # An operation that mixes two axes maps the mesh onto itself for certain if both have the same number of points.
    mixes = symmetry_of(structure).rotations.any(axis=0)
    group = connected_components(mixes, directed=False)[1]
    numbers = [max(n for n, other in zip(needed, group, strict=True) if other == own) for own in group]
    return numbers[0], numbers[1], numbers[2]


def n_points(mesh: Mesh) -> int:
    """Count all points of a mesh."""
    return mesh[0] * mesh[1] * mesh[2]


def explicit_k_points(mesh: Mesh) -> NDArray[np.float64]:
    """List all points of a Gamma-centred mesh in the order that Wannier90 and EPW expect.

    Returns
    -------
    ndarray
        Crystal coordinates in [0, 1), the last one running fastest; shape (n1 n2 n3, 3). All have the same weight.
    """
    return np.stack(np.meshgrid(*(np.arange(n) / n for n in mesh), indexing="ij"), axis=-1).reshape(-1, 3)


def band_path(structure: Structure, spacing: float) -> BandPath:
    """Return the band path of Hinuma et al. for a primitive cell, in the coordinates of that very cell.

    Parameters
    ----------
    structure
        Primitive cell, as from `primitive_for_espresso`.
    spacing
        Distance of neighbouring points, about, 1/Angstrom with the 2 pi.

    Raises
    ------
    StructureError
        If the symmetry cannot be found, or the cell is not primitive.

    Notes
    -----
    Hinuma et al., Comput. Mater. Sci. 128, 140 (2017), by seekpath.
    """
    if len(symmetry_of(structure).primitive_atoms) != len(structure):
        raise StructureError(
            f"The cell of {structure.formula} is not primitive, so a band path in it would mislead.",
            "Take primitive_for_espresso of it.",
        )
    cell = (structure.lattice.matrix, structure.frac_coords, [site.specie.Z for site in structure])
    try:
        found = seekpath.get_explicit_k_path_orig_cell(cell, reference_distance=spacing)
    except seekpath.SymmetryDetectionError as error:
        raise StructureError("The symmetry cannot be found.", "Check for overlapping atoms.") from error
    labels = {index: label for index, label in enumerate(found["explicit_kpoints_labels"]) if label}
    return BandPath(
        points=np.asarray(found["explicit_kpoints_rel"], dtype=float),
        distances=np.asarray(found["explicit_kpoints_linearcoord"], dtype=float),
        labels=labels,
        segments=tuple((int(start), int(end)) for start, end in found["explicit_segments"]),
    )


def _times(mesh: Mesh, factor: int) -> Mesh:
    return mesh[0] * factor, mesh[1] * factor, mesh[2] * factor


def _multiple_of(coarse: Mesh, fine: Mesh) -> Mesh:
    """Return the coarsest multiple of one mesh that is at least as fine as another."""
    factors = [ceil(fine_n / coarse_n) for coarse_n, fine_n in zip(coarse, fine, strict=True)]
    return coarse[0] * factors[0], coarse[1] * factors[1], coarse[2] * factors[2]
