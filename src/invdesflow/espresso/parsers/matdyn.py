"""Phonons interpolated by matdyn.x: frequencies, normal modes and densities of states."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from invdesflow.espresso.parsers.plot_bands import PlotBands, read_plot_bands
from invdesflow.espresso.parsers.text import FloatArray, fortran_float, number_lines, read_text, reading

__all__ = [
    "PhononDos",
    "PhononModes",
    "PhononPath",
    "read_frequencies",
    "read_frequencies_along_path",
    "read_modes",
    "read_phonon_dos",
]

_Q_POINT = re.compile(r"^\s*q\s*=\s+(\S+)\s+(\S+)\s+(\S+)\s*$", re.MULTILINE)
_FREQUENCY = re.compile(r"freq\s*\(\s*\d+\)\s*=\s*\S+\s*\[THz\]\s*=\s*(\S+)\s*\[cm-1\]")


@dataclass(frozen=True, slots=True)
class PhononPath:
    """``flfrq.gp``: frequencies along a path.

    Attributes
    ----------
    distances
        Length of the path up to each q-point in 2 pi / alat, shape (nq,).
    frequencies_cm1
        Negative where imaginary, shape (nq, modes).
    """

    distances: FloatArray
    frequencies_cm1: FloatArray


@dataclass(frozen=True, slots=True)
class PhononModes:
    """``flvec`` (displacements) or ``fleig`` (eigenvectors of the dynamical matrix).

    Attributes
    ----------
    q_points
        Cartesian in 2 pi / alat, shape (nq, 3).
    frequencies_cm1
        Negative where imaginary, shape (nq, modes).
    vectors
        Normalised vectors, shape (nq, modes, atoms, 3).
    """

    q_points: FloatArray
    frequencies_cm1: FloatArray
    vectors: NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class PhononDos:
    """``fldos``: the phonon density of states.

    Attributes
    ----------
    frequencies_cm1
        Shape (n,).
    total
        States per cm-1; its integral is the number of modes. Shape (n,).
    by_atom
        Contribution of each atom, shape (atoms, n).
    """

    frequencies_cm1: FloatArray
    total: FloatArray
    by_atom: FloatArray


def read_frequencies(path: Path) -> PlotBands:
    """Read ``flfrq``: frequencies in cm-1, negative where imaginary, at q-points in 2 pi / alat.

    Raises
    ------
    EspressoError
        If the file is missing, truncated or of another kind.
    """
    return read_plot_bands(path, "frequencies of matdyn.x")


def read_frequencies_along_path(path: Path) -> PhononPath:
    """Read ``flfrq.gp``.

    Raises
    ------
    EspressoError
        If the file is missing, cut within a line, or of another kind.
    """
    with reading(path, "a phonon path of matdyn.x"):
        text = read_text(path)
        table = number_lines(text.splitlines())
        if "#" in text or table.shape[1] < 4 or (np.diff(table[:, 0]) < 0).any():
            raise ValueError("its first column is no distance along a path")
        return PhononPath(table[:, 0], table[:, 1:])


def read_modes(path: Path) -> PhononModes:
    """Read ``flvec`` or ``fleig``.

    Raises
    ------
    EspressoError
        If the file is missing, truncated or of another kind.
    """
    with reading(path, "normal modes of matdyn.x"):
        _, *parts = _Q_POINT.split(read_text(path))
        if not parts:
            raise ValueError("it has no q-point")
        q_points = np.array([[fortran_float(token) for token in parts[i : i + 3]] for i in range(0, len(parts), 4)])
        blocks = parts[3::4]
        frequencies = np.array([[fortran_float(token) for token in _FREQUENCY.findall(block)] for block in blocks])
        n_modes = frequencies.shape[1]
        return PhononModes(q_points, frequencies, np.array([_vectors(block, n_modes) for block in blocks]))


def read_phonon_dos(path: Path) -> PhononDos:
    """Read ``fldos``.

    Raises
    ------
    EspressoError
        If the file is missing, cut within a line, or of another kind.
    """
    with reading(path, "a phonon density of states of matdyn.x"):
        head, *lines = read_text(path).splitlines()
        if "Frequency[cm^-1]" not in head:
            raise ValueError("its head does not say Frequency[cm^-1]")
        table = number_lines(lines)
        if table.shape[1] < 3:
            raise ValueError("it has no column of an atom")
        return PhononDos(table[:, 0], table[:, 1], table[:, 2:].T)


def _vectors(block: str, n_modes: int) -> NDArray[np.complex128]:
    lines = [line.strip(" ()") for line in block.splitlines() if line.lstrip().startswith("(")]
    table = number_lines(lines, columns=6)
    if 3 * len(table) != n_modes**2:
        raise ValueError(f"a q-point has {len(table)} displacements of {n_modes} modes")
    values = table.reshape(n_modes, n_modes // 3, 3, 2)
    return np.asarray(values[..., 0] + 1j * values[..., 1])
