"""The job that solves the Eliashberg equations of epw.x at one temperature."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobflow import job

from invdesflow.epw.coupling_jobs import setup_of, spectrum_of
from invdesflow.epw.handlers import gap_handlers
from invdesflow.epw.inputs import FOLDER_OF_PHONONS, gap_input
from invdesflow.epw.outputs import FineOutput, GapOutput
from invdesflow.epw.parsers.epw_output import read_epw_output
from invdesflow.epw.parsers.gap_functions import read_gap_distribution
from invdesflow.errors import EspressoError
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.failure_notes import notes_failure
from invdesflow.espresso.failures import default_output
from invdesflow.espresso.inputs import PREFIX
from invdesflow.espresso.meshes import FineMesh
from invdesflow.espresso.pw_jobs import SAVE
from invdesflow.espresso.tasks import Task, Way, link_files, perform, task_path
from invdesflow.makers import SettingsMaker

__all__ = ["COLDEST_K", "EliashbergMaker"]

COLDEST_K = 0.2
"""K; lower temperatures are left out: epw.x keeps every Matsubara frequency, and its time grows with their square."""

_FINE_FILES = ["crystal.fmt", "epwdata.fmt", "*dmedata.fmt", "selecq.fmt", f"{PREFIX}.ukk", f"{PREFIX}.k*map"]
_EV_PER_MEV = 1e-3
_NO_GAP = frozenset({"gap_vanished", "eliashberg_not_converged", "pade_not_finite"})


@dataclass
class EliashbergMaker(SettingsMaker):
    """Solve the Eliashberg equations at one temperature, with the coupling of every pair of states.

    mu* is taken at the Matsubara cutoff, as epw.x does.

    Parameters
    ----------
    calculation
        Accuracy, pseudopotentials, pressure.
    name
        Name of the job.
    """

    calculation: Calculation
    name: str = "Eliashberg"

    @job
    @notes_failure
    def make(self, fine: FineOutput, temperature_k: float) -> GapOutput:
        """Run epw.x on the matrix elements of the finest mesh.

        Parameters
        ----------
        fine
            The coupling on the fine meshes.
        temperature_k
            Temperature in K.

        Returns
        -------
        GapOutput
            The gap; none with the reason above Tc, where the equations have no solution but zero, and where they did
            not converge.

        Raises
        ------
        EspressoError
            If it failed in another way.
        """
        wannier, last, protocol = fine.coarse.wannier, fine.series[-1], self.calculation.protocol
        structure = wannier.nscf.structure
        cutoff = protocol.wscut_multiple * spectrum_of(last.task_id).omega_max_mev * _EV_PER_MEV
        text = gap_input(
            setup_of(wannier, self.calculation),
            FineMesh(last.k_mesh, last.q_mesh),
            protocol,
            temperature_k=round(temperature_k, 6),
            cutoff_ev=round(cutoff, 6),
        )

        def gather(path: Path) -> None:
            source = task_path(last.task_id)
            link_files(source, path, _FINE_FILES)
            link_files(source / SAVE, path / SAVE, ["*"])
            link_files(source / "out" / f"{PREFIX}.ephmat", path / "out" / f"{PREFIX}.ephmat", ["*"])
            link_files(source / FOLDER_OF_PHONONS, path / FOLDER_OF_PHONONS, ["*"])

        task = Task(
            self.name,
            "epw.x",
            text,
            structure,
            self.calculation.pseudopotentials(structure),
            (last.task_id,),
        )
        document = perform(task, self.calculation, _read_gap, Way(gather, gap_handlers(), answers=_NO_GAP))
        if document.failure is not None:
            return GapOutput(
                task_id=document.task_id,
                temperature_k=temperature_k,
                converged=False,
                vanished=document.failure.name == "gap_vanished",
                gap_min_mev=None,
                gap_max_mev=None,
                gap_mean_mev=None,
                reason=document.failure.message,
            )
        return GapOutput(
            task_id=document.task_id,
            temperature_k=temperature_k,
            converged=True,
            vanished=False,
            reason="",
            **document.results,
        )


def _read_gap(path: Path) -> dict[str, Any]:
    """Read the gap at the Fermi level, continued to the real axis."""
    cycles = read_epw_output(path / default_output("epw.x")).cycles
    if len(cycles) != 1:
        raise EspressoError(f"epw.x tells of {len(cycles)} temperatures instead of one.")
    cycle = cycles[0]
    if cycle.equations == "anisotropic":
        file = _distribution_file(path)
        distribution = read_gap_distribution(file)
        lowest, highest = distribution.range_mev()
        return {
            "gap_min_mev": lowest,
            "gap_max_mev": highest,
            "gap_mean_mev": distribution.mean_mev,
            "distribution_file": file.name,
        }
    if cycle.pade_gap_mev is None:
        raise EspressoError("epw.x printed no gap on the real axis.")
    return {"gap_min_mev": cycle.pade_gap_mev, "gap_max_mev": cycle.pade_gap_mev, "gap_mean_mev": cycle.pade_gap_mev}


def _distribution_file(path: Path) -> Path:
    pattern = f"{PREFIX}.pade_aniso_gap0_*"
    found = [file for file in path.glob(pattern) if file.suffix != ".cube"]  # a picture of it for each band
    if len(found) != 1:
        raise EspressoError(f"{path} holds {len(found)} distributions of the gap instead of one.")
    return found[0]
