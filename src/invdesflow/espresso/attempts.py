"""The last attempt of a run, kept in its folder, where error handlers find out what they are to cure."""

import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from invdesflow.espresso.failures import Failure
from invdesflow.espresso.programs import Program

__all__ = ["Attempt", "attempt_of", "cpu_seconds", "read_attempt", "write_attempt"]

_FILE = "attempt.json"
_CLOCK = re.compile(r"^\s+[A-Z][\w-]*\s*:(.*)CPU.*WALL\s*$", re.MULTILINE)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([dhms])")
_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}


class Attempt(BaseModel):
    """One start of a program."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int = Field(ge=1)
    program: Program
    input_name: str
    output_name: str
    return_code: int
    failure: Failure | None
    may_be_corrected: bool = Field(description="whether another attempt is allowed")
    version: str | None = Field(description="version in the banner of the output")
    wall_time_s: float
    cpu_time_s: float | None = Field(description="of one rank, as the program prints it at its end")


def write_attempt(directory: Path, attempt: Attempt) -> None:
    """Keep an attempt in its folder, in place of the one before."""
    (directory / _FILE).write_text(attempt.model_dump_json(indent=1))


def read_attempt(directory: Path) -> Attempt:
    """Read the last attempt of a folder."""
    return Attempt.model_validate_json((directory / _FILE).read_text())


def attempt_of(directory: Path) -> Attempt | None:
    """Read the last attempt of a folder; None if none has come to its end there."""
    return read_attempt(directory) if (directory / _FILE).is_file() else None


def cpu_seconds(text: str) -> float | None:
    """Read the CPU time of one rank from the end of an output, in seconds; None if the program did not print it."""
    clocks = _CLOCK.findall(text)
    if not clocks:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(clocks[-1]))
