"""Relaxation of one crystal: settings, result, and the function that leads from one to the other."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from invdesflow.errors import StructureError
from invdesflow.relaxation.coordinates import SymmetryAdaptedCell, UnphysicalCrystalError
from invdesflow.relaxation.optimizer import LimitedLBFGS, StalledError, TrustRegionBFGS
from invdesflow.relaxation.primitive import PrimitiveCell, find_primitive_cell
from invdesflow.relaxation.symmetry import symmetry_dataset

__all__ = ["DEFAULT_SETTINGS", "Observer", "RelaxationResult", "RelaxationSettings", "failed_relaxation", "relax"]

Observer = Callable[[Atoms], object]
OptimizerName = Literal["trust-region-bfgs", "lbfgs"]


class RelaxationSettings(BaseModel):
    """How far and under what conditions a crystal is relaxed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fmax: float = Field(0.02, gt=0, description="largest force (eV/A) and largest row of the virial per atom (eV)")
    pressure_gpa: float = Field(0.0, description="hydrostatic pressure, positive when it compresses (GPa)")
    keep_symmetry: bool = Field(True, description="relax within the space group of the first structure")
    max_steps: int = Field(300, ge=1, description="accepted steps after which the relaxation gives up")
    symprec: float = Field(0.01, gt=0, description="distance tolerance for finding the symmetry (A)")
    # The default is left out, as before there was a choice, so that the same question keeps its identifier.
    optimizer: OptimizerName = Field(
        "trust-region-bfgs",
        exclude_if=lambda name: name == "trust-region-bfgs",
        description="what moves the crystal; ASE's LBFGS does not take back a step that raises the energy",
    )

    @property
    def pressure(self) -> float:
        """Pressure in eV/Angstrom^3."""
        return self.pressure_gpa * float(units.GPa)


@dataclass(frozen=True)
class RelaxationResult:
    """Where a relaxation ended, converged or not.

    Parameters
    ----------
    structure
        Last structure, in the cell and the order of sites of the first (symmetrised when the symmetry is kept).
    converged
        Whether the criterion was met.
    reason
        Why not; empty when converged.
    energy_ev, enthalpy_ev
        E and E + pV of `structure` (eV per cell); None if the potential gave none.
    max_force
        Largest force on an atom (eV/Angstrom).
    stress_gpa
        Cauchy stress, shape (3, 3), GPa, positive under tension: at equilibrium it is minus the pressure on the
        diagonal.
    n_steps
        Accepted steps; None, like all that follows, of a crystal whose relaxation broke off.
    n_force_evaluations
        Calls of the potential.
    volume_change
        V / V0 - 1.
    spacegroup_before, spacegroup_after
        Space group numbers of the first and the last structure, at the `symprec` of the settings; None if spglib
        finds none.
    wall_time_s
        Time taken (s), without loading the potential.
    """

    structure: Structure
    converged: bool
    reason: str
    energy_ev: float | None
    enthalpy_ev: float | None
    max_force: float | None
    stress_gpa: list[list[float]] | None
    n_steps: int | None
    n_force_evaluations: int | None
    volume_change: float | None
    spacegroup_before: int | None
    spacegroup_after: int | None
    wall_time_s: float | None


DEFAULT_SETTINGS = RelaxationSettings()


