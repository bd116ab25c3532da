"""A crystal as the optimiser sees it: the few numbers that symmetry leaves free, their gradient, and when to stop."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.spacegroup.symmetrize import refine_symmetry
from ase.utils.abc import Optimizable
from scipy.linalg import expm, expm_frechet

from invdesflow.relaxation.neighbours import pairs_within
from invdesflow.relaxation.stiffness import spring_hessian
from invdesflow.relaxation.symmetry import (
    FloatArray,
    free_displacements,
    free_strains,
    identity_operation,
    space_group_operations,
)

__all__ = ["Evaluation", "SymmetryAdaptedCell", "UnphysicalCrystalError"]

CLOSEST_CONTACT = 0.4  # of the sum of the covalent radii; H2 is at 1.2, the shortest metal contacts at 0.75
VOLUME_RANGE = (0.3, 3.0)  # of the first volume
SMALLEST_UNDER_PRESSURE = 0.05  # of the first volume: at 100 GPa hydrogen fills a tenth of what it fills at none
ENERGY_RANGE = 50.0  # eV per atom from the zero of energy; cohesive energies end at 13
LARGEST_STRAIN = 0.12  # of one step of size 1
LARGEST_DISPLACEMENT = 0.25  # Angstrom, of one step of size 1


class UnphysicalCrystalError(ArithmeticError):
    """The crystal has left the region where its energy means anything; the message says how."""


@dataclass(frozen=True)
class Evaluation:
    """Energy (eV), forces (eV/Angstrom) and stress (eV/Angstrom^3, positive under tension) at one geometry."""

    energy: float
    forces: FloatArray
    stress: FloatArray


class SymmetryAdaptedCell(Optimizable):  # type: ignore[misc] # ASE is not typed
    r"""Free strains and free displacements of a crystal, for ASE's optimisers.

    With the reference cell :math:`h_0` and positions :math:`r_0`, the coordinates :math:`q` give

    .. math:: U = \sum_k q_k E_k, \quad F = e^U, \quad h = h_0 F, \quad r = (r_0 + \sum_j q_j D_j) F,

    where :math:`E_k` are the symmetric strains that keep the point group and :math:`D_j` the displacements that keep
    the space group. Symmetry cannot be lost, and a cubic crystal without free coordinates is a problem in one
    dimension. The cell gradient is the exact derivative through the matrix exponential, as in ASE's FrechetCellFilter.

    Parameters
    ----------
    atoms
        Crystal with a calculator; it is symmetrised within `symprec`, and moves with the coordinates.
    keep_symmetry
        False leaves all six strains and all relative displacements free.
    symprec
        Distance tolerance for finding the symmetry (Angstrom).
    pressure
        Hydrostatic pressure (eV/Angstrom^3), positive when it compresses; the enthalpy E + pV is minimised.
    energy_zero
        Energy per atom near which energies mean anything (eV); None takes the first energy, for potentials that count
        from a zero of their own.
    """

    def __init__(
        self,
        atoms: Atoms,
        keep_symmetry: bool = True,
        symprec: float = 0.01,
        pressure: float = 0.0,
        energy_zero: float | None = None,
    ) -> None:
        if keep_symmetry:
            refine_symmetry(atoms, symprec)
            operations = space_group_operations(atoms, symprec)
        else:
            operations = identity_operation(len(atoms))
        self.atoms = atoms
        self.pressure = pressure
        self.n_evaluations = 0
        self._strains = free_strains(operations)
        self._displacements = free_displacements(operations)
        self._reference_cell = atoms.cell[:].copy()
        self._reference_positions = atoms.positions.copy()
        self._reference_volume = atoms.get_volume()
        self._x = np.zeros(len(self._strains) + len(self._displacements))
        self._evaluation: Evaluation | None = None
        self._gradient: FloatArray | None = None
        self._energy_zero = energy_zero

    def ndofs(self) -> int:
        """Return the number of free strains and displacements."""
        return len(self._x)

    def get_x(self) -> FloatArray:
        """Return the coordinates: log strains (dimensionless), then displacements (Angstrom)."""
        return self._x.copy()

    def set_x(self, x: FloatArray) -> None:
        """Move the crystal to the coordinates `x`."""
        self._x = x.copy()
        log_strain, displacement = self._split(x)
        deformation = expm(log_strain)
        self.atoms.set_cell(self._reference_cell @ deformation)
        self.atoms.positions = (self._reference_positions + displacement) @ deformation
        self._evaluation = None
        self._gradient = None

    def evaluate(self) -> Evaluation:
        """Ask the potential at the present geometry, once.

        Raises
        ------
        UnphysicalCrystalError
            If atoms have fused, the volume has run away, or the answer is not finite or absurd.
        """
        if self._evaluation is None:
            self._check_geometry()
            self.n_evaluations += 1
            self._evaluation = Evaluation(
                float(self.atoms.get_potential_energy()),
                np.asarray(self.atoms.get_forces(), dtype=float),
                np.asarray(self.atoms.get_stress(voigt=False), dtype=float),
            )
            self._check_evaluation(self._evaluation)
        return self._evaluation

    def get_value(self) -> float:
        """Return the enthalpy (eV)."""
        return self.evaluate().energy + self.pressure * float(self.atoms.get_volume())

    def get_gradient(self) -> FloatArray:
        """Return the derivative of the enthalpy along each coordinate (eV and eV/Angstrom)."""
        if self._gradient is None:
            self._gradient = self._derivative(self.evaluate())
        return self._gradient

    def model_hessian(self) -> FloatArray:
        """Return the stiffness guess at the current geometry (eV, eV/Angstrom, eV/Angstrom^2)."""
        return spring_hessian(self.atoms, self._strains, self._displacements)

    def step_size(self, step: FloatArray) -> float:
        """Return the size of a step: 1 is a strain of 0.12 or an atom that moves by 0.25 Angstrom."""
        log_strain, displacement = self._split(step)
        return float(
            max(
                np.abs(log_strain).max() / LARGEST_STRAIN,
                np.linalg.norm(displacement, axis=1).max() / LARGEST_DISPLACEMENT,
            )
        )

    def residual(self) -> float:
        """Return what is compared with fmax, as ASE's cell filters define it.

        The largest norm among the forces on the atoms and the rows of the virial per atom, (stress + pressure) V / N
        (eV/Angstrom and eV; both without what symmetry forbids).
        """
        evaluation = self.evaluate()
        forces = _project(evaluation.forces, self._displacements)
        per_atom = self.atoms.get_volume() / len(self.atoms)
        virial = _project(evaluation.stress + self.pressure * np.eye(3), self._strains) * per_atom
        return float(np.linalg.norm(np.concatenate([forces, virial]), axis=1).max())

    def gradient_norm(self, gradient: FloatArray) -> float:
        """Return `residual`: the gradient itself mixes units."""
        return self.residual()

    def iterimages(self) -> Iterator[Atoms]:
        """Yield the crystal, for ASE's trajectories."""
        yield self.atoms

    def _split(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        n_strains = len(self._strains)
        return (
            np.einsum("k,kij->ij", x[:n_strains], self._strains),
            np.einsum("k,kai->ai", x[n_strains:], self._displacements),
        )

    def _derivative(self, evaluation: Evaluation) -> FloatArray:
        log_strain, _ = self._split(self._x)
        deformation = expm(log_strain)
        virial = self.atoms.get_volume() * (evaluation.stress + self.pressure * np.eye(3)) @ np.linalg.inv(deformation)
        along_strains = [
            np.sum(virial * expm_frechet(log_strain, strain, compute_expm=False)) for strain in self._strains
        ]
        along_displacements = -np.einsum("kai,ai->k", self._displacements, evaluation.forces @ deformation)
        return np.concatenate([along_strains, along_displacements])

    def _check_geometry(self) -> None:
        ratio = self.atoms.get_volume() / self._reference_volume
        smallest = SMALLEST_UNDER_PRESSURE if self.pressure > 0 else VOLUME_RANGE[0]
        if not smallest < ratio < VOLUME_RANGE[1]:
            raise UnphysicalCrystalError(f"volume runaway: {ratio:.2f} times the first volume")
        radii = CLOSEST_CONTACT * covalent_radii[self.atoms.numbers]
        pairs = pairs_within(self.atoms, 2 * radii.max())
        fused = np.flatnonzero(pairs.distance < radii[pairs.first] + radii[pairs.second])
        if len(fused):
            closest = fused[pairs.distance[fused].argmin()]
            first, second = self.atoms.symbols[pairs.first[closest]], self.atoms.symbols[pairs.second[closest]]
            raise UnphysicalCrystalError(f"atoms fused: {first}-{second} at {pairs.distance[closest]:.2f} A")

    def _check_evaluation(self, evaluation: Evaluation) -> None:
        finite = np.isfinite(evaluation.forces).all() and np.isfinite(evaluation.stress).all()
        if not (finite and np.isfinite(evaluation.energy)):
            raise UnphysicalCrystalError("the potential returns a number that is not finite")
        per_atom = evaluation.energy / len(self.atoms)
        if self._energy_zero is None:
            self._energy_zero = per_atom
        if abs(per_atom - self._energy_zero) > ENERGY_RANGE:
            raise UnphysicalCrystalError(f"energy blows up: {per_atom:.3g} eV/atom, zero at {self._energy_zero:.3g}")


def _project(field: FloatArray, basis: FloatArray) -> FloatArray:
    projected: FloatArray = np.einsum("k,kij->ij", np.einsum("kij,ij->k", basis, field), basis)
    return projected
