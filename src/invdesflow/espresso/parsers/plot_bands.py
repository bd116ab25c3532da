"""The band format of the Quantum ESPRESSO suite: ``&plot nbnd= 3, nks= 13 /``, then points and values in turn."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from invdesflow.espresso.parsers.text import FloatArray, fortran_float, read_text, reading

__all__ = ["PlotBands", "read_plot_bands"]

_HEAD = re.compile(r"&plot\s+nbnd\s*=\s*(\d+)\s*,\s*nks\s*=\s*(\d+)\s*/", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PlotBands:
    """Bands, of electrons or phonons, along a path or on a mesh.

    Attributes
    ----------
    points
        Cartesian in 2 pi / alat, shape (points, 3).
    values
        In the unit of the program that wrote them, shape (points, bands).
    """

    points: FloatArray
    values: FloatArray


def read_plot_bands(path: Path, kind: str) -> PlotBands:
    """Read a file in this format.

    Parameters
    ----------
    path
        The file.
    kind
        What it is, for error messages.

    Raises
    ------
    EspressoError
        If the file is missing, truncated or of another kind.
    """
    with reading(path, kind):
        text = read_text(path)
        head = _HEAD.search(text)
        if head is None:
            raise ValueError("its head &plot nbnd=, nks= / is missing")
        n_bands, n_points = int(head[1]), int(head[2])
        lines = iter(text[head.end() :].strip("\n").splitlines())
        points, values = np.empty((n_points, 3)), np.empty((n_points, n_bands))
        for number in range(n_points):
            point = _floats(next(lines, ""))[:3]  # matdyn.x of 7.5 adds the weight
            found: list[float] = []
            while len(point) == 3 and len(found) < n_bands and (more := _floats(next(lines, ""))):
                found += more
            if len(found) != n_bands:
                raise ValueError(f"it ends at point {number + 1} of {n_points}")
            points[number], values[number] = point, found
        return PlotBands(points, values)


def _floats(line: str) -> list[float]:
    return [fortran_float(token) for token in line.split()]
