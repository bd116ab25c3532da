"""What pw.x says in its standard output only.

pw.x prints JOB DONE also when it did not converge and when its time was over: `finished` alone means nothing. Numbers
of a converged run are better taken from its XML file.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from invdesflow.espresso.parsers.pw_xml import RYDBERG_EV
from invdesflow.espresso.parsers.text import error_message, fortran_float, last_float, read_text, reading
from invdesflow.espresso.parsers.timing import Timing, read_timing

__all__ = ["PwOutput", "read_pw_output"]

_KBAR_GPA = 0.1


@dataclass(frozen=True, slots=True)
class PwOutput:
    """What a run of pw.x printed.

    Attributes
    ----------
    version
        Version of pw.x.
    finished
        Whether it ended by itself, in whatever state.
    converged
        Whether its last self-consistent cycle converged; None if none was begun (``nscf``, ``bands``, an early error).
    ionic_converged
        Whether the relaxation converged; None if it is none, or was not finished.
    out_of_time
        Whether it stopped at ``max_seconds``.
    n_k_points
        Irreducible k-points; None if it did not come so far.
    n_iterations
        Iterations of all self-consistent cycles together.
    scf_accuracy_ev
        Estimated error of the last cycle; None if there was none.
    unconverged_eigenvalues
        How often the diagonalisation left states unconverged; a few in the first iterations do no harm.
    final_enthalpy_ev
        Enthalpy at which the relaxation ended, with the basis set of its first cell; None if not a finished one.
    final_volume_a3
        Volume at which a relaxation of the cell ended, in Angstrom^3; None if not a finished one.
    pressures_gpa
        One for each stress that was computed. After a relaxation of the cell the last one is that of a new cycle with
        the basis set of the final cell: only this one is the pressure of the structure.
    timing
        Times of the run; None if it was cut off.
    error
        The program's own error; None if it made none.
    """

    version: str
    finished: bool
    converged: bool | None
    ionic_converged: bool | None
    out_of_time: bool
    n_k_points: int | None
    n_iterations: int
    scf_accuracy_ev: float | None
    unconverged_eigenvalues: int
    final_enthalpy_ev: float | None
    final_volume_a3: float | None
    pressures_gpa: list[float]
    timing: Timing | None
    error: str | None


def read_pw_output(path: Path) -> PwOutput:
    """Read ``pw.out``.

    Raises
    ------
    EspressoError
        If the file is missing or empty or not of pw.x.
    """
    with reading(path, "an output of pw.x"):
        return _output(read_text(path))


def _output(text: str) -> PwOutput:
    version = re.search(r"Program PWSCF v\.?\s*(\S+)", text)
    if version is None:
        raise ValueError("pw.x has not signed it")
    k_points = re.search(r"number of k points=\s*(\d+)", text)
    accuracy = last_float(text, r"estimated scf accuracy")
    enthalpy = last_float(text, r"Final (?:enthalpy|energy)")
    _, _, final = text.partition("Begin final coordinates")
    volume = re.search(r"new unit-cell volume =\s*\S+ a\.u\.\^3 \(\s*(\S+) Ang\^3", final)
    return PwOutput(
        version=version[1],
        finished="JOB DONE" in text,
        converged=_converged(text),
        ionic_converged=_ionic_converged(text),
        out_of_time="Maximum CPU time exceeded" in text,
        n_k_points=None if k_points is None else int(k_points[1]),
        n_iterations=len(re.findall(r"^\s*iteration #", text, re.MULTILINE)),
        scf_accuracy_ev=None if accuracy is None else accuracy * RYDBERG_EV,
        unconverged_eigenvalues=len(re.findall(r"c_bands:\s*\d+ eigenvalues not converged", text)),
        final_enthalpy_ev=None if enthalpy is None else enthalpy * RYDBERG_EV,
        final_volume_a3=None if volume is None else fortran_float(volume[1]),
        pressures_gpa=[fortran_float(found) * _KBAR_GPA for found in re.findall(r"\(kbar\)\s+P=\s*(\S+)", text)],
        timing=read_timing(text, "PWSCF"),
        error=error_message(text),
    )


def _converged(text: str) -> bool | None:
    _, begun, last = text.rpartition("Self-consistent Calculation")
    if not begun:
        return None
    return "convergence has been achieved" in last and "convergence NOT achieved" not in last


def _ionic_converged(text: str) -> bool | None:
    if "End of BFGS Geometry Optimization" in text:
        return "bfgs converged in" in text
    return False if "The maximum number of steps has been reached" in text else None
