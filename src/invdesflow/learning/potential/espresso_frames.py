"""Frames from runs of pw.x: what the tasks of the database, or a folder of run folders, know."""

from collections.abc import Iterator

import numpy as np
from ase import units

from invdesflow.database import Database
from invdesflow.errors import EspressoError
from invdesflow.espresso.documents import EspressoTaskDocument
from invdesflow.espresso.input_files import read_namelists
from invdesflow.espresso.parsers.pw_xml import PwResult
from invdesflow.espresso.pw_jobs import read_pw
from invdesflow.learning.potential.frames import Frame

__all__ = ["frame_of_task", "stored_frames", "theory_of"]

_CONVERGED = ("scf", "relax", "vc-relax")
_THEORY = ("ecutwfc", "ecutrho", "occupations", "smearing", "degauss", "nspin")


def stored_frames(database: Database, elements: frozenset[str] | None = None) -> Iterator[Frame]:
    """Yield a frame for every run of pw.x of the database that has energy, forces and stress and whose files are here.

    Of a relaxation it is the last geometry, whose self-consistent run has the plane waves of its own cell; those before
    it have the plane waves of another one, and energies that do not fit together.

    Parameters
    ----------
    database
        The database.
    elements
        Only crystals of these elements; none means all.
    """
    criteria = {"program": "pw.x", "status": "completed"}
    for document in database.collection(EspressoTaskDocument).find(criteria, sort=[("task_id", 1)]):
        if elements is None or {site.specie.symbol for site in document.structure} <= elements:
            frame = frame_of_task(document)
            if frame is not None:
                yield frame


def frame_of_task(document: EspressoTaskDocument) -> Frame | None:
    """Read the frame of a run of pw.x; none if it has no forces or no stress, or its files are gone."""
    try:
        result = read_pw(document.task_id)
    except EspressoError:
        return None
    pseudopotentials = {element: upf.sha256 for element, upf in document.pseudopotentials.items()}
    return _frame(result, theory_of(document.final_input), pseudopotentials, document.task_id)


def theory_of(text: str) -> str:
    """Say in one line what the answer of an input of pw.x depends on, beside the crystal and its k-points."""
    system = read_namelists(text)["system"]
    return "pw.x " + ", ".join(f"{name} {system[name]}" for name in _THEORY if name in system)


def _frame(result: PwResult, theory: str, pseudopotentials: dict[str, str], source: str) -> Frame | None:
    if result.calculation not in _CONVERGED or result.energy_ev is None:
        return None
    if result.forces_ev_per_angstrom is None or result.stress_gpa is None:
        return None
    virial = np.asarray(result.stress_gpa) * result.structure.volume * units.GPa
    return Frame.of(
        result.structure,
        energy_ev=result.energy_ev,
        forces=result.forces_ev_per_angstrom,
        virial_ev=virial,
        theory=theory,
        pseudopotentials=pseudopotentials,
        source=source,
    )
