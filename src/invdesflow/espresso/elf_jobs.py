"""The job that finds the electron localisation function."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobflow import job
from pydantic import BaseModel, ConfigDict, Field

from invdesflow.crystals.field import CrystalField
from invdesflow.crystals.symmetry import Symmetry, symmetry_of
from invdesflow.errors import EspressoError
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.failure_notes import notes_failure
from invdesflow.espresso.outputs import PwOutput
from invdesflow.espresso.parsers.volumetric import PeriodicFunction, read_periodic_function
from invdesflow.espresso.pp_runs import run_pp
from invdesflow.espresso.tasks import task_path
from invdesflow.makers import SettingsMaker

__all__ = ["ElfMaker", "ElfOutput", "read_elf"]

_STEM = "elf"
_CUBE = f"{_STEM}.cube"
_ELF = 8  # number of pp.x
_LARGEST_ASYMMETRY = 0.01


class ElfOutput(BaseModel):
    """The electron localisation function of a crystal; `read_elf` reads it whole."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    task_id: str
    structure: CrystalField
    elf_min: float = Field(ge=0)
    elf_mean: float = Field(description="over the cell")
    elf_max: float = Field(le=1)
    asymmetry: float = Field(description="largest difference between a point and its images under the space group")


@dataclass
class ElfMaker(SettingsMaker):
    """Find the electron localisation function of Becke and Edgecombe.

    It is 1 where an electron keeps others of its spin away, as in a covalent bond or a lone pair, and 1/2 in the
    homogeneous electron gas.

    Parameters
    ----------
    calculation
        Accuracy, pseudopotentials, pressure.
    name
        Name of the job.

    Notes
    -----
    Becke and Edgecombe, J. Chem. Phys. 92, 5397 (1990). That of the valence electrons: near a nucleus, where the
    pseudopotential has no core electrons, it has no meaning.
    """

    calculation: Calculation
    name: str = "electron localisation function"

    @job
    @notes_failure
    def make(self, static: PwOutput) -> ElfOutput:
        """Run pp.x.

        Parameters
        ----------
        static
            The self-consistent run. Bands at other k-points would not do: pp.x sums over their states.

        Raises
        ------
        EspressoError
            If it failed, or what it wrote is no such function: not between 0 and 1, or not as symmetric as the crystal.
        """
        structure = static.structure
        symmetry = symmetry_of(structure)
        document = run_pp(
            self.calculation, self.name, static, stem=_STEM, plot_num=_ELF, read=lambda path: _scalars(path, symmetry)
        )
        return ElfOutput(task_id=document.task_id, structure=structure, **document.results)


def read_elf(output: ElfOutput) -> PeriodicFunction:
    """Read the electron localisation function from its run folder.

    Raises
    ------
    EspressoError
        If the file is gone.
    """
    return read_periodic_function(task_path(output.task_id) / _CUBE)


def _scalars(path: Path, symmetry: Symmetry) -> dict[str, Any]:
    elf = read_periodic_function(path / _CUBE)
    low, high, asymmetry = float(elf.values.min()), float(elf.values.max()), elf.asymmetry(symmetry)
    if not 0.0 <= low <= high <= 1.0:
        raise EspressoError(
            f"The electron localisation function of pp.x goes from {low:g} to {high:g}, beyond 0 and 1.",
            "Repeat the self-consistent run.",
        )
    if asymmetry > _LARGEST_ASYMMETRY:
        raise EspressoError(
            f"The electron localisation function of pp.x differs by {asymmetry:.2g} between equivalent points.",
            "Raise ecutrho_ry, so that the grid is finer.",
        )
    return {"elf_min": low, "elf_mean": float(elf.values.mean()), "elf_max": high, "asymmetry": asymmetry}
