"""Voids of a host out of its electron density, which pw.x and pp.x calculate."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Structure

from invdesflow.errors import EspressoError
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.cutoffs import check_cutoff
from invdesflow.espresso.outputs import PwOutput
from invdesflow.espresso.parsers.volumetric import read_periodic_function
from invdesflow.espresso.pp_runs import run_pp
from invdesflow.espresso.preflight import check_crystal, check_programs
from invdesflow.espresso.pw_jobs import PwStaticMaker
from invdesflow.espresso.tasks import task_path
from invdesflow.intercalation.refinement import BOHR_A, refine_by_charge
from invdesflow.intercalation.voids import Void

__all__ = ["ChargeSettings", "voids_by_charge"]

_STEM = "density"
_CUBE = f"{_STEM}.cube"
_DENSITY = 0  # number of pp.x
_LARGEST_LOSS = 0.01


class ChargeSettings(BaseModel):
    """How the electron density of hosts is calculated."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    protocol: str = Field("moderate", description="precise, paper, moderate, fast or smoke")
    family: str = Field("pseudodojo-pbe-standard", description="family of pseudopotentials, or a folder of UPF files")
    files: dict[str, str] = Field(default_factory=dict, description="element -> file, where a folder has several")
    overrides: dict[str, Any] = Field(default_factory=dict, description="settings of the protocol")
    radius_a: float = Field(0.4, gt=0, description="radius of the sphere in which the density is averaged (A)")
    max_density: float = Field(1.0, gt=0, description="fuller minima are left out (electrons per cubic Angstrom)")


def voids_by_charge(structure: Structure, settings: ChargeSettings) -> list[Void]:
    """Find the voids of a host as the minima of its electron density, emptiest first.

    Parameters
    ----------
    structure
        Host, in its standardised primitive cell; it is calculated as it stands.
    settings
        Accuracy and pseudopotentials.

    Raises
    ------
    ConfigurationError
        If there is no such protocol or setting.
    EspressoError
        If a program or pseudopotential is missing, the cutoff is too low, a run failed, or the density lacks electrons.
    IntercalationError
        As `invdesflow.intercalation.refinement.refine_by_charge`.
    StructureError
        If the symmetry of the host cannot be found.
    """
    calculation = Calculation.of(settings.protocol, settings.family, files=settings.files, overrides=settings.overrides)
    check_crystal(structure, calculation.protocol.max_atoms)
    check_cutoff(calculation.protocol, calculation.pseudopotentials(structure))
    check_programs(["pw.x", "pp.x"])
    static = PwStaticMaker.make.original(PwStaticMaker(calculation, "density of the host"), structure)
    found = run_pp(
        calculation,
        "density of the host",
        static,
        stem=_STEM,
        plot_num=_DENSITY,
        read=lambda path: _electrons(path, static),
    )
    density = read_periodic_function(task_path(found.task_id) / _CUBE)
    ranked = refine_by_charge(structure, density, radius_a=settings.radius_a, max_density=settings.max_density)
    return [one.void for one in ranked]


def _electrons(path: Path, static: PwOutput) -> dict[str, float]:
    """Integrate the density over the cell, which is exact on the grid, and hold it against the electrons of pw.x."""
    density = read_periodic_function(path / _CUBE)
    electrons = float(density.values.mean()) * static.structure.volume / BOHR_A**3
    if abs(electrons / static.n_electrons - 1) > _LARGEST_LOSS:
        raise EspressoError(
            f"The density of pp.x holds {electrons:.2f} electrons, not {static.n_electrons:g}.",
            "Repeat the self-consistent run.",
        )
    return {"n_electrons": electrons}
