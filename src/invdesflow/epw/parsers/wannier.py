"""Wannier functions: the output of wannier90 (``PREFIX.wout``) and the Hamiltonian (``PREFIX_hr.dat``).

epw.x calls wannier90 as a library, and writes ``PREFIX_hr.dat`` if one of its ``wdata`` is ``write_hr = .true.``
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from invdesflow.espresso.parsers.text import FloatArray, fortran_float, number_lines, read_text, reading

__all__ = ["WannierHamiltonian", "WannierOutput", "read_hamiltonian", "read_wannier_output"]

_FUNCTION = re.compile(r"WF centre and spread\s+\d+\s+\(\s*(\S+?),\s*(\S+?),\s*(\S+?)\s*\)\s+(\S+)")


@dataclass(frozen=True, slots=True)
class WannierOutput:
    """What wannier90 found.

    Attributes
    ----------
    finished
        Whether it came to its end.
    disentangled
        Whether the disentanglement met its criterion; None if there was nothing to disentangle.
    wannierised
        Whether the minimisation of the spread met its criterion, if it had one (``conv_window`` of wannier90, off by
        default, in which case it makes all its iterations): None then.
    centres_angstrom
        Shape (n_wannier, 3), empty if not reached.
    spreads_a2
        Angstrom^2, shape (n_wannier,), empty if not reached.
    omega_invariant_a2, omega_diagonal_a2, omega_off_diagonal_a2, omega_total_a2
        Parts of the spread and their sum, Angstrom^2; None if not reached.
    outer_window_ev, frozen_window_ev
        Energies between which bands were taken, and kept unchanged; None if there is no such window.
    error
        The reason for which wannier90 stopped; None if it did not.
    """

    finished: bool
    disentangled: bool | None
    wannierised: bool | None
    centres_angstrom: FloatArray
    spreads_a2: FloatArray
    omega_invariant_a2: float | None
    omega_diagonal_a2: float | None
    omega_off_diagonal_a2: float | None
    omega_total_a2: float | None
    outer_window_ev: tuple[float, float] | None
    frozen_window_ev: tuple[float, float] | None
    error: str | None


@dataclass(frozen=True, slots=True)
class WannierHamiltonian:
    """The Hamiltonian between Wannier functions.

    Attributes
    ----------
    lattice_vectors
        R in units of the cell vectors, shape (nr, 3).
    degeneracies
        Number of equivalent R on the border of the Wigner-Seitz cell, shape (nr,).
    hoppings_ev
        <0 m| H |R n>, shape (nr, n_wannier, n_wannier).
    """

    lattice_vectors: NDArray[np.int64]
    degeneracies: NDArray[np.int64]
    hoppings_ev: NDArray[np.complex128]

    def eigenvalues(self, k_points: FloatArray) -> FloatArray:
        """Interpolate the bands.

        Parameters
        ----------
        k_points
            Crystal coordinates, shape (nk, 3).

        Returns
        -------
        ndarray
            eV, ascending, shape (nk, n_wannier).
        """
        angles = 2.0 * np.pi * np.asarray(k_points) @ self.lattice_vectors.T.astype(np.float64)
        phases = np.exp(1j * angles) / self.degeneracies
        return np.asarray(np.linalg.eigvalsh(np.tensordot(phases, self.hoppings_ev, axes=1)))


def read_wannier_output(path: Path) -> WannierOutput:
    """Read ``PREFIX.wout``.

    Raises
    ------
    EspressoError
        If the file is missing or empty or not of wannier90.
    """
    with reading(path, "an output of wannier90"):
        text = read_text(path)
        if "Maximally-Localized" not in text:
            raise ValueError("wannier90 has not signed it")
        return _output(text)


def read_hamiltonian(path: Path) -> WannierHamiltonian:
    """Read ``PREFIX_hr.dat``.

    Raises
    ------
    EspressoError
        If the file is missing, truncated or no Hamiltonian.
    """
    with reading(path, "a Hamiltonian of wannier90"):
        _, n_wannier, n_vectors, *tokens = read_text(path).split("\n", 3)
        n, nr = int(n_wannier), int(n_vectors)
        lines = tokens[0].splitlines()
        n_lines = -(-nr // 15)  # wannier90 writes 15 in a line
        degeneracies = np.array([int(token) for line in lines[:n_lines] for token in line.split()])
        table = number_lines(lines[n_lines:], columns=7)
        if len(degeneracies) != nr or len(table) != nr * n * n:
            raise ValueError(f"it has {len(table)} matrix elements instead of {nr * n * n}")
        table = table.reshape(nr, n, n, 7)  # the row index runs fastest
        return WannierHamiltonian(
            lattice_vectors=np.rint(table[:, 0, 0, :3]).astype(np.int64),
            degeneracies=degeneracies,
            hoppings_ev=(table[..., 5] + 1j * table[..., 6]).transpose(0, 2, 1),
        )


def _output(text: str) -> WannierOutput:
    _, _, final = text.partition("Final State")
    functions = np.array([[fortran_float(token) for token in row] for row in _FUNCTION.findall(final)]).reshape(-1, 4)
    finished = "All done: wannier90 exiting" in text
    minimised = "Wannierisation convergence criteria satisfied" in text
    endless = re.search(r"Convergence window\s*:\s*-1", text) is not None
    return WannierOutput(
        finished=finished,
        disentangled=_disentangled(text),
        wannierised=None if endless and not minimised else minimised,
        centres_angstrom=functions[:, :3],
        spreads_a2=functions[:, 3],
        omega_invariant_a2=_omega(final, "I"),
        omega_diagonal_a2=_omega(final, "D"),
        omega_off_diagonal_a2=_omega(final, "OD"),
        omega_total_a2=_omega(final, "Total"),
        outer_window_ev=_window(text, "Outer"),
        frozen_window_ev=_window(text, "Inner"),
        error=_error(text),
    )


def _disentangled(text: str) -> bool | None:
    if "DISENTANGLE" not in text:
        return None
    return "Disentanglement convergence criteria satisfied" in text


def _omega(text: str, part: str) -> float | None:
    found = re.search(rf"Omega {part}\s*=\s*(\S+)", text)
    return None if found is None else fortran_float(found[1])


def _window(text: str, name: str) -> tuple[float, float] | None:
    found = re.search(rf"{name}:\s+(\S+)\s+to\s+(\S+)\s+\(eV\)", text)
    return None if found is None else (fortran_float(found[1]), fortran_float(found[2]))


def _error(text: str) -> str | None:
    _, stopped, reason = text.partition("Exiting.......")
    return " ".join(reason.split("\n", 2)[1].split()) if stopped else None
