"""Jobs that bring the electron-phonon coupling into the Wannier basis and onto fine meshes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobflow import Flow, Response, job

from invdesflow.eliashberg.critical_temperature import critical_temperature
from invdesflow.eliashberg.pairing import Pairing
from invdesflow.eliashberg.reading import read_alpha2f
from invdesflow.eliashberg.spectrum import Alpha2F
from invdesflow.epw.handlers import epw_handlers
from invdesflow.epw.inputs import FOLDER_OF_PHONONS, Setup, coarse_input, fine_input
from invdesflow.epw.outputs import CoarseOutput, FineOutput, MeshStep, WannierOutput
from invdesflow.epw.parsers.epw_output import read_epw_output
from invdesflow.errors import EspressoError
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.failure_notes import notes_failure
from invdesflow.espresso.failures import default_output
from invdesflow.espresso.inputs import DYNAMICAL_MATRICES, POTENTIAL_CHANGES, PREFIX
from invdesflow.espresso.meshes import Meshes
from invdesflow.espresso.outputs import PhononOutput
from invdesflow.espresso.protocols import Protocol
from invdesflow.espresso.pw_jobs import SAVE
from invdesflow.espresso.tasks import Task, Way, link_file, link_files, perform, task_path
from invdesflow.makers import SettingsMaker

__all__ = [
    "ALPHA2F",
    "ALPHA2F_BY_BRANCH",
    "EpwCoarseMaker",
    "EpwFineMaker",
    "EpwMaker",
    "gather_coarse",
    "setup_of",
    "spectrum_of",
]

ALPHA2F, ALPHA2F_BY_BRANCH = f"{PREFIX}.a2f", f"{PREFIX}.a2f_proj"  # in the folder of a run on fine meshes

_WANNIER_FILES = [f"{PREFIX}.ukk"]
_COARSE_FILES = ["crystal.fmt", "epwdata.fmt", "*dmedata.fmt", f"{PREFIX}.ukk", f"{PREFIX}.kmap", f"{PREFIX}.kgmap"]
_SUM_RULE = 1e-3


@dataclass
class EpwCoarseMaker(SettingsMaker):
    """Calculate the coupling on the coarse meshes and transform it to the Wannier basis.

    Parameters
    ----------
    calculation
        Accuracy, pseudopotentials, pressure.
    name
        Name of the job.
    """

    calculation: Calculation
    name: str = "EPW coarse"

    @job
    @notes_failure
    def make(self, wannier: WannierOutput, phonons: PhononOutput) -> CoarseOutput:
        """Run epw.x.

        Raises
        ------
        EspressoError
            If it failed.
        """
        structure = wannier.nscf.structure
        text = coarse_input(setup_of(wannier, self.calculation))

        def gather(path: Path) -> None:
            link_files(task_path(wannier.nscf.task_id) / SAVE, path / SAVE, ["*"])
            link_files(task_path(wannier.task_id), path, _WANNIER_FILES)
            for number, task_id in enumerate(phonons.q_tasks, start=1):
                _take_q_point(number, task_path(task_id), path / FOLDER_OF_PHONONS)

        parents = (wannier.task_id, *phonons.q_tasks)
        task = Task("EPW coarse", "epw.x", text, structure, self.calculation.pseudopotentials(structure), parents)
        document = perform(
            task, self.calculation, lambda _: {}, Way(gather, epw_handlers(), (f"out/{PREFIX}.epb*", "out/*.wfc*"))
        )
        return CoarseOutput(task_id=document.task_id, wannier=wannier)


@dataclass
class EpwFineMaker(SettingsMaker):
    """Interpolate the coupling onto ever finer meshes, one job each, until Tc and N(E_F) stay the same.

    Parameters
    ----------
    calculation
        Accuracy, pseudopotentials, pressure.
    name
        Name of the job.
    """

    calculation: Calculation
    name: str = "EPW fine"

    @job
    @notes_failure
    def make(self, coarse: CoarseOutput, series: Sequence[MeshStep] = ()) -> Response[FineOutput]:
        """Run epw.x on the next mesh; replace this job by another if that is not enough.

        Parameters
        ----------
        coarse
            The coupling in the Wannier basis.
        series
            What came of the coarser meshes.

        Raises
        ------
        EspressoError
            If it failed, or alpha2F does not add up to the coupling that epw.x prints.
        """
        structure, protocol = coarse.wannier.nscf.structure, self.calculation.protocol
        meshes = Meshes.of(structure, protocol)
        fine, wannier = meshes.fine[len(series)], coarse.wannier
        task = Task(
            f"EPW on {'x'.join(map(str, fine.q))}",
            "epw.x",
            fine_input(setup_of(wannier, self.calculation), fine, protocol),
            structure,
            self.calculation.pseudopotentials(structure),
            (coarse.task_id,),
        )
        way = Way(lambda path: gather_coarse(coarse, path), epw_handlers())
        document = perform(task, self.calculation, _coupling, way)
        results = document.results
        tc_k = critical_temperature(Pairing.allen_dynes(spectrum_of(document.task_id), protocol.mu_stars[0]))
        step = MeshStep(
            task_id=document.task_id,
            k_mesh=fine.k,
            q_mesh=fine.q,
            lambda_=results["lambda"],
            omega_log_mev=results["omega_log_mev"],
            dos_per_ev=results["dos_per_ev"],
            tc_k=tc_k,
        )
        series = [*series, step]
        reason = _what_changes(series, protocol)
        if reason and len(series) < len(meshes.fine):
            return Response(replace=self.make(coarse, series))
        return Response(
            FineOutput(
                coarse=coarse,
                series=series,
                reason=reason,
                fermi_energy_ev=results["fermi_energy_ev"],
            )
        )


@dataclass
class EpwMaker(SettingsMaker):
    """The electron-phonon coupling by Wannier interpolation.

    1. *coarse*: matrix elements on the meshes of the first-principles run, to the Wannier basis.
    2. *fine*: interpolation onto finer and finer meshes, until Tc and N(E_F) stay the same.

    Parameters
    ----------
    calculation
        Accuracy, pseudopotentials, pressure.
    name
        Name of the flow.
    """

    calculation: Calculation
    name: str = "EPW"

    def make(self, wannier: WannierOutput, phonons: PhononOutput) -> Flow:
        """Set up the runs of epw.x.

        Parameters
        ----------
        wannier
            Wannier functions.
        phonons
            Phonons of all q-points.
        """
        coarse = EpwCoarseMaker(self.calculation).make(wannier, phonons)
        fine = EpwFineMaker(self.calculation).make(coarse.output)
        return Flow([coarse, fine], output=fine.output, name=self.name)


def _what_changes(series: Sequence[MeshStep], protocol: Protocol) -> str:
    """Say what is not the same on the last two meshes; nothing if all is."""
    if len(series) < 2:
        return "There is only one interpolated mesh to judge convergence by."
    # no superconductivity down to the lowest temperature counts as a Tc of zero
    changing = []
    if not protocol.tc_converged(series[-1].tc_k or 0.0, series[-2].tc_k or 0.0):
        steps = ", ".join("none" if step.tc_k is None else f"{step.tc_k:.3g}" for step in series)
        changing.append(f"Tc still changes with the interpolated mesh: {steps} K.")
    last, before = series[-1].dos_per_ev, series[-2].dos_per_ev
    if last is None or before is None or not protocol.dos_converged(last, before):
        steps = ", ".join("unknown" if step.dos_per_ev is None else f"{step.dos_per_ev:.3g}" for step in series)
        changing.append(f"N(E_F) still changes with the interpolated mesh: {steps} states per eV and cell.")
    return " ".join(changing)


def spectrum_of(task_id: str) -> Alpha2F:
    """Read the alpha2F that a run on a fine mesh left, with the phonon smearing that was asked for."""
    return read_alpha2f(task_path(task_id) / ALPHA2F)


def _coupling(path: Path) -> dict[str, Any]:
    """Read what epw.x found, and hold its coupling against its alpha2F."""
    output = read_epw_output(path / default_output("epw.x"))
    spectrum = read_alpha2f(path / ALPHA2F)
    if output.lambda_ is None or output.dos_per_ev_spin_cell is None:
        raise EspressoError("epw.x printed no coupling strength.")
    if abs(spectrum.lambda_ - output.lambda_) > _SUM_RULE * output.lambda_:
        raise EspressoError(
            f"alpha2F adds up to lambda = {spectrum.lambda_:.5f}, but epw.x printed {output.lambda_:.5f}."
        )
    return {
        "lambda": spectrum.lambda_,
        "omega_log_mev": spectrum.omega_log_mev,
        "dos_per_ev": 2.0 * output.dos_per_ev_spin_cell,
        "fermi_energy_ev": output.fine_fermi_energy_ev,
    }


def setup_of(wannier: WannierOutput, calculation: Calculation) -> Setup:
    """Return what all runs of epw.x share."""
    meshes = Meshes.of(wannier.nscf.structure, calculation.protocol)
    return Setup(wannier.nscf.structure, meshes.k_wannier, meshes.q, wannier.n_wannier, wannier.kept)


def gather_coarse(coarse: CoarseOutput, path: Path) -> None:
    """Put what an interpolation reads into its run folder."""
    source = task_path(coarse.task_id)
    link_files(source, path, _COARSE_FILES)
    link_files(source / "out", path / "out", [f"{PREFIX}.epmatwp*"])
    density = task_path(coarse.wannier.nscf.task_id) / SAVE
    link_files(density, path / SAVE, ["*.xml", "charge-density.*", "*.[uU][pP][fF]"])
    link_files(source / FOLDER_OF_PHONONS, path / FOLDER_OF_PHONONS, ["*"])


def _take_q_point(number: int, source: Path, target: Path) -> None:
    """Put the files of one q-point where EPW looks for them, under the names that it expects."""
    phsave = f"{PREFIX}.phsave"
    link_files(source / "out/_ph0" / phsave, target / phsave, [f"patterns.{number}.xml"])
    folder = source / "out/_ph0" / ("" if number == 1 else f"{PREFIX}.q_{number}")
    link_file(folder / f"{PREFIX}.{POTENTIAL_CHANGES}1", target / f"{PREFIX}.dvscf_q{number}")
    link_file(source / f"{DYNAMICAL_MATRICES}{number}", target / f"{PREFIX}.dyn_q{number}")
