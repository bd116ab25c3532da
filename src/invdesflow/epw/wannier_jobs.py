"""The job that makes Wannier functions, and accepts them only if their bands are those of pw.x."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jobflow import job
from numpy.typing import NDArray

from invdesflow.epw.choices import WannierChoice, wannier_choices
from invdesflow.epw.handlers import epw_handlers
from invdesflow.epw.inputs import Setup, wannier_input
from invdesflow.epw.outputs import WannierOutput, WannierTrial
from invdesflow.epw.parsers.wannier import read_hamiltonian, read_wannier_output
from invdesflow.errors import EspressoError
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.documents import EspressoTaskDocument
from invdesflow.espresso.failure_notes import notes_failure
from invdesflow.espresso.failures import default_output
from invdesflow.espresso.inputs import OUTDIR, PREFIX, namelists
from invdesflow.espresso.meshes import Meshes
from invdesflow.espresso.outputs import PwOutput
from invdesflow.espresso.parsers.projections import read_atomic_states, read_projections
from invdesflow.espresso.pw_jobs import SAVE, read_pw
from invdesflow.espresso.tasks import Task, Way, link_files, perform, task_path
from invdesflow.makers import SettingsMaker

__all__ = ["WannierMaker"]

FloatArray = NDArray[np.float64]

_MEV_PER_EV = 1e3
_LARGEST = 5.0  # times the rms tolerance: with precise and moderate the smearing of the electrons, which hides less
_DISENTANGLED = 1e-7  # relative change of the spread; 1e-10, the default, takes ten times the steps for the same bands
# What the functions that were asked for may do; anything else would happen to all of them, or may pass.
_NO_FUNCTIONS = frozenset(
    {"wannierisation_failed", "window_too_small", "frozen_window_too_large", "stopped_with_error"}
)


@dataclass
class WannierMaker(SettingsMaker):
    """Make maximally localised Wannier functions without asking anyone for projections and windows.

    1. projwfc.x says what atomic orbitals the bands are made of.
    2. The choices that follow from it are tried in order (`wannier_choices`).
    3. The first one is taken whose bands agree with those of pw.x near the Fermi level, off the mesh: on average within
       the tolerance of the protocol, and nowhere beyond five times as much, which a short stretch may hide in the rms.

    Parameters
    ----------
    calculation
        Accuracy, pseudopotentials, pressure.
    name
        Name of the job.
    """

    calculation: Calculation
    name: str = "Wannier functions"

    @job
    @notes_failure
    def make(self, nscf: PwOutput, bands: PwOutput, fermi_energy_ev: float) -> WannierOutput:
        """Run projwfc.x, and epw.x until its functions are good.

        Parameters
        ----------
        nscf
            Bands on the uniform mesh of the Wannier functions.
        bands
            Bands along a path, to compare with.
        fermi_energy_ev
            Fermi level of the self-consistent run.

        Raises
        ------
        EspressoError
            If no choice gave good functions; the message has the numbers. If a program failed for another reason.
        """
        protocol = self.calculation.protocol
        reference = read_pw(bands.task_id)
        trials: list[WannierTrial] = []
        projections_task_id = self._project(nscf)
        for choice in self._choices(projections_task_id, fermi_energy_ev):
            document = self._try(nscf, choice)
            if document.failure is not None:
                said = document.failure.detail.strip().splitlines() or ["nothing"]
                problem = f"{document.failure.message} epw.x said: {said[-1].strip()}"
                trials.append(_without_functions(choice, document.task_id, problem))
                continue
            hamiltonian = read_hamiltonian(task_path(document.task_id) / f"{PREFIX}_hr.dat")
            deviation = _deviation(
                hamiltonian.eigenvalues(reference.k_points),
                reference.eigenvalues_ev[:, choice.skipped : choice.skipped + choice.n_wannier],
                fermi_energy_ev,
                protocol.wannier_window_ev,
            )
            trials.append(_judged(choice, deviation, document.task_id, protocol.wannier_tolerance_mev))
            if not trials[-1].problem:
                return WannierOutput(
                    task_id=document.task_id,
                    projections_task_id=projections_task_id,
                    nscf=nscf,
                    bands=bands,
                    n_wannier=choice.n_wannier,
                    skipped=choice.skipped,
                    kept=choice.kept,
                    trials=trials,
                )
        tried = "; ".join(f"{trial.choice}: {trial.problem}" for trial in trials)
        raise EspressoError(
            f"No Wannier functions of {nscf.structure.composition.reduced_formula} have the bands of pw.x ({tried}).",
            "Raise extra_bands or wannier_k_multiple of the protocol.",
        )

    def _project(self, nscf: PwOutput) -> str:
        structure = nscf.structure
        text = namelists({"projwfc": {"prefix": PREFIX, "outdir": OUTDIR}})
        pseudopotentials = self.calculation.pseudopotentials(structure)
        task = Task("projections", "projwfc.x", text, structure, pseudopotentials, (nscf.task_id,))
        return perform(task, self.calculation, lambda _: {}, Way(lambda path: _take_states(nscf, path))).task_id

    def _choices(self, projections_task_id: str, fermi_energy_ev: float) -> Iterator[WannierChoice]:
        path, protocol = task_path(projections_task_id), self.calculation.protocol
        return wannier_choices(
            read_projections(path / SAVE / "atomic_proj.xml"),
            read_atomic_states(path / default_output("projwfc.x")),
            fermi_energy_ev,
            max(protocol.fsthick_ev, protocol.wannier_window_ev),  # what counts, and what is compared
        )

    def _try(self, nscf: PwOutput, choice: WannierChoice) -> EspressoTaskDocument:
        structure, protocol = nscf.structure, self.calculation.protocol
        meshes = Meshes.of(structure, protocol)
        parameters = {
            **choice.parameters,
            "num_iter": protocol.wannier_num_iter,
            "wdata": [
                "write_hr = .true.",
                f"dis_num_iter = {protocol.wannier_dis_num_iter}",
                f"dis_conv_tol = {_DISENTANGLED}",
            ],
        }
        setup = Setup(structure, meshes.k_wannier, meshes.q, choice.n_wannier, choice.kept)
        pseudopotentials = self.calculation.pseudopotentials(structure)
        task = Task(
            f"Wannier functions from {choice.name}",
            "epw.x",
            wannier_input(setup, parameters),
            structure,
            pseudopotentials,
            (nscf.task_id,),
        )
        superfluous = (f"out/{PREFIX}.wfc*", f"{PREFIX}.mmn")
        way = Way(lambda path: _take_states(nscf, path), epw_handlers(), superfluous, _NO_FUNCTIONS)
        return perform(task, self.calculation, lambda _: {}, way)


def _take_states(nscf: PwOutput, path: Path) -> None:
    link_files(task_path(nscf.task_id) / SAVE, path / SAVE, ["*"])


def _deviation(ours: FloatArray, theirs: FloatArray, fermi_energy_ev: float, window_ev: float) -> FloatArray:
    """Return the deviations of interpolated bands in meV, where they or those of pw.x are near the Fermi level."""
    near = (np.abs(theirs - fermi_energy_ev) < window_ev) | (np.abs(ours - fermi_energy_ev) < window_ev)
    return np.asarray((ours - theirs)[near] * _MEV_PER_EV)


def _judged(choice: WannierChoice, deviation: FloatArray, task_id: str, tolerance_mev: float) -> WannierTrial:
    spreads = read_wannier_output(task_path(task_id) / f"{PREFIX}.wout").spreads_a2
    if deviation.size == 0:
        return _without_functions(choice, task_id, "there are no bands near the Fermi level along the path")
    rms, largest = float(np.sqrt(np.mean(deviation**2))), float(np.abs(deviation).max())
    problem = ""
    if spreads.size != choice.n_wannier or not np.isfinite(spreads).all():
        problem = "the spreads are not finite"
    elif rms > tolerance_mev:
        problem = f"the bands differ by {rms:.1f} meV rms, more than {tolerance_mev:g}"
    elif largest > _LARGEST * tolerance_mev:
        problem = f"a band differs by {largest:.1f} meV, more than {_LARGEST * tolerance_mev:g}"
    return WannierTrial(
        choice=choice.name,
        task_id=task_id,
        rms_mev=rms,
        max_mev=largest,
        spreads_a2=spreads.tolist(),
        problem=problem,
    )


def _without_functions(choice: WannierChoice, task_id: str, problem: str) -> WannierTrial:
    return WannierTrial(
        choice=choice.name, task_id=task_id, rms_mev=None, max_mev=None, spreads_a2=None, problem=problem
    )
