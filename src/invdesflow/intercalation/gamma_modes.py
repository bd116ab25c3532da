"""Phonons at Gamma with their eigenvectors, from an interatomic potential or from matdyn.x."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from numpy.typing import NDArray
from phonopy import Phonopy
from phonopy.phonon.irreps import IrRepLabels
from phonopy.physical_units import get_physical_units
from phonopy.structure.atoms import PhonopyAtoms
from pymatgen.core import Structure

from invdesflow.crystals.symmetry import primitive
from invdesflow.errors import IntercalationError
from invdesflow.espresso.parsers.matdyn import PhononModes

__all__ = ["THZ_PER_CM1", "GammaModes"]

THZ_PER_CM1 = 0.0299792458
_SYMPREC = 0.01  # Angstrom
_AT_GAMMA = 1e-8


@dataclass(frozen=True, eq=False)
class GammaModes:
    """Phonons at Gamma.

    Parameters
    ----------
    structure
        Primitive cell.
    frequencies_thz
        Negative where imaginary; shape (modes,).
    eigenvectors
        Of the dynamical matrix, so weighted with the masses, Cartesian, orthonormal; shape (modes, atoms, 3).
    groups
        Modes that symmetry makes degenerate, the lowest first.
    labels
        Irreducible representation of every group as Mulliken names it, such as ``Eg``; empty where phonopy has no table
        of the point group.
    """

    structure: Structure
    frequencies_thz: NDArray[np.float64]
    eigenvectors: NDArray[np.complex128]
    groups: tuple[tuple[int, ...], ...]
    labels: tuple[str, ...]

    @classmethod
    def from_potential(cls, structure: Structure, calculator: Calculator, displacement: float) -> Self:
        """Compute them by finite displacements.

        All images of an atom move together at Gamma, so the primitive cell is all the supercell that it takes.

        Parameters
        ----------
        structure
            Crystal, relaxed with the same potential.
        calculator
            ASE calculator with forces.
        displacement
            Distance by which atoms are displaced (Angstrom).

        Raises
        ------
        IntercalationError
            If a force is not finite.
        StructureError
            If the symmetry cannot be found.
        """
        phonon = _phonopy(primitive(structure))
        phonon.generate_displacements(distance=displacement)
        at_rest = _forces(phonon.supercell, calculator)
        forces = np.array([_forces(cell, calculator) - at_rest for cell in phonon.supercells_with_displacements])
        if not np.isfinite(forces).all():
            raise IntercalationError(
                f"The potential gives forces in {structure.reduced_formula} that are not finite.",
                "Use another potential.",
            )
        phonon.produce_force_constants(forces=forces, show_drift=False)
        phonon.symmetrize_force_constants(show_drift=False)
        return cls._of(phonon)

    @classmethod
    def from_matdyn(cls, structure: Structure, modes: PhononModes) -> Self:
        """Take them from the displacements that matdyn.x writes along a path through Gamma.

        Parameters
        ----------
        structure
            Primitive cell, its atoms in the order of the calculation.
        modes
            As from `invdesflow.espresso.parsers.matdyn.read_modes`.

        Raises
        ------
        IntercalationError
            If the path does not touch Gamma.
        """
        at_gamma = np.flatnonzero(np.abs(modes.q_points).max(axis=1) < _AT_GAMMA)
        if not len(at_gamma):
            raise IntercalationError("The path of the phonon bands does not touch Gamma.", "Take a path that does.")
        phonon = _phonopy(structure)
        weights = np.sqrt(np.repeat(phonon.primitive.masses, 3))
        weighted = modes.vectors[at_gamma[0]].reshape(len(weights), -1) * weights
        weighted /= np.linalg.norm(weighted, axis=1, keepdims=True)
        left, _, right = np.linalg.svd(weighted)
        vectors = left @ right  # orthonormal again: matdyn.x writes six digits
        frequencies = modes.frequencies_cm1[at_gamma[0]] * THZ_PER_CM1 / get_physical_units().DefaultToTHz
        matrix = np.einsum("m,mi,mj->ij", np.sign(frequencies) * frequencies**2, vectors, vectors.conj())
        n_atoms = len(structure)
        blocks = (weights[:, None] * matrix.real * weights).reshape(n_atoms, 3, n_atoms, 3)
        phonon.force_constants = np.ascontiguousarray(blocks.transpose(0, 2, 1, 3))
        return cls._of(phonon)

    @classmethod
    def of_arrays(cls, arrays: dict[str, NDArray[Any]], structure: Structure) -> Self:
        """Take them from what `arrays` gave."""
        sizes = arrays["group_sizes"].tolist()
        ends = np.cumsum(sizes)
        groups = tuple(tuple(range(end - size, end)) for size, end in zip(sizes, ends, strict=True))
        return cls(structure, arrays["frequencies_thz"], arrays["eigenvectors"], groups, tuple(arrays["labels"]))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all but the crystal as arrays to store."""
        return {
            "frequencies_thz": self.frequencies_thz,
            "eigenvectors": self.eigenvectors,
            "group_sizes": np.array([len(group) for group in self.groups]),
            "labels": np.array(self.labels, dtype=str),
        }

    @property
    def acoustic(self) -> frozenset[int]:
        """The three modes that are most like rigid translations."""
        masses = np.array([float(site.specie.atomic_mass) for site in self.structure])
        shape = np.sqrt(masses / masses.sum())
        likeness = (np.abs(np.einsum("mai,a->mi", self.eigenvectors, shape)) ** 2).sum(axis=1)
        return frozenset(np.argsort(likeness)[-3:].tolist())

    def weight_on(self, element: str) -> NDArray[np.float64]:
        """Return the share of an element in every mode; shape (modes,)."""
        atoms = [index for index, site in enumerate(self.structure) if site.specie.symbol == element]
        return np.asarray((np.abs(self.eigenvectors[:, atoms]) ** 2).sum(axis=(1, 2)))

    @classmethod
    def _of(cls, phonon: Phonopy) -> Self:
        cell = phonon.primitive
        structure = Structure(cell.cell, cell.symbols, cell.scaled_positions)
        # The degenerate modes are known from the symmetry, whatever noise splits them.
        found = phonon.run_irreps([0.0, 0.0, 0.0], symmetry_adapted=True)
        labels = IrRepLabels(
            found.characters, found.conventional_rotations, phonon.primitive_symmetry.pointgroup_symbol, False
        ).irrep_labels
        groups = tuple(tuple(int(index) for index in group) for group in found.band_indices)
        vectors = np.asarray(found.eigenvectors).T.reshape(-1, len(structure), 3)
        names = tuple(label or "" for label in labels) if labels else ("",) * len(groups)
        return cls(structure, np.asarray(found.frequencies), vectors, groups, names)


def _phonopy(structure: Structure) -> Phonopy:
    cell = PhonopyAtoms(
        symbols=[site.specie.symbol for site in structure],
        scaled_positions=structure.frac_coords,
        cell=structure.lattice.matrix,
    )
    return Phonopy(cell, supercell_matrix=np.eye(3), primitive_matrix=np.eye(3), symprec=_SYMPREC)


def _forces(cell: PhonopyAtoms, calculator: Calculator) -> NDArray[np.float64]:
    atoms = Atoms(cell.symbols, scaled_positions=cell.scaled_positions, cell=cell.cell, pbc=True)
    atoms.calc = calculator
    return np.array(atoms.get_forces(), dtype=float)