def relax(
    structure: Structure,
    calculator: Calculator,
    settings: RelaxationSettings = DEFAULT_SETTINGS,
    *,
    energy_zero: float | None = None,
    observe: Observer | None = None,
) -> RelaxationResult:
    """Relax the cell and the positions of a crystal to the nearest minimum of its enthalpy.

    1. The crystal is reduced to its primitive cell and symmetrised, if the symmetry is to be kept.
    2. `TrustRegionBFGS` minimises the enthalpy in the free coordinates of `SymmetryAdaptedCell`.
    3. The result is carried back to the cell that was given.

    Parameters
    ----------
    structure
        Ordered crystal.
    calculator
        ASE calculator with energy, forces and stress.
    settings
        Convergence, pressure, symmetry.
    energy_zero
        Energy per atom from which energies may be 50 eV away (eV), as `Potential.energy_zero_ev` says; None takes
        that of the crystal as it is given.
    observe
        Shown the primitive cell (any cell, if the symmetry is not kept) at the start and after every step.

    Returns
    -------
    RelaxationResult
        Also when the relaxation fails for physical reasons: an energy that blows up or is not a number, fused atoms,
        a volume that runs away, a symmetry that cannot be found, too many steps.
    """
    start = time.perf_counter()
    first = AseAtomsAdaptor.get_atoms(structure, msonable=False)
    try:
        dataset = symmetry_dataset(first, settings.symprec)
        keep = settings.keep_symmetry
        primitive = find_primitive_cell(first, dataset) if keep else PrimitiveCell.of_itself(first.copy())
        cell = SymmetryAdaptedCell(primitive.atoms, keep, settings.symprec, settings.pressure, energy_zero)
    except StructureError as error:
        return failed_relaxation(structure, error.problem)
    primitive.atoms.calc = calculator
    n_steps, reason = _minimise(cell, settings, observe)
    last = primitive.crystal()
    return RelaxationResult(
        structure=AseAtomsAdaptor.get_structure(last),
        converged=not reason,
        reason=reason,
        n_steps=n_steps,
        volume_change=last.get_volume() / first.get_volume() - 1,
        spacegroup_before=int(dataset.number),
        spacegroup_after=_spacegroup_number(last, settings.symprec),
        **_energetics(cell, len(primitive), settings),
        n_force_evaluations=cell.n_evaluations,
        wall_time_s=time.perf_counter() - start,
    )


def _minimise(cell: SymmetryAdaptedCell, settings: RelaxationSettings, observe: Observer | None) -> tuple[int, str]:
    """Return the number of accepted steps, and why the relaxation failed, if it did."""
    optimizer = TrustRegionBFGS(cell) if settings.optimizer == "trust-region-bfgs" else LimitedLBFGS(cell, logfile=None)
    if observe is not None:
        optimizer.attach(observe, 1, cell.atoms)
    try:
        converged = optimizer.run(fmax=settings.fmax, steps=settings.max_steps)
    except (UnphysicalCrystalError, StalledError) as error:
        return optimizer.nsteps, str(error)
    return optimizer.nsteps, "" if converged else f"not converged after {optimizer.nsteps} steps"


def _energetics(cell: SymmetryAdaptedCell, n_cells: int, settings: RelaxationSettings) -> dict[str, Any]:
    try:
        evaluation = cell.evaluate()
    except UnphysicalCrystalError:
        return dict.fromkeys(("energy_ev", "enthalpy_ev", "max_force", "stress_gpa"))
    return {
        "energy_ev": n_cells * evaluation.energy,
        "enthalpy_ev": n_cells * cell.get_value(),
        "max_force": float(np.linalg.norm(evaluation.forces, axis=1).max()),
        "stress_gpa": (evaluation.stress / units.GPa).tolist(),
    }


def _spacegroup_number(atoms: Atoms, symprec: float) -> int | None:
    try:
        return int(symmetry_dataset(atoms, symprec).number)
    except StructureError:
        return None


def failed_relaxation(structure: Structure, reason: str) -> RelaxationResult:
    """Record a crystal that could not be relaxed at all: the structure as it was given, and no numbers."""
    return RelaxationResult(
        structure=structure,
        converged=False,
        reason=reason,
        energy_ev=None,
        enthalpy_ev=None,
        max_force=None,
        stress_gpa=None,
        n_steps=None,
        n_force_evaluations=None,
        volume_change=None,
        spacegroup_before=None,
        spacegroup_after=None,
        wall_time_s=None,
    )
