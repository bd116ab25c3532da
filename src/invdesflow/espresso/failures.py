"""Whether and how a run failed: its return code and its files, held against the table of failures.

A run has succeeded when it says so, nothing contradicts it and its files are complete. Everything else is a failure,
and where no row of the table fits, one without a better name.
"""

import errno
import math
import os
import re
import tempfile
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from invdesflow.espresso.failure_table import FAILURES, failure_kind
from invdesflow.espresso.input_files import read_namelists
from invdesflow.espresso.programs import Program
from invdesflow.espresso.saved_state import saved_state_failure, saved_xml
from invdesflow.espresso.words import RunWords

__all__ = ["CRASH_FILE", "Failure", "default_input", "default_output", "diagnose", "error_name"]

CRASH_FILE = "CRASH"

_NO_GAP_MEV = 1e-3  # the BCS gap of a Tc of 7 mK; above Tc the iterations end at 1e-50 and less
_ROOM_BYTES = 1 << 20
_ELIASHBERG_STOPS = (b"Convergence was not reached in nsiter", b"Error in routine mix_broyden")
_ELIASHBERG_CONVERGED = b"Convergence was reached in nsiter"
# A row of the table of iterations, of which the last column is the gap in meV.
_ITERATION = re.compile(rb"^\s+\d+(?:\s+\S+){2}\s+(-?\d+\.\d+)E?([+-]\d+)\s*$", re.MULTILINE)
_ITERATION_BYTES = 4096


class Failure(BaseModel):
    """How one run failed, as documents keep it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: int = Field(description="number of the failure in the table of failures")
    name: str = Field(description="its name there")
    message: str = Field(description="what it means")
    detail: str = Field(description="what the program said: its error message, or the last lines that it wrote")
    transient: bool = Field(description="whether the same input may succeed when it is run again")

    @classmethod
    def of(cls, name: str, detail: str) -> "Failure":
        """Fill in what the table of failures says about a name."""
        kind = failure_kind(name)
        return cls(code=kind.code, name=name, message=kind.message, detail=detail, transient=kind.transient)


def default_input(program: Program) -> str:
    """Name the input file that a program gets unless told otherwise, such as ``pw.in``."""
    return f"{program.removesuffix('.x')}.in"


def default_output(program: Program) -> str:
    """Name the file of a program's standard output, such as ``pw.out``."""
    return f"{program.removesuffix('.x')}.out"


def error_name(output: str) -> str:
    """Name the file of the standard error beside an output file, such as ``pw.err``."""
    return str(Path(output).with_suffix(".err"))


def diagnose(
    program: Program, directory: Path, return_code: int, input_name: str | None = None, output_name: str | None = None
) -> Failure | None:
    """Tell whether and how a run failed, from its return code and its files.

    Parameters
    ----------
    program
        What ran.
    directory
        Where it ran.
    return_code
        Its exit status, or 128 and the number of the signal that killed it.
    input_name, output_name
        Names in that folder; by default ``pw.in`` and ``pw.out`` and so on.

    Returns
    -------
    Failure or None
        None if the program succeeded, which needs return code 0, its closing message, none of the signs of a failure
        and complete files.
    """
    input_path = directory / (input_name or default_input(program))
    output_path = directory / (output_name or default_output(program))
    words = RunWords(output_path, directory / error_name(output_path.name), directory / CRASH_FILE)
    name, telling = _said(program, words)
    if program == "epw.x":
        name = _said_by_epw(words) or name
    name = name or _not_said(program, directory, return_code) or _unfinished(program, words, return_code, input_path)
    if name == "crashed" and program == "epw.x" and _stopped_at_symmetries(words):
        name = "symmetries_not_read"
    return None if name is None else Failure.of(name, words.detail(telling))


def _said(program: Program, words: RunWords) -> tuple[str | None, list[str]]:
    routines = words.routines()
    for kind in FAILURES:
        if program in kind.programs:
            lines = words.lines_with(kind.signs)
            if lines or routines.intersection(kind.routines):
                return kind.name, lines
    return None, []


def _said_by_epw(words: RunWords) -> str | None:
    stop = max(words.output.find(sign) for sign in _ELIASHBERG_STOPS)
    if stop >= 0:
        return "gap_vanished" if _last_gap_mev(words, stop) < _NO_GAP_MEV else "eliashberg_not_converged"
    end = words.output.rfind(_ELIASHBERG_CONVERGED)  # its criterion is relative, so that a gap of 1e-50 may meet it
    return "gap_vanished" if end >= 0 and _last_gap_mev(words, end) < _NO_GAP_MEV else None


def _last_gap_mev(words: RunWords, end: int) -> float:
    rows = _ITERATION.findall(words.output, max(0, end - _ITERATION_BYTES), end)
    # Fortran drops the E before an exponent of three digits.
    return abs(float(b"e".join(rows[-1]))) if rows else math.inf


def _stopped_at_symmetries(words: RunWords) -> bool:
    reached = max(words.output.rfind(heading) for heading in (b"Calculating kgmap", b"Symmetries of crystal"))
    return reached > words.output.rfind(b"irreducible q point")


def _not_said(program: Program, directory: Path, return_code: int) -> str | None:
    for kind in FAILURES:
        if program in kind.programs and return_code in kind.return_codes:
            return kind.name
    return None if _has_room(directory) else "disk_full"  # pw.x fills a disk and says JOB DONE with return code 0


def _unfinished(program: Program, words: RunWords, return_code: int, input_path: Path) -> str | None:
    if return_code != 0 or words.output.find(_closing_words(program, input_path)) < 0:
        return "incomplete"
    return saved_state_failure(saved_xml(input_path)) if program == "pw.x" else None


def _closing_words(program: Program, input_path: Path) -> bytes:
    if program == "epw.x":
        return b"functionality-dependent EPW.bib file"
    if program == "ph.x":
        variables = read_namelists(input_path.read_text())["inputph"]
        if variables.get("start_irr") == variables.get("last_irr") == 0:
            return b"xq(1)"  # asked for the q-points only, it lists them and stops without another word
    return b"JOB DONE"


def _has_room(directory: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=directory) as probe:
            os.posix_fallocate(probe.fileno(), 0, _ROOM_BYTES)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return False
        raise
    return True
