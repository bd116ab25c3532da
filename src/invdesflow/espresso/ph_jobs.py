"""Jobs that run ph.x, q2r.x and matdyn.x."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jobflow import Flow, Response, job
from numpy.typing import NDArray
from pymatgen.core import Structure

from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.documents import EspressoTaskDocument
from invdesflow.espresso.failure_notes import notes_failure
from invdesflow.espresso.handlers_ph import ph_handlers
from invdesflow.espresso.inputs import DYNAMICAL_MATRICES, FORCE_CONSTANTS, PREFIX, matdyn_input, ph_input, q2r_input
from invdesflow.espresso.meshes import Mesh, Meshes, band_path
from invdesflow.espresso.outputs import ImaginaryMode, PhononOutput, PwOutput, QPointOutput, QPointsOutput
from invdesflow.espresso.parsers.dynamical_matrix import read_dynamical_matrix, read_q_points
from invdesflow.espresso.parsers.matdyn import read_frequencies
from invdesflow.espresso.pw_jobs import SAVE
from invdesflow.espresso.tasks import Read, Task, Way, link_files, perform, task_path
from invdesflow.makers import SettingsMaker

__all__ = ["PHONON_DOS", "PHONON_FREQUENCIES", "ForceConstantsMaker", "PhMaker", "PhononMaker", "QPointsMaker"]

PHONON_FREQUENCIES = "frequencies"
PHONON_DOS = "dos"
_DOS_STEP_CM1 = 2.0
_SUPERFLUOUS = (
    SAVE,
    f"out/{PREFIX}.wfc*",
    "out/_ph0/*.dwf*",
    "out/_ph0/*.bar*",
    f"out/_ph0/{PREFIX}.q_*/{PREFIX}.save",
    f"out/_ph0/{PREFIX}.q_*/{PREFIX}.wfc*",
)


@dataclass
class QPointsMaker(SettingsMaker):
    """Let ph.x reduce the mesh of q-points by symmetry, without a perturbation yet.

    Parameters
    ----------
    calculation
        Accuracy, pseudopotentials, pressure.
    name
        Name of the job.
    """

    calculation: Calculation
    name: str = "q-points"

    @job
    @notes_failure
    def make(self, static: PwOutput) -> QPointsOutput:
        """Run ph.x as far as its list of q-points.

        Raises
        ------
        EspressoError
            If it failed.
        """
        document = run_ph(self.calculation, self.name, static, {"start_irr": 0, "last_irr": 0}, read=lambda _: {})
        return QPointsOutput(
            task_id=document.task_id,
            q_points=read_q_points(task_path(document.task_id) / f"{DYNAMICAL_MATRICES}0").q_points.tolist(),
        )


@dataclass
class PhMaker(SettingsMaker):
    """Find the phonons at one irreducible q-point, and how they change the potential.

    A run that was interrupted begins again: ph.x that recovers inside a representation gives wrong frequencies.

    Parameters
    ----------
    calculation
        Accuracy, pseudopotentials, pressure.
    name
        Name of the job.
    """

    calculation: Calculation
    name: str = "phonons"

    @job
    @notes_failure
    def make(self, static: PwOutput, number: int) -> QPointOutput:
        """Run ph.x at one q-point.

        Parameters
        ----------
        static
            The self-consistent run.
        number
            The q-point, from 1, as ph.x counts them.

        Raises
        ------
        EspressoError
            If it failed.
        """

        def read(path: Path) -> dict[str, Any]:
            matrix = read_dynamical_matrix(path / f"{DYNAMICAL_MATRICES}{number}")
            return {"number": number, "frequencies_cm1": matrix.frequencies_cm1.tolist()}

        document = run_ph(
            self.calculation,
            self.name,
            static,
            {"start_q": number, "last_q": number},
            read=read,
            superfluous=_SUPERFLUOUS,
        )
        return QPointOutput(task_id=document.task_id, **document.results)


@dataclass
class ForceConstantsMaker(SettingsMaker):
    """Collect the q-points, and judge the stability of the crystal after the acoustic sum rule.

    Parameters
    ----------
    calculation
        Accuracy, pseudopotentials, pressure.
    name
        Name of the job.
    """

    calculation: Calculation
    name: str = "force constants"

    @job
    @notes_failure
    def make(self, static: PwOutput, q_points: QPointsOutput, phonons: Sequence[QPointOutput]) -> PhononOutput:
        """Run q2r.x, and matdyn.x along the band path and on a mesh.

        Parameters
        ----------
        static
            The self-consistent run.
        q_points
            The list of q-points.
        phonons
            Phonons at each of them.

        Raises
        ------
        EspressoError
            If one failed.
        """
        structure, protocol = static.structure, self.calculation.protocol
        phonons = sorted(phonons, key=lambda phonon: phonon.number)
        collected = self._collect(structure, q_points, phonons)
        path = band_path(structure, protocol.path_spacing)
        along = self._interpolate(structure, collected, "bands", {"flvec": "modes"}, path.points)
        mesh = Meshes.of(structure, protocol).q_dos
        divisions = {f"nk{axis}": n for axis, n in enumerate(mesh, start=1)}
        inside = self._interpolate(
            structure,
            collected,
            "density of states",
            {"dos": True, "fldos": PHONON_DOS, "deltaE": _DOS_STEP_CM1, **divisions},
        )
        on_path = read_frequencies(task_path(along.task_id) / PHONON_FREQUENCIES).values
        in_zone = read_frequencies(task_path(inside.task_id) / PHONON_FREQUENCIES)
        # matdyn.x gives the points of a mesh in 2 pi / alat, where alat is the length of the first vector
        mesh_points = in_zone.points @ (structure.lattice.matrix / structure.lattice.a).T
        points, frequencies = np.vstack([path.points, mesh_points]), np.vstack([on_path, in_zone.values])
        away = _away_from_gamma(points, Meshes.of(structure, protocol).q)
        imaginary = imaginary_modes(points, frequencies, protocol.stability_threshold_cm1)
        return PhononOutput(
            task_id=collected.task_id,
            bands_task_id=along.task_id,
            dos_task_id=inside.task_id,
            q_tasks=[phonon.task_id for phonon in phonons],
            stable=not imaginary,
            min_frequency_cm1=float(frequencies.min()),
            min_frequency_away_cm1=float(frequencies[away].min()) if away.any() else None,
            max_frequency_cm1=float(frequencies.max()),
            imaginary_modes=imaginary,
        )

    def _collect(
        self, structure: Structure, q_points: QPointsOutput, phonons: Sequence[QPointOutput]
    ) -> EspressoTaskDocument:
        def gather(path: Path) -> None:
            link_files(task_path(q_points.task_id), path, [f"{DYNAMICAL_MATRICES}0"])
            for phonon in phonons:
                link_files(task_path(phonon.task_id), path, [f"{DYNAMICAL_MATRICES}{phonon.number}"])

        parents = (q_points.task_id, *(phonon.task_id for phonon in phonons))
        text = q2r_input({"zasr": "crystal"})
        pseudopotentials = self.calculation.pseudopotentials(structure)
        task = Task(self.name, "q2r.x", text, structure, pseudopotentials, parents)
        return perform(task, self.calculation, lambda _: {}, Way(gather))

    def _interpolate(
        self,
        structure: Structure,
        collected: EspressoTaskDocument,
        what: str,
        parameters: dict[str, Any],
        points: NDArray[np.float64] | None = None,
    ) -> EspressoTaskDocument:
        text = matdyn_input({"asr": "crystal", "flfrq": PHONON_FREQUENCIES, **parameters}, points)
        pseudopotentials = self.calculation.pseudopotentials(structure)
        return perform(
            Task(f"phonon {what}", "matdyn.x", text, structure, pseudopotentials, (collected.task_id,)),
            self.calculation,
            lambda path: {"min_frequency_cm1": float(read_frequencies(path / PHONON_FREQUENCIES).values.min())},
            Way(lambda path: link_files(task_path(collected.task_id), path, [FORCE_CONSTANTS])),
        )


@dataclass
class PhononMaker(SettingsMaker):
    """Phonons of a crystal from density-functional perturbation theory, one job for each irreducible q-point.

    1. ph.x reduces the mesh of q-points by symmetry.
    2. One job for each q-point; they may run at the same time.
    3. q2r.x and matdyn.x: force constants, bands, density of states, stability.

    Parameters
    ----------
    calculation
        Accuracy, pseudopotentials, pressure.
    name
        Name of the flow.
    """

    calculation: Calculation
    name: str = "phonons"

    def make(self, static: PwOutput) -> Flow:
        """Set up the phonons of a crystal.

        Parameters
        ----------
        static
            The self-consistent run, or the output of the job that makes it.
        """
        q_points = QPointsMaker(self.calculation).make(static)
        phonons = self.of_q_points(static, q_points.output)
        return Flow([q_points, phonons], output=phonons.output, name=self.name)

    @job(name="one job for each q-point")
    @notes_failure
    def of_q_points(self, static: PwOutput, q_points: QPointsOutput) -> Response[PhononOutput]:
        """Replace this job by one for each q-point and one that collects them."""
        total = len(q_points.q_points)
        # ph.x lists the symmetric ones first, and the long ones should begin first
        each = [
            PhMaker(self.calculation, f"phonons at q-point {number} of {total}").make(static, number)
            for number in range(total, 0, -1)
        ]
        collecting = ForceConstantsMaker(self.calculation).make(static, q_points, [one.output for one in each])
        return Response(replace=Flow([*each, collecting], output=collecting.output, name=self.name))


def run_ph(
    calculation: Calculation,
    step: str,
    static: PwOutput,
    parameters: dict[str, Any],
    *,
    read: Read,
    superfluous: tuple[str, ...] = (),
) -> EspressoTaskDocument:
    """Run ph.x as a task on a self-consistent run, whose files it gets links to."""
    structure, protocol = static.structure, calculation.protocol
    density = task_path(static.task_id)

    def take_states(path: Path) -> None:
        link_files(density / SAVE, path / SAVE, ["charge-density.*", "wfc*", "*.[uU][pP][fF]"])
        shutil.copy(density / SAVE / "data-file-schema.xml", path / SAVE)
        shutil.copy(density / f"out/{PREFIX}.xml", path / "out")

    text = ph_input(Meshes.of(structure, protocol).q, {"tr2_ph": protocol.tr2_ph, **parameters})
    task = Task(step, "ph.x", text, structure, calculation.pseudopotentials(structure), (static.task_id,))
    return perform(task, calculation, read, Way(take_states, ph_handlers(), superfluous))


def _away_from_gamma(q_points: NDArray[np.float64], mesh: Mesh) -> NDArray[np.bool_]:
    """Tell which points (n, 3) are nearer to another point of the mesh than to Gamma."""
    nearest = (q_points - np.round(q_points)) * mesh
    return np.asarray(np.abs(nearest).max(axis=1) > 0.5)


def imaginary_modes(
    q_points: NDArray[np.float64], frequencies_cm1: NDArray[np.float64], threshold_cm1: float
) -> list[ImaginaryMode]:
    """List the modes that are imaginary beyond a threshold, the lowest first.

    Parameters
    ----------
    q_points
        Crystal coordinates, (n, 3).
    frequencies_cm1
        Negative where imaginary, (n, modes).
    threshold_cm1
        Modulus that the interpolation alone may give an acoustic branch.
    """
    rows, columns = np.nonzero(frequencies_cm1 < -threshold_cm1)
    found = [
        ImaginaryMode(q_point=q_points[row].tolist(), frequency_cm1=float(frequencies_cm1[row, column]))
        for row, column in zip(rows, columns, strict=True)
    ]
    return sorted(found, key=lambda mode: mode.frequency_cm1)
