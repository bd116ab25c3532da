"""The end of the job in which programs run: they stop themselves before it, and a later job goes on."""

import time
from pathlib import Path

from invdesflow.espresso.attempts import Attempt, attempt_of
from invdesflow.espresso.handlers_pw import goes_on
from invdesflow.espresso.input_files import patch_input
from invdesflow.espresso.programs import Program

__all__ = ["limit_time", "stopped_cleanly"]

_NAMELISTS = {"pw.x": "control", "ph.x": "inputph"}  # the programs that look at the clock


def limit_time(program: Program, input_file: Path, end_time: int) -> None:
    """Let a program that is about to start stop itself in time.

    Parameters
    ----------
    program
        Which program; those that cannot stop themselves are left alone.
    input_file
        Its input.
    end_time
        When it must have stopped (s since 1970).
    """
    if program in _NAMELISTS:
        left_s = max(1, int(end_time - time.time()))
        patch_input(input_file, {_NAMELISTS[program]: {"max_seconds": left_s}})


def stopped_cleanly(folder: Path) -> Attempt | None:
    """Return the last attempt in a folder if a run of pw.x can go on from where it stopped itself.

    That is so if nothing has been started there since. What was killed is not trusted, and ph.x that goes on inside a
    representation gives wrong frequencies.
    """
    attempt = attempt_of(folder)
    if attempt is None or attempt.program != "pw.x" or attempt.failure is None or attempt.failure.name != "out_of_time":
        return None
    started_since = (folder / f"{attempt.output_name}.{attempt.number}").exists()
    return attempt if not started_since and goes_on(folder, attempt) else None
