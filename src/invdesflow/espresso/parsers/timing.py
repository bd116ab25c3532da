"""The last clock of a Quantum ESPRESSO program: ``PWSCF : 1h 2m CPU 1h 3m WALL``."""

import re
from dataclasses import dataclass

__all__ = ["Timing", "read_timing"]

_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_PART = re.compile(r"([\d.]+)\s*([dhms])")


@dataclass(frozen=True, slots=True)
class Timing:
    """Times of a run in seconds.

    Attributes
    ----------
    cpu_s
        Processor time of one rank.
    wall_s
        Elapsed time.
    """

    cpu_s: float
    wall_s: float


def read_timing(text: str, program: str) -> Timing | None:
    """Find the last clock of a program in its output.

    Parameters
    ----------
    text
        The output.
    program
        Name of the clock: ``PWSCF``, ``PHONON``, ``EPW`` ...

    Returns
    -------
    Timing or None
        None if no clock was printed.
    """
    found = re.findall(rf"^\s*{re.escape(program)}\s*:\s*(.+?)CPU\s*(.+?)WALL", text, re.MULTILINE)
    return None if not found else Timing(*(_seconds(part) for part in found[-1]))


def _seconds(text: str) -> float:
    return sum(float(value) * _SECONDS[unit] for value, unit in _PART.findall(text))
