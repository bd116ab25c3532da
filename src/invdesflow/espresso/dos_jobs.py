"""The job that finds the density of states of the electrons, and from which orbitals of which elements it comes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jobflow import job
from pydantic import BaseModel, ConfigDict, Field

from invdesflow.errors import EspressoError
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.failure_notes import notes_failure
from invdesflow.espresso.inputs import OUTDIR, PREFIX, automatic_k_points, namelists
from invdesflow.espresso.meshes import Meshes
from invdesflow.espresso.outputs import PwOutput
from invdesflow.espresso.parsers.densities_of_states import read_density_of_states, read_partial_densities
from invdesflow.espresso.parsers.text import FloatArray
from invdesflow.espresso.pw_jobs import SAVE, PwNscfMaker, read_pw
from invdesflow.espresso.tasks import Task, Way, link_files, perform, task_path
from invdesflow.makers import SettingsMaker

__all__ = ["DosMaker", "DosOutput", "ProjectedDos", "read_projected_dos"]

_STEP_EV = 0.05  # the time of projwfc.x goes with the number of energies
_ABOVE_FERMI_EV = 10.0
_ELECTRONS_MISSED = 0.01  # share of the electrons by which the integral may differ from their number


@dataclass(frozen=True, slots=True, eq=False)
class ProjectedDos:
    """Density of states, and the parts of it that belong to atomic orbitals.

    Attributes
    ----------
    energies_ev
        From the Fermi level; shape (n,). They end where the bands that were calculated are no longer all there are.
    total
        States per eV and cell, both spins; shape (n,).
    projected
        (element, ``s``, ``p``, ``d`` or ``f``) -> the same for the orbitals of all atoms of the element; shape (n,).
        Their sum is less than `total` by what the orbitals do not span.
    """

    energies_ev: FloatArray
    total: FloatArray
    projected: dict[tuple[str, str], FloatArray]

    def electrons(self, density: FloatArray) -> float:
        """Integrate a density up to the Fermi level."""
        below = self.energies_ev < 0.0
        energies = np.append(self.energies_ev[below], 0.0)
        return float(np.trapezoid(np.append(density[below], self.at_fermi_level(density)), energies))

    def at_fermi_level(self, density: FloatArray) -> float:
        """Interpolate a density at the Fermi level."""
        return float(np.interp(0.0, self.energies_ev, density))


class DosOutput(BaseModel):
    """A density of states; `read_projected_dos` reads it whole."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    task_id: str
    nscf: PwOutput = Field(description="the bands, with their own Fermi level")
    electrons: float = Field(description="integral of the density of states up to the Fermi level")
    projected_electrons: float = Field(description="the same of what the orbitals span")
    dos_per_ev: float = Field(description="at the Fermi level, states per eV and cell, both spins")
    dos_by_orbital_per_ev: dict[str, float] = Field(description="parts of it by element and orbital, such as 'H s'")


@dataclass
class DosMaker(SettingsMaker):
    """Find the density of states of the electrons by tetrahedra, and its parts by elements and orbitals.

    1. pw.x finds the bands on the mesh ``k_dos`` of the protocol.
    2. projwfc.x projects them onto the orbitals of the pseudopotentials, orthogonalised after Loewdin.

    Parameters
    ----------
    calculation
        Accuracy, pseudopotentials, pressure.
    name
        Name of the job.

    Notes
    -----
    Tetrahedra with the correction of Kawamura, Gohda and Tsuneyuki, Phys. Rev. B 89, 094515 (2014).
    """

    calculation: Calculation
    name: str = "density of states"

    @job
    @notes_failure
    def make(self, static: PwOutput) -> DosOutput:
        """Run pw.x and projwfc.x.

        Parameters
        ----------
        static
            The run whose density is taken.

        Raises
        ------
        EspressoError
            If one of them failed, or the density of states does not hold the electrons of the crystal.
        """
        structure, protocol = static.structure, self.calculation.protocol
        mesh = Meshes.of(structure, protocol).k_dos
        n_bands = static.n_bands + protocol.extra_bands + protocol.extra_bands_per_atom * len(structure)
        bands = PwNscfMaker(self.calculation, f"bands for the {self.name}")
        nscf = bands.run(static, automatic_k_points(mesh), {"nbnd": n_bands, "occupations": "tetrahedra_opt"})
        fermi = nscf.fermi_energy_ev
        if fermi is None:
            raise EspressoError("pw.x gave no Fermi level with tetrahedra.", "Make dos_spacing smaller.")
        projection = {"filpdos": PREFIX, "deltae": _STEP_EV, "emax": round(fermi + _ABOVE_FERMI_EV, 1)}
        text = namelists({"projwfc": {"prefix": PREFIX, "outdir": OUTDIR, **projection}})
        pseudopotentials = self.calculation.pseudopotentials(structure)
        document = perform(
            Task(self.name, "projwfc.x", text, structure, pseudopotentials, (nscf.task_id,)),
            self.calculation,
            lambda path: _scalars(_read(path, nscf.task_id, fermi), nscf.n_electrons),
            Way(lambda path: link_files(task_path(nscf.task_id) / SAVE, path / SAVE, ["*"])),
        )
        return DosOutput(task_id=document.task_id, nscf=nscf, **document.results)


def read_projected_dos(output: DosOutput) -> ProjectedDos:
    """Read the density of states from its run folder.

    Raises
    ------
    EspressoError
        If its files are gone, or have no Fermi level.
    """
    fermi = output.nscf.fermi_energy_ev
    if fermi is None:
        raise EspressoError("The bands of this density of states have no Fermi level.", "Run DosMaker again.")
    return _read(task_path(output.task_id), output.nscf.task_id, fermi)


def _read(path: Path, nscf_task_id: str, fermi_energy_ev: float) -> ProjectedDos:
    whole = read_density_of_states(path / f"{PREFIX}.pdos_tot")
    complete = whole.energies_ev < read_pw(nscf_task_id).eigenvalues_ev[:, -1].min()
    parts: dict[tuple[str, str], FloatArray] = {}
    for part in read_partial_densities(path, PREFIX):
        name = (part.element, part.orbital)
        parts[name] = parts.get(name, 0.0) + part.density.sum(axis=0)[complete]
    return ProjectedDos(whole.energies_ev[complete] - fermi_energy_ev, whole.total.sum(axis=0)[complete], parts)


def _scalars(dos: ProjectedDos, n_electrons: float) -> dict[str, Any]:
    electrons = dos.electrons(dos.total)
    if dos.energies_ev[-1] <= 0.0 or abs(electrons - n_electrons) > _ELECTRONS_MISSED * n_electrons:
        raise EspressoError(
            f"The density of states holds {electrons:.3f} electrons up to the Fermi level, not {n_electrons:g}.",
            "Make dos_spacing smaller.",
        )
    return {
        "electrons": electrons,
        "projected_electrons": sum(dos.electrons(part) for part in dos.projected.values()),
        "dos_per_ev": dos.at_fermi_level(dos.total),
        "dos_by_orbital_per_ev": {" ".join(name): dos.at_fermi_level(part) for name, part in dos.projected.items()},
    }
