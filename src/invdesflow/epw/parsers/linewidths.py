r"""Coupling and linewidth of every phonon, :math:`\lambda_{q\nu}` and :math:`\Gamma_{q\nu}`, as epw.x finds them.

The Eliashberg part of epw.x keeps them to itself. They are written by a run of their own, without ``ephwrite``::

    elph = .true.        ep_coupling = .true.     ephwrite = .false.
    phonselfen = .true.  delta_approx = .true.    vme = .false.
    fsthick, degaussw as in the run that is to be understood; kmaps, epwread, wannierize as in every fine run
    nkf1, nkf2, nkf3     a full mesh: mp_mesh_k = .true. is refused
    filqf = 'path.dat'   for a path: a line "N crystal", then N lines "qx qy qz weight"
    nqf1, nqf2, nqf3     instead, for a mesh; a2f = .true. adds PREFIX.a2f.01.T from the same couplings

``delta_approx`` is the double-delta limit that alpha2F is made of; without it the linewidths are those at the
temperature ``temps``. On 11 points of a path and 18^3 k-points the run took 6 s for aluminium.

In this limit :math:`\lambda_{q\nu} = \gamma_{q\nu} / (\pi N \omega_{q\nu}^2)` with N for one spin, and
:math:`\Gamma = 2 \gamma`; degenerate modes share their average. Couplings below ``eps_acustic`` are set to 0. On a mesh
:math:`\sum_q w_q \sum_\nu \lambda_{q\nu}` is the coupling strength that epw.x calls "summed".

Three files have them: epw.out with coordinates, ``lambda.phself.T`` and ``linewidth.phself.T`` with all digits, in the
order of the q-points. EPW 5.3 to 6 write the same.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from invdesflow.espresso.parsers.text import FloatArray, fortran_float, last_float, number_lines, read_text, reading

__all__ = ["ModeCouplings", "ModeLinewidths", "read_mode_couplings", "read_mode_lambdas", "read_mode_linewidths"]

_BLOCK = re.compile(r"ismear =\s*1 iq =\s*(\d+) coord\.:\s*(\S+)\s+(\S+)\s+(\S+) wt:\s*(\S+)(?: Temp:\s*(\S+)K)?")
_MODE = re.compile(r"lambda___\(\s*\d+\s*\)=\s*(\S+)\s+gamma___=\s*(\S+)\s+meV\s+omega=\s*(\S+)\s+meV")


@dataclass(frozen=True, slots=True)
class ModeCouplings:
    """The couplings that epw.out lists.

    Attributes
    ----------
    q_points
        Crystal coordinates to 5 decimals, shape (nq, 3).
    weights
        As given, shape (nq,).
    lambda_
        Shape (nq, modes).
    gamma_mev
        Half of the linewidths in meV, shape (nq, modes).
    omega_mev
        Frequencies in meV, shape (nq, modes).
    dos_per_ev_spin_cell
        N(E_F) of this run, states per eV, spin and cell.
    """

    q_points: FloatArray
    weights: FloatArray
    lambda_: FloatArray
    gamma_mev: FloatArray
    omega_mev: FloatArray
    dos_per_ev_spin_cell: float

    @property
    def summed_lambda(self) -> float:
        """Coupling strength: the sum over a mesh with its weights, which epw.x rounds."""
        return float(self.weights @ self.lambda_.sum(axis=1) / self.weights.sum())


@dataclass(frozen=True, slots=True)
class ModeLinewidths:
    """``linewidth.phself.T``.

    Attributes
    ----------
    omega_mev
        Frequencies in meV, shape (nq, modes).
    linewidth_mev
        Full linewidths in meV, shape (nq, modes).
    """

    omega_mev: FloatArray
    linewidth_mev: FloatArray


def read_mode_couplings(path: Path) -> ModeCouplings:
    """Read the couplings of the first smearing and the first temperature in ``epw.out``.

    Raises
    ------
    EspressoError
        If the file is missing or has no complete list of couplings.
    """
    with reading(path, "couplings of phonons of epw.x"):
        text = read_text(path)
        heads = list(_BLOCK.finditer(text))
        if not heads:
            raise ValueError("it lists none; the run needs phonselfen = .true.")
        heads = [head for head in heads if head[6] == heads[0][6]]
        modes = np.array([_modes(text, head.end()) for head in heads])
        density = last_float(text, "DOS")
        if density is None:
            raise ValueError("it tells no density of states")
        return ModeCouplings(
            q_points=np.array([_floats((head[2], head[3], head[4])) for head in heads]),
            weights=np.array([fortran_float(head[5]) for head in heads]),
            lambda_=modes[..., 0],
            gamma_mev=modes[..., 1],
            omega_mev=modes[..., 2],
            dos_per_ev_spin_cell=density,
        )


def read_mode_lambdas(path: Path) -> FloatArray:
    """Read ``lambda.phself.T``.

    Returns
    -------
    ndarray
        Couplings in the order of the q-points, shape (nq, modes).

    Raises
    ------
    EspressoError
        If the file is missing, cut within a line, or of another kind.
    """
    with reading(path, "couplings of phonons of epw.x"):
        text = read_text(path)
        if "Lambda phonon self-energy" not in text:
            raise ValueError("its head does not say Lambda phonon self-energy")
        table = number_lines(text.splitlines())
        _consecutive(table[:, 0])
        return table[:, 1:]


def read_mode_linewidths(path: Path) -> ModeLinewidths:
    """Read ``linewidth.phself.T``.

    Raises
    ------
    EspressoError
        If the file is missing, cut, or of another kind.
    """
    with reading(path, "linewidths of phonons of epw.x"):
        text = read_text(path)
        if "Phonon linewidth" not in text:
            raise ValueError("its head does not say Phonon linewidth")
        table = number_lines(text.splitlines(), columns=4)
        modes = int(table[:, 1].max())
        if len(table) % modes:
            raise ValueError("its last q-point is not complete")
        _consecutive(table[::modes, 0])
        values = table[:, 2:].reshape(-1, modes, 2)
        return ModeLinewidths(values[..., 0], values[..., 1])


def _modes(text: str, start: int) -> list[list[float]]:
    end = text.find("lambda___( tot )", start)
    if end < 0:
        raise ValueError("it ends within a q-point")
    return [_floats(row) for row in _MODE.findall(text[start:end])]


def _consecutive(numbers: FloatArray) -> None:
    if not np.array_equal(numbers, np.arange(1, len(numbers) + 1)):
        raise ValueError("its q-points are not numbered one after the other")


def _floats(tokens: tuple[str, ...]) -> list[float]:
    return [fortran_float(token) for token in tokens]
