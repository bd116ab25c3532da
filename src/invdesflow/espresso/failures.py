"""Whether and how a run failed: its return code and its files, held against the table of failures.

A run has succeeded when it says so, nothing contradicts it and its files are complete. Everything else is a failure,
and where no row of the table fits, one without a better name.
"""

import errno
import math
import os
import re
import tempfile
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from invdesflow.espresso.failure_table import FAILURES, failure_kind
from invdesflow.espresso.input_files import read_namelists
from invdesflow.espresso.programs import Program
from invdesflow.espresso.saved_state import saved_state_failure, saved_xml

__all__ = ["CRASH_FILE", "Failure", "default_input", "default_output", "diagnose", "error_name"]

CRASH_FILE = "CRASH"

_DETAIL_LINES = 12
_DETAIL_CHARACTERS = 2000
_NO_GAP_MEV = 1e-3  # the BCS gap of a Tc of 7 mK; above Tc the iterations end at 1e-50 and less
_ROOM_BYTES = 1 << 20
_ROUTINE = re.compile(r"(?:\bfrom|Error in routine)\s+(\w+)")
_ITERATION = re.compile(r"\s+\d+(?:\s+\S+){2}\s+(-?\d+\.\d+)E?([+-]\d+)\s*$")  # iter, ethr, znormi, deltai [meV]


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
    output = output_name or default_output(program)
    paths = [directory / name for name in (output, error_name(output), CRASH_FILE)]
    if program == "epw.x":
        paths += directory.glob("*.wout")  # the Wannier90 inside EPW complains here
    input_path = directory / (input_name or default_input(program))
    words = _read_words(program, paths, _closing_words(program, input_path))
    name = _failure_name(program, directory, return_code, words)
    if name is None and program == "pw.x":
        name = saved_state_failure(saved_xml(input_path))
    return None if name is None else Failure.of(name, words.detail)


def _closing_words(program: Program, input_path: Path) -> str:
    if program == "epw.x":
        return "functionality-dependent EPW.bib file"
    if program == "ph.x":
        variables = read_namelists(input_path.read_text())["inputph"]
        if variables.get("start_irr") == variables.get("last_irr") == 0:
            return "xq(1)"  # asked for the q-points only, it lists them and stops without another word
    return "JOB DONE"


def _failure_name(program: Program, directory: Path, return_code: int, words: "_Words") -> str | None:
    if words.eliashberg_unconverged:
        return "gap_vanished" if abs(words.gap_mev) < _NO_GAP_MEV else "eliashberg_not_converged"
    named = words.failure or _by_return_code(program, return_code)
    if named == "crashed" and words.stopped_at_symmetries:
        return "symmetries_not_read"
    if named is None and not _has_room(directory):  # pw.x fills a disk and says JOB DONE with return code 0
        return "disk_full"
    if named is None and (return_code != 0 or not words.finished):
        return "incomplete"
    return named


def _by_return_code(program: Program, return_code: int) -> str | None:
    kinds = (kind.name for kind in FAILURES if program in kind.programs and return_code in kind.return_codes)
    return next(kinds, None)


@dataclass(slots=True)
class _Words:
    """What matters among the words of a run."""

    finished: bool = False
    failure: str | None = None
    eliashberg_unconverged: bool = False
    gap_mev: float = math.nan
    stopped_at_symmetries: bool = False
    detail: str = ""


def _read_words(program: Program, paths: Iterable[Path], closing_words: str) -> _Words:
    rows = [kind for kind in FAILURES if program in kind.programs]
    rank = {word: number for number, kind in enumerate(rows) for word in (*kind.signs, *kind.routines)}
    signs = re.compile("|".join(re.escape(sign) for kind in rows for sign in kind.signs))
    words, best, telling, last = _Words(), len(rows), list[str](), deque[str](maxlen=_DETAIL_LINES)
    for path in filter(Path.is_file, paths):
        with path.open(errors="replace") as lines:  # line by line: outputs can be large
            for line in lines:
                found = [*signs.findall(line), *(word for word in _ROUTINE.findall(line) if word in rank)]
                best = min([best, *(rank[word] for word in found)])
                words.finished = words.finished or closing_words in line
                if program == "epw.x":
                    _read_eliashberg(line, words)
                if line.strip(" %\n"):
                    last.append(line.rstrip())
                    if found or words.eliashberg_unconverged or (telling and path.name == CRASH_FILE):
                        telling.append(line.rstrip())
    words.failure = rows[best].name if best < len(rows) else None
    words.detail = "\n".join(telling[:_DETAIL_LINES] or last)[:_DETAIL_CHARACTERS]
    return words


def _read_eliashberg(line: str, words: _Words) -> None:
    if "Convergence was not reached in nsiter" in line or "mix_broyden" in line:
        words.eliashberg_unconverged = True
    elif row := _ITERATION.match(line):
        words.gap_mev = float(f"{row[1]}e{row[2]}")  # Fortran drops the E before an exponent of three digits
    elif "Symmetries of crystal" in line:
        words.stopped_at_symmetries = True
    elif "irreducible q point" in line:
        words.stopped_at_symmetries = False


def _has_room(directory: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=directory) as probe:
            os.posix_fallocate(probe.fileno(), 0, _ROOM_BYTES)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return False
        raise
    return True
