"""Voids ranked by more than geometry: by the energy of a guest in them, or by the charge density of the host."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from ase.calculators.calculator import Calculator
from ase.optimize import FIRE
from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.common import VolumetricData
from scipy.constants import angstrom, physical_constants

from invdesflow.crystals.supercells import repeats
from invdesflow.database import Database
from invdesflow.errors import IntercalationError
from invdesflow.espresso.parsers.volumetric import PeriodicFunction
from invdesflow.intercalation.voids import Void, void_at
from invdesflow.relaxation.potentials import Kind, load_calculator
from invdesflow.relaxation.registered import find_registered_potential

__all__ = [
    "BOHR_A",
    "EnergyRanking",
    "RefineSettings",
    "VoidCharge",
    "VoidEnergy",
    "refine_by_charge",
    "refine_by_energy",
]

BOHR_A = physical_constants["Bohr radius"][0] / angstrom


class RefineSettings(BaseModel):
    """How voids are ranked by the energy of a guest in them."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    potential: Kind = Field("CHGNet", description="program of the interatomic potential")
    model: str | None = Field(None, description="its weights; none: those it comes with")
    n_voids: int = Field(4, ge=2, description="voids that are compared, the largest first")
    min_length_a: float = Field(6.0, gt=0, description="least distance of the guest to its images (A)")
    max_steps: int = Field(50, ge=0, description="steps of the relaxation of the atoms; 0 keeps them in place")
    fmax: float = Field(0.05, gt=0, description="largest force at its end (eV/A)")


class VoidEnergy(NamedTuple):
    """A void and the energy of one guest in it, above that of the best void (eV).

    Where the atoms did not come to rest, `converged` is false, and the energy is that of the last step.
    """

    void: Void
    energy_ev: float
    converged: bool


class VoidCharge(NamedTuple):
    """A void and the electron density averaged around its centre (electrons per cubic Angstrom)."""

    void: Void
    density: float


class EnergyRanking:
    """Ranks the voids of hosts by energy; the potential is loaded when it is needed first.

    Parameters
    ----------
    settings
        Potential and accuracy.
    database
        Where registered weights are.
    """

    def __init__(self, settings: RefineSettings, database: Database) -> None:
        self._settings = settings
        self._potential = cache(lambda: find_registered_potential(database, settings.potential, settings.model))
        self._calculator = cache(lambda: load_calculator(self._potential()))

    def best(self, structure: Structure, voids: Sequence[Void], guest: str) -> list[VoidEnergy]:
        """Return the voids of a host, the one with the lowest energy of the guest first.

        Raises
        ------
        IntercalationError
            As `refine_by_energy`.
        PotentialError
            If the potential cannot be loaded, or does not know an element.
        """
        settings = self._settings
        self._potential().require([guest, *(element.symbol for element in structure.composition)])
        return refine_by_energy(
            structure,
            voids,
            guest,
            self._calculator(),
            min_length_a=settings.min_length_a,
            max_steps=settings.max_steps,
            fmax=settings.fmax,
        )


def refine_by_energy(
    structure: Structure,
    voids: Sequence[Void],
    guest: str,
    calculator: Calculator,
    *,
    min_length_a: float = 6.0,
    max_steps: int = 50,
    fmax: float = 0.05,
) -> list[VoidEnergy]:
    """Rank voids by the energy of one guest in a supercell of the host.

    Parameters
    ----------
    structure
        Host.
    voids
        Voids of this cell of it.
    guest
        Element.
    calculator
        ASE calculator, such as ``load_calculator(find_potential())``.
    min_length_a
        The guest is at least so far from its images (A).
    max_steps, fmax
        Relaxation of the positions in the fixed cell: most steps, and largest force at its end (eV/A); with no steps
        the host stays as it is. A guest that leaves its void tells of the void that it went to.

    Returns
    -------
    list of VoidEnergy
        Lowest energy first.

    Raises
    ------
    IntercalationError
        If there is no void, or an energy is not finite.
    """
    if not voids:
        raise IntercalationError("There is no void to be refined.", "Lower min_radius_a.")
    cells = repeats(structure.lattice.matrix, min_length_a)
    energies, converged = [], []
    for void in voids:
        crystal = structure.make_supercell(np.diag(cells), in_place=False)
        crystal.append(guest, void.fractional_coords[0] / cells)
        atoms = AseAtomsAdaptor.get_atoms(crystal, msonable=False)
        atoms.calc = calculator
        converged.append(not max_steps or bool(FIRE(atoms, logfile=None).run(fmax=fmax, steps=max_steps)))
        energies.append(float(atoms.get_potential_energy()))
    if not np.isfinite(energies).all():
        raise IntercalationError(
            f"The energy of {guest} in {structure.composition.reduced_formula} is not finite.", "Use another potential."
        )
    lowest = min(energies)
    above = [energy - lowest for energy in energies]
    return sorted(map(VoidEnergy, voids, above, converged), key=lambda one: one.energy_ev)


def refine_by_charge(
    structure: Structure, density: PeriodicFunction, *, radius_a: float = 0.4, max_density: float = 1.0
) -> list[VoidCharge]:
    """Find voids as the minima of the electron density, emptiest first.

    Parameters
    ----------
    structure
        Ordered host, in the cell of the density.
    density
        Electron density in electrons per cubic Bohr, as pp.x writes it with ``plot_num = 0``
        (`invdesflow.espresso.parsers.volumetric.read_periodic_function`).
    radius_a
        Radius of the sphere over which it is averaged (A).
    max_density
        Minima above this average are left out (electrons per cubic Angstrom).

    Raises
    ------
    IntercalationError
        If pymatgen-analysis-defects is not installed, or the density belongs to another cell.
    StructureError
        If the symmetry of the host cannot be found.

    Notes
    -----
    The search of J.-X. Shen et al., npj Comput. Mater. 6, 161 (2020), as pymatgen-analysis-defects has it. The density
    of the valence electrons also has minima in the cores, which lie nearer to an atom than any guest.
    """
    try:
        from pymatgen.analysis.defects.utils import ChargeInsertionAnalyzer
    except ImportError as error:
        raise IntercalationError(
            "Voids by charge density need the package pymatgen-analysis-defects.",
            "Install it with `pip install 'invdesflow[voids]'`.",
        ) from error
    if not np.allclose(density.lattice, structure.lattice.matrix, atol=1e-3):
        raise IntercalationError(
            "The charge density belongs to another cell than the host.", "Give the crystal of the pw.x run."
        )
    # VolumetricData holds the density times the volume, like VASP's CHGCAR.
    values = density.values / BOHR_A**3 * structure.volume
    minima = ChargeInsertionAnalyzer(VolumetricData(structure, {"total": values})).filter_and_group(
        avg_radius=radius_a, max_avg_charge=max_density
    )
    return [VoidCharge(void_at(structure, sites[0], merge_a=0.3), float(charge)) for charge, sites in minima]
