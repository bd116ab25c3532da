"""The job that finds the coupling of every phonon along the path of the phonon bands."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobflow import job
from numpy.typing import NDArray
from pymatgen.core import Structure

from invdesflow.epw.coupling_jobs import gather_coarse, setup_of
from invdesflow.epw.handlers import epw_handlers
from invdesflow.epw.inputs import path_input
from invdesflow.epw.outputs import FineOutput
from invdesflow.epw.parsers.linewidths import read_mode_lambdas
from invdesflow.errors import EspressoError
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.failure_notes import notes_failure
from invdesflow.espresso.meshes import Meshes, band_path
from invdesflow.espresso.protocols import Protocol
from invdesflow.espresso.tasks import Task, Way, perform, task_path
from invdesflow.makers import SettingsMaker

__all__ = ["PathCouplingMaker", "read_path_couplings"]


@dataclass
class PathCouplingMaker(SettingsMaker):
    """Find lambda of every phonon along the path, on the coarsest of the interpolated k-meshes: for figures.

    Parameters
    ----------
    calculation
        Accuracy, pseudopotentials, pressure.
    name
        Name of the job.
    """

    calculation: Calculation
    name: str = "coupling along the path"

    @job
    @notes_failure
    def make(self, fine: FineOutput) -> str:
        """Run epw.x, and return the task_id.

        Raises
        ------
        EspressoError
            If it failed.
        """
        protocol, wannier = self.calculation.protocol, fine.coarse.wannier
        structure = wannier.nscf.structure
        mesh = Meshes.of(structure, protocol).fine[0]
        q_list = _q_list(structure, protocol)
        # the task is known by its input, which has no more of the list than its name
        q_file = f"path-{hashlib.sha256(q_list.encode()).hexdigest()[:8]}.dat"
        text = path_input(setup_of(wannier, self.calculation), mesh, protocol, q_file)

        def gather(path: Path) -> None:
            gather_coarse(fine.coarse, path)
            (path / q_file).write_text(q_list)

        pseudopotentials = self.calculation.pseudopotentials(structure)
        task = Task(self.name, "epw.x", text, structure, pseudopotentials, (fine.coarse.task_id,))
        return perform(task, self.calculation, lambda _: {}, Way(gather, epw_handlers())).task_id


def read_path_couplings(task_id: str, shape: tuple[int, int]) -> NDArray[Any]:
    """Return lambda of every phonon along the path.

    Parameters
    ----------
    task_id
        The run.
    shape
        Points of the path and modes.

    Raises
    ------
    EspressoError
        If the file of the couplings is not there, or is of other points.
    """
    files = sorted(task_path(task_id).glob("lambda.phself.*"))
    if len(files) != 1:
        raise EspressoError(f"{task_path(task_id)} holds {len(files)} lists of couplings instead of one.")
    couplings = read_mode_lambdas(files[0])
    if couplings.shape != shape:
        raise EspressoError(f"{files[0]} has {couplings.shape} couplings instead of {shape}.")
    return couplings


def _q_list(structure: Structure, protocol: Protocol) -> str:
    points = band_path(structure, protocol.path_spacing).points
    rows = [f"{x:.10f} {y:.10f} {z:.10f} {1 / len(points):.10f}" for x, y, z in points]
    return "\n".join([f"{len(points)} crystal", *rows]) + "\n"
