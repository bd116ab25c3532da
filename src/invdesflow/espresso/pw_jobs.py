"""Jobs that run pw.x."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobflow import job
from pymatgen.core import Structure

from invdesflow.errors import EspressoError
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.documents import EspressoTaskDocument
from invdesflow.espresso.failure_notes import notes_failure
from invdesflow.espresso.handlers_pw import pw_handlers
from invdesflow.espresso.inputs import PREFIX, automatic_k_points, explicit_k_points_card, pw_input
from invdesflow.espresso.meshes import Meshes
from invdesflow.espresso.outputs import PwOutput
from invdesflow.espresso.parsers.pw_xml import PwResult, read_pw_xml
from invdesflow.espresso.tasks import Prepare, Task, Way, leave_empty, link_files, perform, task_path
from invdesflow.makers import SettingsMaker

__all__ = ["SAVE", "PwNscfMaker", "PwRelaxMaker", "PwStaticMaker", "read_pw"]

SAVE = f"out/{PREFIX}.save"
XML = f"{SAVE}/data-file-schema.xml"
_KBAR_PER_GPA = 10.0
_SUPERFLUOUS = (f"{SAVE}/wfc*", f"{SAVE}/charge-density.*", f"out/{PREFIX}.wfc*")


@dataclass
class PwStaticMaker(SettingsMaker):
    """Find the self-consistent density of a crystal.

    Parameters
    ----------
    calculation
        Accuracy, pseudopotentials, pressure.
    name
        Name of the job.
    starting_magnetisation
        Spin polarisation of every atom that a spin-polarised run starts from; none for a run without spin.
    """

    calculation: Calculation
    name: str = "scf"
    starting_magnetisation: float | None = None

    @job
    @notes_failure
    def make(self, structure: Structure, parents: Sequence[str] = ()) -> PwOutput:
        """Run pw.x.

        Parameters
        ----------
        structure
            Primitive cell in the standard orientation.
        parents
            Tasks that the structure came out of.

        Raises
        ------
        EspressoError
            If it failed.
        """
        spin: dict[str, Any] = {}
        if self.starting_magnetisation is not None:
            n_elements = len(structure.composition)
            spin = {"nspin": 2, "starting_magnetization": [self.starting_magnetisation] * n_elements}
        groups = pw_groups(self.calculation, "scf", system=spin, control={"tstress": True, "tprnfor": True})
        k_points = automatic_k_points(Meshes.of(structure, self.calculation.protocol).k_scf)
        document = run_pw(
            self.calculation, self.name, structure, groups, k_points_card=k_points, parents=tuple(parents)
        )
        return _output(document, structure)


@dataclass
class PwRelaxMaker(SettingsMaker):
    """Relax cell and atoms at the pressure of the calculation.

    The plane waves of a relaxation are those of the cell that it began with. So it is repeated from where it ended,
    until the last self-consistent run, which has the plane waves of the final cell, shows the wanted pressure.

    Parameters
    ----------
    calculation
        Accuracy, pseudopotentials, pressure.
    name
        Name of the job.
    """

    calculation: Calculation
    name: str = "relax"

    @job
    @notes_failure
    def make(self, structure: Structure) -> PwOutput:
        """Run pw.x as often as it takes.

        Parameters
        ----------
        structure
            Primitive cell in the standard orientation.

        Raises
        ------
        EspressoError
            If a run failed, or the pressure is still another after the last one.
        """
        protocol, wanted = self.calculation.protocol, self.calculation.pressure_gpa
        groups = pw_groups(
            self.calculation,
            "vc-relax",
            control={
                "tstress": True,
                "tprnfor": True,
                "etot_conv_thr": protocol.etot_conv_thr,
                "forc_conv_thr": protocol.forc_conv_thr,
                "nstep": 100,
            },
        )
        groups |= {
            "ions": {"ion_dynamics": "bfgs"},
            "cell": {
                "cell_dynamics": "bfgs",
                "press": wanted * _KBAR_PER_GPA,
                "press_conv_thr": protocol.pressure_tolerance_gpa * _KBAR_PER_GPA / 2,
            },
        }
        parents: tuple[str, ...] = ()
        pressure = None
        for number in range(1, protocol.max_relaxations + 1):
            k_points = automatic_k_points(Meshes.of(structure, protocol).k_scf)
            document = run_pw(
                self.calculation,
                f"{self.name} {number}",
                structure,
                groups,
                k_points_card=k_points,
                parents=parents,
                superfluous=_SUPERFLUOUS,
            )
            output = _output(document, read_pw(document.task_id).structure)
            structure, parents, pressure = output.structure, (document.task_id,), output.pressure_gpa
            same_mesh = automatic_k_points(Meshes.of(structure, protocol).k_scf) == k_points
            if same_mesh and pressure is not None and abs(pressure - wanted) <= protocol.pressure_tolerance_gpa:
                return output
        raise EspressoError(
            f"After {protocol.max_relaxations} relaxations the pressure is {pressure} GPa instead of {wanted:g}.",
            "Raise ecutwfc_ry or max_relaxations of the protocol.",
        )


@dataclass
class PwNscfMaker(SettingsMaker):
    """Find bands at given k-points from the density of an earlier run.

    Parameters
    ----------
    calculation
        Accuracy, pseudopotentials, pressure.
    name
        Name of the job.
    """

    calculation: Calculation
    name: str = "nscf"

    @job
    @notes_failure
    def make(self, static: PwOutput, k_points: list[list[float]], n_bands: int) -> PwOutput:
        """Run pw.x on a list of k-points, a uniform one or a path.

        Parameters
        ----------
        static
            The run whose density is taken.
        k_points
            Crystal coordinates. The list is kept as it is.
        n_bands
            Bands to find.

        Raises
        ------
        EspressoError
            If it failed, or pw.x took other points.

        Notes
        -----
        pw.x calls it ``bands``. What it calls ``nscf`` adds points to the list where the crystal has less symmetry than
        its lattice, and epw.x wants a uniform mesh and nothing else.
        """
        output = self.run(static, explicit_k_points_card(k_points), {"nbnd": n_bands}, mode="bands")
        found = len(read_pw(output.task_id).k_points)
        if found != len(k_points):
            raise EspressoError(
                f"pw.x found bands at {found} k-points instead of the {len(k_points)} that were asked for.",
                f"Look at {task_path(output.task_id)}.",
            )
        return output

    def run(self, static: PwOutput, k_points_card: str, system: Mapping[str, Any], *, mode: str = "nscf") -> PwOutput:
        """Run pw.x within a job.

        Parameters
        ----------
        static
            The run whose density is taken.
        k_points_card
            The card ``K_POINTS``.
        system
            What the namelist has beside that of all runs.
        mode
            What pw.x calls it: ``nscf`` finds a Fermi level too, ``bands`` keeps the list of k-points.

        Raises
        ------
        EspressoError
            If it failed.
        """
        groups = pw_groups(self.calculation, mode, system=system)
        density = task_path(static.task_id)

        def take_density(path: Path) -> None:
            link_files(density / SAVE, path / SAVE, ["charge-density.*"])
            shutil.copy(density / XML, path / SAVE)  # pw.x writes it again, with the new bands

        document = run_pw(
            self.calculation,
            self.name,
            static.structure,
            groups,
            k_points_card=k_points_card,
            parents=(static.task_id,),
            prepare=take_density,
        )
        return _output(document, static.structure)


def pw_groups(
    calculation: Calculation,
    mode: str,
    *,
    control: Mapping[str, Any] | None = None,
    system: Mapping[str, Any] | None = None,
) -> dict[str, dict[str, Any]]:
    """Return the namelists that every run of pw.x shares."""
    protocol = calculation.protocol
    return {
        "control": {"calculation": mode, **(control or {})},
        "system": {
            "ecutwfc": protocol.ecutwfc_ry,
            "ecutrho": protocol.ecutrho_ry,
            "occupations": "smearing",
            "smearing": protocol.smearing,
            "degauss": protocol.degauss_ry,
            **(system or {}),
        },
        "electrons": {"conv_thr": protocol.conv_thr, "electron_maxstep": 200},
    }


def run_pw(
    calculation: Calculation,
    step: str,
    structure: Structure,
    groups: Mapping[str, Mapping[str, Any]],
    *,
    k_points_card: str,
    parents: tuple[str, ...] = (),
    prepare: Prepare = leave_empty,
    superfluous: tuple[str, ...] = (),
) -> EspressoTaskDocument:
    """Run pw.x as a task."""
    found = calculation.pseudopotentials(structure)
    text = pw_input(structure, {element: upf.path.name for element, upf in found.items()}, groups, k_points_card)
    return perform(
        Task(step, "pw.x", text, structure, found, parents),
        calculation,
        _scalars,
        Way(prepare, pw_handlers(), superfluous),
    )


def read_pw(task_id: str) -> PwResult:
    """Read all that a run of pw.x left in its XML file."""
    return read_pw_xml(task_path(task_id) / XML)


def _scalars(path: Path) -> dict[str, Any]:
    result = read_pw_xml(path / XML)
    return {
        "energy_ev": result.energy_ev,
        "fermi_energy_ev": result.fermi_energy_ev,
        "pressure_gpa": result.pressure_gpa,
        "n_electrons": result.n_electrons,
        "n_bands": result.n_bands,
        "gap_ev": result.gap_ev,
        "absolute_magnetisation": result.absolute_magnetisation,
    }


def _output(document: EspressoTaskDocument, structure: Structure) -> PwOutput:
    return PwOutput(task_id=document.task_id, structure=structure, **document.results)
