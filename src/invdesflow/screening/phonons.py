"""Is a crystal dynamically stable? Harmonic phonons with an interatomic potential, by finite displacements."""

import time
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from numpy.typing import NDArray
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms
from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from invdesflow.errors import StructureError
from invdesflow.screening.phonon_bands import phonon_bands
from invdesflow.screening.phonon_cells import PhononCell
from invdesflow.screening.phonon_spectrum import Spectrum, find_spectrum

__all__ = [
    "DEFAULT_SETTINGS",
    "PhononResult",
    "PhononSettings",
    "Verdict",
    "failed_phonons",
    "harmonic_phonons",
]

Verdict = Literal["stable", "unstable", "failed"]


class PhononSettings(BaseModel):
    """How phonons are computed and what counts as an instability."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_length: float = Field(9.0, gt=0, description="least distance between an atom and its images (A)")
    max_atoms: int = Field(400, ge=1, description="atoms in the supercell above which the crystal is refused")
    # With 0.01 A, the usual choice, CHGNet calls aluminium unstable: see docs/explanation/phonons.md.
    displacement: float = Field(0.06, gt=0, description="distance by which atoms are displaced (A)")
    max_force: float = Field(0.05, gt=0, description="force above which the crystal is not relaxed (eV/A)")
    symprec: float = Field(0.01, gt=0, description="distance tolerance for finding the symmetry (A)")
    acoustic_tolerance: float = Field(
        0.5, gt=0, description="largest frequency of the acoustic modes at Gamma before the sum rule is imposed (THz)"
    )
    imaginary_tolerance: float = Field(
        0.1, ge=0, description="imaginary frequencies up to this are noise of the potential (THz)"
    )
    points_per_segment: int = Field(21, ge=2, description="wave vectors on each segment of the band path")


@dataclass(frozen=True)
class PhononResult:
    """Whether a crystal is dynamically stable.

    Parameters
    ----------
    status
        ``unstable`` if there is an imaginary mode beyond the tolerance; ``failed`` if there is no answer.
    reason
        What is unstable, or why there is no answer; empty when stable.
    primitive
        The primitive cell to which wave vectors refer; None if it was not found.
    supercell_matrix
        Supercell in terms of `primitive`, as phonopy takes it; None as above.
    n_atoms
        Atoms in the supercell.
    n_displacements
        Displaced supercells whose forces were computed.
    residual_force
        Largest force on an atom without displacements (eV/Angstrom).
    spectrum
        The frequencies; None if there are none.
    bands
        Bands and density of states (`invdesflow.screening.phonon_bands`), atoms as in `primitive`; None as above.
    wall_time_s
        Time taken (s), without loading the potential; None if `harmonic_phonons` did not end.
    """

    status: Verdict
    reason: str
    primitive: Structure | None = None
    supercell_matrix: list[list[int]] | None = None
    n_atoms: int | None = None
    n_displacements: int = 0
    residual_force: float | None = None
    spectrum: Spectrum | None = None
    bands: dict[str, NDArray[Any]] | None = None
    wall_time_s: float | None = None


DEFAULT_SETTINGS = PhononSettings()


def failed_phonons(reason: str, **known: Any) -> PhononResult:
    """Record that there is no answer, and what is known nevertheless."""
    return PhononResult("failed", reason, **known)


def harmonic_phonons(
    structure: Structure, calculator: Calculator, settings: PhononSettings = DEFAULT_SETTINGS
) -> PhononResult:
    """Compute the harmonic phonons of a relaxed crystal and look for imaginary modes.

    1. The crystal is standardised, and a supercell chosen that keeps its symmetry.
    2. phonopy chooses the displacements; forces are taken relative to the supercell at rest.
    3. The force constants are made to obey the acoustic sum rule, which takes the drift off the forces, and the
       symmetry of exchange.
    4. Frequencies are computed where the supercell gives them exactly, and interpolated along the band path as far
       as it lies between such wave vectors.

    Parameters
    ----------
    structure
        Ordered crystal, relaxed with the same potential.
    calculator
        ASE calculator with forces.
    settings
        Supercell, displacements, tolerances.

    Returns
    -------
    PhononResult
        Also when there is no answer: no symmetry, a supercell too large or of one atom, forces at rest, forces that are
        not finite, force constants that resist a translation.

    References
    ----------
    Togo, J. Phys. Soc. Jpn. 92, 012001 (2023).
    """
    start = time.perf_counter()
    result = _answer(structure, calculator, settings)
    return replace(result, wall_time_s=time.perf_counter() - start)


def _answer(structure: Structure, calculator: Calculator, settings: PhononSettings) -> PhononResult:
    try:
        cell = PhononCell.of(AseAtomsAdaptor.get_atoms(structure, msonable=False), settings.symprec)
    except StructureError as error:
        return failed_phonons(error.problem)
    matrix = cell.supercell_matrix(settings.min_length)
    known: dict[str, Any] = {
        "primitive": AseAtomsAdaptor.get_structure(cell.primitive),
        "supercell_matrix": matrix.tolist(),
        "n_atoms": len(cell.primitive) * round(abs(np.linalg.det(matrix))),
    }
    if known["n_atoms"] > settings.max_atoms:
        return failed_phonons(f"the supercell has {known['n_atoms']} atoms, more than {settings.max_atoms}", **known)
    if known["n_atoms"] == 1:
        return failed_phonons("the supercell has one atom, which can do nothing but move as a whole", **known)
    phonon = _phonopy(cell, matrix)
    at_rest = _forces(phonon.supercell, calculator)
    known["residual_force"] = float(np.linalg.norm(at_rest, axis=1).max())
    if not known["residual_force"] <= settings.max_force:  # not a number is not small
        return failed_phonons(f"not relaxed: a force of {known['residual_force']:.3g} eV/A", **_finite(known))
    phonon.generate_displacements(distance=settings.displacement)
    displaced = phonon.supercells_with_displacements
    forces = np.array([_forces(supercell, calculator) - at_rest for supercell in displaced])
    known["n_displacements"] = len(forces)
    if not np.isfinite(forces).all():
        return failed_phonons("the potential returns a force that is not finite", **known)
    phonon.produce_force_constants(forces=forces, show_drift=False)
    spectrum = find_spectrum(phonon, cell.path(settings.points_per_segment), settings.imaginary_tolerance)
    status, reason = _verdict(spectrum, settings)
    bands = phonon_bands(phonon, cell, settings.points_per_segment)
    return PhononResult(status, reason, spectrum=spectrum, bands=bands, **known)


def _phonopy(cell: PhononCell, supercell_matrix: NDArray[np.int64]) -> Phonopy:
    primitive = PhonopyAtoms(
        numbers=cell.primitive.numbers,
        scaled_positions=cell.primitive.get_scaled_positions(wrap=False),
        cell=cell.primitive.cell[:],
    )
    return Phonopy(primitive, supercell_matrix=supercell_matrix, primitive_matrix=np.eye(3))


def _forces(supercell: PhonopyAtoms, calculator: Calculator) -> NDArray[np.float64]:
    atoms = Atoms(supercell.symbols, scaled_positions=supercell.scaled_positions, cell=supercell.cell, pbc=True)
    atoms.calc = calculator
    return np.array(atoms.get_forces(), dtype=float)


def _finite(known: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in known.items() if name != "residual_force" or np.isfinite(value)}


def _verdict(spectrum: Spectrum, settings: PhononSettings) -> tuple[Verdict, str]:
    rigid = max(map(abs, spectrum.acoustic_thz))
    if rigid > settings.acoustic_tolerance:
        return "failed", f"not harmonic: an acoustic mode at Gamma has {rigid:.3g} THz before the sum rule is imposed"
    if not spectrum.imaginary_modes:
        return "stable", ""
    worst = min(spectrum.imaginary_modes, key=lambda mode: mode.frequency_thz)
    at = ", ".join(f"{x:.3g}" for x in worst.q)
    return "unstable", f"imaginary modes, the worst {worst.frequency_thz:.3g} THz at q = ({at})"
