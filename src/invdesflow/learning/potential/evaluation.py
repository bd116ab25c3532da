"""What a potential is worth: its errors on labels that it has not seen, and the lattices that crystals relax to."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import units
from ase.calculators.calculator import Calculator
from pymatgen.core import Composition, Structure

from invdesflow.errors import LearningError
from invdesflow.learning.potential.frames import Frame
from invdesflow.relaxation.relaxation import DEFAULT_SETTINGS, RelaxationSettings, relax
from invdesflow.relaxation.symmetry import FloatArray

__all__ = ["LatticeError", "PotentialErrors", "evaluate_frames", "evaluate_lattices", "split_by_composition"]


@dataclass(frozen=True)
class PotentialErrors:
    """Errors of a potential on labelled crystals.

    Attributes
    ----------
    n_frames
        Crystals.
    energy_rmse, energy_mae
        Of the energy (eV/atom).
    relative_energy_rmse
        The same with the mean error of each composition taken out (eV/atom): what matters where crystals of one
        composition are compared, and what is left when labels and potential count energies from different zeros.
    force_rmse, force_mae
        Of the components of the forces (eV/Angstrom).
    virial_rmse, virial_mae
        Of the components of the virial (eV/atom).
    pressure_rmse_gpa
        Of the pressure (GPa).
    """

    n_frames: int
    energy_rmse: float
    energy_mae: float
    relative_energy_rmse: float
    force_rmse: float
    force_mae: float
    virial_rmse: float
    virial_mae: float
    pressure_rmse_gpa: float


@dataclass(frozen=True)
class LatticeError:
    """A relaxed crystal against a reference.

    Attributes
    ----------
    name
        Which crystal.
    converged
        Whether the relaxation was.
    reason
        Why not.
    relative_error
        Cube root of the volume over that of the reference, minus one; None if the relaxation did not converge.
    """

    name: str
    converged: bool
    reason: str
    relative_error: float | None


def split_by_composition(frames: Iterable[Frame], held_out: Iterable[str]) -> tuple[list[Frame], list[Frame]]:
    """Part frames into those to train on and those of held-out compositions.

    Parameters
    ----------
    frames
        All of them.
    held_out
        Formulas, in whatever way they are written.

    Raises
    ------
    LearningError
        If no frame has one of the compositions.
    """
    formulas = {Composition(formula).reduced_formula for formula in held_out}
    parts: dict[bool, list[Frame]] = {False: [], True: []}
    for frame in frames:
        parts[frame.formula in formulas].append(frame)
    missing = sorted(formulas - {frame.formula for frame in parts[True]})
    if missing:
        raise LearningError(f"No labelled crystal is {', '.join(missing)}.", "Hold out compositions that are there.")
    return parts[False], parts[True]


def evaluate_frames(frames: Sequence[Frame], calculator: Calculator) -> PotentialErrors:
    """Compare a potential with labels.

    Parameters
    ----------
    frames
        Labelled crystals, none of whose compositions it was trained on.
    calculator
        The potential.

    Raises
    ------
    LearningError
        If there are no frames.
    """
    if not frames:
        raise LearningError("There are no labelled crystals to measure the potential on.", "Hold some out.")
    energies: dict[str, list[float]] = defaultdict(list)
    forces, virials, pressures = [], [], []
    for frame in frames:
        atoms = frame.atoms
        atoms.calc = calculator
        n_atoms, volume = len(atoms), frame.volume
        energies[frame.formula].append((float(atoms.get_potential_energy()) - frame.energy_ev) / n_atoms)
        forces.append((np.asarray(atoms.get_forces(), dtype=float) - frame.forces).ravel())
        virial = -np.asarray(atoms.get_stress(voigt=False), dtype=float) * volume - frame.virial_ev
        virials.append(virial.ravel() / n_atoms)
        pressures.append(np.trace(virial) / 3 / volume / units.GPa)
    energy, force, virial_error = (np.concatenate(list(found)) for found in (energies.values(), forces, virials))
    relative = np.concatenate([np.array(found) - np.mean(found) for found in energies.values()])
    return PotentialErrors(
        n_frames=len(frames),
        energy_rmse=_rms(energy),
        energy_mae=float(np.abs(energy).mean()),
        relative_energy_rmse=_rms(relative),
        force_rmse=_rms(force),
        force_mae=float(np.abs(force).mean()),
        virial_rmse=_rms(virial_error),
        virial_mae=float(np.abs(virial_error).mean()),
        pressure_rmse_gpa=_rms(np.array(pressures)),
    )


def evaluate_lattices(
    references: Mapping[str, Structure], calculator: Calculator, settings: RelaxationSettings = DEFAULT_SETTINGS
) -> list[LatticeError]:
    """Relax crystals from their reference structures and compare the lattices.

    Parameters
    ----------
    references
        Name -> relaxed crystal of the theory that the potential was trained on.
    calculator
        The potential.
    settings
        Of the relaxation; with the pressure of the references.
    """
    errors = []
    for name, reference in references.items():
        result = relax(reference, calculator, settings)
        change = result.volume_change if result.converged else None
        error = None if change is None else (1 + change) ** (1 / 3) - 1
        errors.append(LatticeError(name, result.converged, result.reason, error))
    return errors


def _rms(errors: FloatArray) -> float:
    return float(np.sqrt(np.mean(errors**2)))
