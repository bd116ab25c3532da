"""Dynamical matrices of ph.x: ``PREFIX.dyn0``, the list of q-points, and ``PREFIX.dynI``, one star of q-points each.

The files are the text form (``fildyn`` without ``.xml``), the same from 6.7 to 7.5, of runs with ``ibrav = 0``.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.constants import physical_constants

from invdesflow.espresso.parsers.pw_xml import BOHR_ANGSTROM
from invdesflow.espresso.parsers.text import FloatArray, fortran_float, number_lines, read_text, reading

__all__ = ["DynamicalMatrix", "QPoints", "read_dynamical_matrix", "read_q_points"]

ComplexArray = NDArray[np.complex128]

_RYDBERG_MASS_PER_AMU = (
    physical_constants["atomic mass constant"][0] / physical_constants["electron mass"][0] / 2.0
)  # a Rydberg unit of mass is two electrons
_Q_POINT = re.compile(r"q\s*=\s*\(\s*(\S+)\s+(\S+)\s+(\S+)\s*\)")
_FREQUENCY = re.compile(r"freq\s*\(\s*\d+\)\s*=\s*\S+\s*\[THz\]\s*=\s*(\S+)\s*\[cm-1\]")
_ATOMIC_TYPE = re.compile(r"^\s*\d+\s+'\s*(\S+?)\s*'\s+(\S+)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class QPoints:
    """The q-points of a uniform mesh that symmetry does not relate.

    Attributes
    ----------
    mesh
        Points along each reciprocal axis.
    q_points
        One of each star, Cartesian in 2 pi / alat, shape (nq, 3); Gamma is the first.
    """

    mesh: tuple[int, int, int]
    q_points: FloatArray


@dataclass(frozen=True, slots=True)
class DynamicalMatrix:
    """The dynamical matrices of one star.

    Attributes
    ----------
    lattice
        Lattice vectors in Angstrom, shape (3, 3).
    alat_angstrom
        The lattice parameter that is the unit of the file.
    symbols
        Atomic types of the atoms as ph.x names them.
    masses_amu
        Shape (atoms,).
    positions
        Cartesian in Angstrom, shape (atoms, 3).
    q_points
        The star, and -q where that is not in it: Cartesian in 2 pi / alat, shape (nq, 3).
    matrices
        Second derivatives of the energy in Ry / bohr^2, not divided by masses: shape (nq, atoms, 3, atoms, 3).
    frequencies_cm1
        Of the first q-point, without acoustic sum rule; negative where imaginary: shape (3 atoms,).
    displacements
        Normalised displacements of those modes, shape (3 atoms, atoms, 3).
    dielectric_tensor
        Shape (3, 3); None unless an insulator at Gamma.
    born_charges
        Shape (atoms, 3, 3); None unless an insulator at Gamma.
    """

    lattice: FloatArray
    alat_angstrom: float
    symbols: list[str]
    masses_amu: FloatArray
    positions: FloatArray
    q_points: FloatArray
    matrices: ComplexArray
    frequencies_cm1: FloatArray
    displacements: ComplexArray
    dielectric_tensor: FloatArray | None
    born_charges: FloatArray | None

    @property
    def q_points_crystal(self) -> FloatArray:
        """The q-points in crystal coordinates, shape (nq, 3)."""
        return self.q_points @ (self.lattice / self.alat_angstrom).T


def read_q_points(path: Path) -> QPoints:
    """Read ``PREFIX.dyn0``.

    Raises
    ------
    EspressoError
        If the file is missing, truncated or no list of q-points.
    """
    with reading(path, "a list of q-points of ph.x"):
        mesh, count, *lines = [line for line in read_text(path).splitlines() if line.strip()]
        n1, n2, n3 = (int(token) for token in mesh.split())
        q_points = number_lines(lines, columns=3)
        if len(q_points) != int(count):
            raise ValueError(f"it has {len(q_points)} q-points instead of {int(count)}")
        return QPoints((n1, n2, n3), q_points)


def read_dynamical_matrix(path: Path) -> DynamicalMatrix:
    """Read ``PREFIX.dynI``.

    Raises
    ------
    EspressoError
        If the file is missing, truncated or no dynamical matrix.
    """
    with reading(path, "a dynamical matrix of ph.x"):
        head, *blocks = re.split(r"Dynamical\s+Matrix in cartesian axes", read_text(path))
        last, _, modes = blocks[-1].partition("Diagonalizing the dynamical matrix")
        last, _, electric = last.partition("Dielectric Tensor")
        return _star(head, [*blocks[:-1], last], electric, modes)


def _star(head: str, blocks: list[str], electric: str, modes: str) -> DynamicalMatrix:
    alat, lattice, after = _cell(head)
    types = [(name, fortran_float(mass)) for name, mass in _ATOMIC_TYPE.findall(after)]
    atoms = number_lines(_ATOMIC_TYPE.sub("", after).splitlines(), columns=5)
    kinds = [int(kind) - 1 for kind in atoms[:, 1]]
    n = len(atoms)
    frequencies = np.array([fortran_float(token) for token in _FREQUENCY.findall(modes)])
    if len(frequencies) != 3 * n:
        raise ValueError(f"it has {len(frequencies)} frequencies instead of {3 * n}")
    dielectric, born = _response(electric, n)
    return DynamicalMatrix(
        lattice=lattice,
        alat_angstrom=alat,
        symbols=[types[kind][0] for kind in kinds],
        masses_amu=np.array([types[kind][1] for kind in kinds]) / _RYDBERG_MASS_PER_AMU,
        positions=atoms[:, 2:] * alat,
        q_points=np.array([_q_point(block) for block in blocks]),
        matrices=np.array([_matrix(block, n) for block in blocks]),
        frequencies_cm1=frequencies,
        displacements=_displacements(modes, n),
        dielectric_tensor=dielectric,
        born_charges=born,
    )


def _cell(head: str) -> tuple[float, FloatArray, str]:
    lines = head.splitlines()
    starts = [number for number, line in enumerate(lines) if len(line.split()) == 9 and "." in line]
    if not starts:
        raise ValueError("it has no line of ibrav and celldm")
    start = starts[0]
    tokens = lines[start].split()
    if int(tokens[2]) != 0:
        raise ValueError(f"it gives the cell as ibrav = {tokens[2]}, and only runs with ibrav = 0 are read")
    if "Basis vectors" not in lines[start + 1]:
        raise ValueError("it has no basis vectors")
    alat = fortran_float(tokens[3]) * BOHR_ANGSTROM
    return alat, number_lines(lines[start + 2 : start + 5], columns=3) * alat, "\n".join(lines[start + 5 :])


def _q_point(block: str) -> list[float]:
    found = _Q_POINT.search(block)
    if found is None:
        raise ValueError("a matrix has no q-point")
    return [fortran_float(token) for token in found.groups()]


def _matrix(block: str, n: int) -> ComplexArray:
    rows = [line.split() for line in block.splitlines() if line.strip() and "q =" not in line]
    pairs = [(int(row[0]) - 1, int(row[1]) - 1) for row in rows if len(row) == 2]
    values = number_lines([" ".join(row) for row in rows if len(row) != 2], columns=6)
    if len(set(pairs)) != n * n or len(values) != 3 * n * n:
        raise ValueError("a matrix is not complete")
    matrix = np.empty((n, 3, n, 3), dtype=np.complex128)
    for (i, j), real_imaginary in zip(pairs, values.reshape(n * n, 3, 3, 2), strict=True):
        matrix[i, :, j, :] = real_imaginary[..., 0] + 1j * real_imaginary[..., 1]
    return matrix


def _displacements(modes: str, n: int) -> ComplexArray:
    lines = [line.strip(" ()") for line in modes.splitlines() if line.lstrip().startswith("(")]
    values = number_lines(lines, columns=6).reshape(3 * n, n, 3, 2)
    return values[..., 0] + 1j * values[..., 1]


def _response(electric: str, n: int) -> tuple[FloatArray | None, FloatArray | None]:
    if not electric:
        return None, None
    tensor, _, charges = electric.partition("Effective Charges E-U")
    dielectric = number_lines(tensor.lstrip(":").splitlines(), columns=3).reshape(3, 3)
    lines = [line for line in charges.splitlines()[1:] if "atom" not in line]
    return dielectric, number_lines(lines, columns=3).reshape(n, 3, 3) if charges else None
