"""The clocks of a Quantum ESPRESSO program: ``PWSCF : 1h 2m CPU 1h 3m WALL``."""

import re
from dataclasses import dataclass

__all__ = ["Timing", "read_timing", "read_timings"]

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


def read_timings(text: str) -> dict[str, Timing]:
    """Find the last reading of every clock in the output of a program.

    Returns
    -------
    dict
        Name of the clock -> its times.
    """
    found = re.findall(r"^\s*(\S.*?)\s*:\s*(\S.*?)CPU\s*(\S.*?)WALL", text, re.MULTILINE)
    return {name: Timing(_seconds(cpu), _seconds(wall)) for name, cpu, wall in found}


def read_timing(text: str, program: str) -> Timing | None:
    """Find the last clock of a whole program: ``PWSCF``, ``PHONON``, ``EPW``; None if it printed none."""
    return read_timings(text).get(program)


def _seconds(text: str) -> float:
    return sum(float(value) * _SECONDS[unit] for value, unit in _PART.findall(text))
