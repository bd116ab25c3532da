r"""Eliashberg spectral functions as epw.x writes them.

All three files have the same frequencies, :math:`\omega_i = i \, d\omega`, and epw.x integrates them by
:math:`\lambda = 2 \, d\omega \sum_i \alpha^2F(\omega_i) / \omega_i`. EPW 5.9 no longer writes ``PREFIX.a2f_iso``; the
first column of ``PREFIX.a2f`` is the same.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from invdesflow.espresso.parsers.text import FloatArray, fortran_float, last_float, number_lines, read_text, reading

__all__ = [
    "ModeSpectra",
    "SmearedSpectra",
    "Spectrum",
    "integrate_lambda",
    "read_alpha2f",
    "read_alpha2f_iso",
    "read_alpha2f_proj",
]


@dataclass(frozen=True, slots=True)
class Spectrum:
    """``PREFIX.a2f_iso``.

    Attributes
    ----------
    omega_mev
        Frequencies in meV, shape (n,).
    alpha2f
        Shape (n,).
    """

    omega_mev: FloatArray
    alpha2f: FloatArray


@dataclass(frozen=True, slots=True)
class SmearedSpectra:
    """``PREFIX.a2f``: one spectral function for each smearing of the phonons.

    Attributes
    ----------
    omega_mev
        Frequencies in meV, shape (n,).
    smearings_mev
        Phonon smearings in meV, the smallest first, shape (smearings,).
    alpha2f
        Shape (smearings, n).
    cumulative_lambda
        Coupling by phonons up to each frequency, shape (smearings, n).
    lambda_
        Coupling strength of each smearing as printed, shape (smearings,).
    summed_lambda
        Coupling strength summed over modes and q-points, without smearing of the phonons.
    electron_smearing_ev, fermi_window_ev
        ``degaussw`` and ``fsthick`` in eV.
    """

    omega_mev: FloatArray
    smearings_mev: FloatArray
    alpha2f: FloatArray
    cumulative_lambda: FloatArray
    lambda_: FloatArray
    summed_lambda: float
    electron_smearing_ev: float
    fermi_window_ev: float


@dataclass(frozen=True, slots=True)
class ModeSpectra:
    """``PREFIX.a2f_proj``: the contribution of each phonon branch.

    Attributes
    ----------
    omega_mev
        Frequencies in meV, shape (n,).
    alpha2f
        Sum over the branches, shape (n,).
    mode_alpha2f
        Branches in the order of their frequencies, shape (modes, n).
    lambda_, summed_lambda
        Coupling strength by integration, and by summation over modes and q-points.
    """

    omega_mev: FloatArray
    alpha2f: FloatArray
    mode_alpha2f: FloatArray
    lambda_: float
    summed_lambda: float


def integrate_lambda(omega_mev: FloatArray, alpha2f: FloatArray) -> FloatArray:
    """Integrate 2 alpha2F / omega as epw.x does, over the last axis."""
    return np.asarray(2.0 * (omega_mev[1] - omega_mev[0]) * (alpha2f / omega_mev).sum(axis=-1))


def read_alpha2f_iso(path: Path) -> Spectrum:
    """Read ``PREFIX.a2f_iso``.

    Raises
    ------
    EspressoError
        If the file is missing, of another kind, or cut within a line. It has no end mark.
    """
    with reading(path, "a spectral function of epw.x"):
        table, _ = _table(path)
        if table.shape[1] != 2:
            raise ValueError("it has more columns than frequency and alpha2F")
        return Spectrum(table[:, 0], table[:, 1])


def read_alpha2f(path: Path) -> SmearedSpectra:
    """Read ``PREFIX.a2f``.

    Raises
    ------
    EspressoError
        If the file is missing, truncated or of another kind.
    """
    with reading(path, "spectral functions of epw.x"):
        table, foot = _table(path)
        lambdas, smearings = _footer(foot, "Integrated el-ph coupling"), _footer(foot, r"Phonon smearing \(meV\)")
        n = len(smearings)
        if len(lambdas) != n or table.shape[1] != 1 + 2 * n:
            raise ValueError(f"it has {table.shape[1]} columns for {n} smearings")
        return SmearedSpectra(
            omega_mev=table[:, 0],
            smearings_mev=smearings,
            alpha2f=table[:, 1 : 1 + n].T,
            cumulative_lambda=table[:, 1 + n :].T,
            lambda_=lambdas,
            summed_lambda=_required(foot, "Summed el-ph coupling"),
            electron_smearing_ev=_required(foot, r"Electron smearing \(eV\)"),
            fermi_window_ev=_required(foot, r"Fermi window \(eV\)"),
        )


def read_alpha2f_proj(path: Path) -> ModeSpectra:
    """Read ``PREFIX.a2f_proj``.

    Raises
    ------
    EspressoError
        If the file is missing, truncated or of another kind.
    """
    with reading(path, "spectral functions of phonon branches of epw.x"):
        table, foot = _table(path)
        return ModeSpectra(
            omega_mev=table[:, 0],
            alpha2f=table[:, 1],
            mode_alpha2f=table[:, 2:].T,
            lambda_=_required(foot, "lambda_int"),
            summed_lambda=_required(foot, "lambda_sum"),
        )


def _table(path: Path) -> tuple[FloatArray, str]:
    head, _, body = read_text(path).partition("\n")
    if "w[meV]" not in head:
        raise ValueError("its first line names no columns")
    rows = re.match(r"(?:[ \t]*[-+.\d][-+.\dEeNna \t]*(?:\n|$))*", body)
    numbers = rows.group() if rows else ""
    table = number_lines(numbers.splitlines())
    steps = table[:, 0] / np.arange(1, len(table) + 1)
    if len(table) < 2 or np.ptp(steps) > 1e-3 * steps[-1]:
        raise ValueError("its frequencies are not multiples of the first one")
    return table, body[len(numbers) :]


def _footer(foot: str, label: str) -> FloatArray:
    found = re.search(label + r"\s*\n\s*#(.*)", foot)
    if found is None:
        raise ValueError(f"its end is missing: no {label}".replace("\\", ""))
    return np.array([fortran_float(token) for token in found[1].split()])


def _required(foot: str, label: str) -> float:
    found = last_float(foot, label)
    if found is None:
        raise ValueError(f"its end is missing: no {label}".replace("\\", ""))
    return found
