"""The standard output of ph.x.

ph.x prints JOB DONE also when it did not converge and when its time was over: `finished` alone means nothing.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from invdesflow.espresso.parsers.text import FloatArray, error_message, fortran_float, read_text, reading
from invdesflow.espresso.parsers.timing import Timing, read_timing

__all__ = ["PhOutput", "PhQPoint", "read_ph_output"]

_Q_BLOCK = re.compile(r"Calculation of q =\s+(\S+)\s+(\S+)\s+(\S+)")
_FREQUENCY = re.compile(r"freq\s*\(\s*\d+\)\s*=\s*\S+\s*\[THz\]\s*=\s*(\S+)\s*\[cm-1\]")


@dataclass(frozen=True, slots=True)
class PhQPoint:
    """What ph.x printed of one q-point.

    Attributes
    ----------
    q_point
        Cartesian in 2 pi / alat, shape (3,).
    n_representations
        Irreducible representations of its small group, each one linear-response cycle; None if it did not come so far.
    n_converged
        Cycles that converged in this run.
    star_size
        q-points that symmetry relates to it; None if the dynamical matrix was not reached.
    frequencies_cm1
        Without acoustic sum rule, negative where imaginary, shape (modes,); None if not reached.
    """

    q_point: FloatArray
    n_representations: int | None
    n_converged: int
    star_size: int | None
    frequencies_cm1: FloatArray | None


@dataclass(frozen=True, slots=True)
class PhOutput:
    """What a run of ph.x printed.

    Attributes
    ----------
    version
        Version of ph.x.
    finished
        Whether it ended by itself, in whatever state.
    converged
        Whether no cycle failed, the time was not over, and every q-point of the run has its frequencies.
    not_converged
        Whether it stopped because a linear-response cycle did not converge.
    out_of_time
        Whether it stopped at ``max_seconds``.
    bands_recovered
        Whether it continued a stopped run with the bands of that one. Frequencies of such a run at q other than Gamma
        can be wrong without any warning.
    n_q_points
        q-points of the mesh that symmetry does not relate; None if the run has no mesh.
    q_points
        Those of this run.
    last_residual
        The last ``|ddv_scf|^2``; None if there was no iteration.
    timing
        Times of the run; None if it did not come so far.
    error
        The program's own error; None if it made none.
    """

    version: str
    finished: bool
    converged: bool
    not_converged: bool
    out_of_time: bool
    bands_recovered: bool
    n_q_points: int | None
    q_points: list[PhQPoint]
    last_residual: float | None
    timing: Timing | None
    error: str | None


def read_ph_output(path: Path) -> PhOutput:
    """Read ``ph.out``.

    Raises
    ------
    EspressoError
        If the file is missing or empty or not of ph.x.
    """
    with reading(path, "an output of ph.x"):
        return _output(read_text(path))


def _output(text: str) -> PhOutput:
    version = re.search(r"Program PHONON v\.?\s*(\S+)", text)
    if version is None:
        raise ValueError("ph.x has not signed it")
    not_converged = "No convergence has been achieved" in text
    out_of_time = "Maximum CPU time exceeded" in text
    q_points = _q_points(text)
    error = error_message(text)
    complete = bool(q_points) and all(point.frequencies_cm1 is not None for point in q_points)
    finished = "JOB DONE" in text
    mesh = re.search(r"\(\s*(\d+)\s+q-points?\)", text)
    residuals = re.findall(r"\|ddv_scf\|\^2 =\s*(\S+)", text)
    return PhOutput(
        version=version[1],
        finished=finished,
        converged=finished and complete and not (not_converged or out_of_time or error),
        not_converged=not_converged,
        out_of_time=out_of_time,
        bands_recovered="Bands found: reading from" in text,
        n_q_points=None if mesh is None else int(mesh[1]),
        q_points=q_points,
        last_residual=fortran_float(residuals[-1]) if residuals else None,
        timing=read_timing(text, "PHONON"),
        error=error,
    )


def _q_points(text: str) -> list[PhQPoint]:
    _, *parts = _Q_BLOCK.split(text)
    return [_q_point(parts[start : start + 3], parts[start + 3]) for start in range(0, len(parts), 4)]


def _q_point(coordinates: list[str], block: str) -> PhQPoint:
    representations = re.search(r"There are\s+(\d+)\s+irreducible representations", block)
    star = re.search(r"Number of q in the star =\s*(\d+)", block)
    frequencies = [fortran_float(token) for token in _FREQUENCY.findall(block)]
    return PhQPoint(
        q_point=np.array([fortran_float(token) for token in coordinates]),
        n_representations=None if representations is None else int(representations[1]),
        n_converged=block.count("Convergence has been achieved"),
        star_size=None if star is None else int(star[1]),
        frequencies_cm1=np.array(frequencies) if frequencies else None,
    )
