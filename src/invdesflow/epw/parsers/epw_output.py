"""The standard output of epw.x.

EPW 5.3 to 6 print the same lines but for the critical temperature: what 5.3 calls "Allen-Dynes" is McMillan's formula
with omega_log and without Allen and Dynes' factors f1 and f2, and newer versions call it so. epw.x never prints JOB
DONE; a run that ended well mentions its file EPW.bib. wannier90 can stop the whole program with return code 0.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from invdesflow.espresso.parsers.text import (
    FloatArray,
    error_message,
    fortran_float,
    last_float,
    number_lines,
    read_text,
    reading,
)
from invdesflow.espresso.parsers.timing import Timing, read_timings

__all__ = ["EliashbergCycle", "EpwOutput", "read_epw_output"]

_TEMPERATURE = re.compile(r"temp\(\s*\d+\)\s*=\s*(\S+)\s*K")
_ITERATION = re.compile(r"^\s+\d+(?:\s+[-+]?(?:\d\.\d+(?:E?[-+]\d+)|NaN|Infinity)){3,5}\s*$", re.MULTILINE)
_REAL_AXIS = re.compile(r"Pade approximant of|Analytic continuation of")
_WANNIER = re.compile(r"^\s*\(\s*(\S+)\s+(\S+)\s+(\S+)\)\s*:\s*(\S+)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class EliashbergCycle:
    """The self-consistent solution of the Eliashberg equations at one temperature, on the imaginary axis.

    Attributes
    ----------
    temperature_k
        Temperature in K.
    equations
        ``isotropic`` or ``anisotropic``.
    n_matsubara
        Positive Matsubara frequencies; None if not printed.
    iterations
        Relative change, Z and Delta in meV at the first Matsubara frequency (averaged over the Fermi surface if
        anisotropic): shape (iterations, 3).
    converged
        What epw.x says; False also if it was cut off. Above Tc it can be True or False, with a gap that tends to 0.
    pade_gap_mev
        Delta after the continuation to the real axis in meV; None if there is none, or it is not a number.
    """

    temperature_k: float
    equations: Literal["isotropic", "anisotropic"]
    n_matsubara: int | None
    iterations: FloatArray
    converged: bool
    pade_gap_mev: float | None

    @property
    def gap_mev(self) -> float | None:
        """Delta at the first Matsubara frequency in meV; None unless converged."""
        return float(self.iterations[-1, 2]) if self.converged and len(self.iterations) else None


@dataclass(frozen=True, slots=True)
class EpwOutput:
    """What a run of epw.x printed.

    Attributes
    ----------
    version
        Version of EPW.
    finished
        Whether it came to its end.
    error
        The error of epw.x or of wannier90 in it; None if there is none.
    lambda_
        Electron-phonon coupling strength, of the spectral function with the smallest smearing; None without Eliashberg.
    mcmillan_tc_k
        McMillan's formula with omega_log, in K: "Allen-Dynes Tc" in EPW 5.3; None without Eliashberg.
    mu_star
        Coulomb pseudopotential of that estimate, ``muc``.
    omega_log_mev
        Logarithmic average of the phonon frequencies in meV.
    bcs_gap_mev
        1.76 k_B Tc of that estimate, where the iterations start.
    dos_per_ev_spin_cell
        N(E_F) on the fine mesh: states per eV, spin and cell.
    coarse_fermi_energy_ev
        Fermi energy of pw.x in eV.
    fine_fermi_energy_ev
        Fermi energy on the fine mesh in eV.
    wannier_centres_alat
        Cartesian, in units of the lattice parameter: shape (n_wannier, 3), empty if not made in this run.
    wannier_spreads_a2
        Angstrom^2, shape (n_wannier,), empty if not made in this run.
    cycles
        Eliashberg equations, one for each temperature that was begun.
    timings
        Clock -> times of the run, such as ``EPW`` (all), ``WANNIER``, ``ephwann``, ``ELIASHBERG``.
    """

    version: str
    finished: bool
    error: str | None
    lambda_: float | None
    mcmillan_tc_k: float | None
    mu_star: float | None
    omega_log_mev: float | None
    bcs_gap_mev: float | None
    dos_per_ev_spin_cell: float | None
    coarse_fermi_energy_ev: float | None
    fine_fermi_energy_ev: float | None
    wannier_centres_alat: FloatArray
    wannier_spreads_a2: FloatArray
    cycles: list[EliashbergCycle]
    timings: dict[str, Timing]


def read_epw_output(path: Path) -> EpwOutput:
    """Read ``epw.out``.

    Raises
    ------
    EspressoError
        If the file is missing or empty or not of epw.x.
    """
    with reading(path, "an output of epw.x"):
        return _output(read_text(path))


def _output(text: str) -> EpwOutput:
    version = re.search(r"Program EPW\s+v\.?\s*(\S+)", text)
    if version is None:
        raise ValueError("epw.x has not signed it")
    finished = re.search(r"EPW\.bib\s+file", text) is not None
    wannier = np.array([[fortran_float(token) for token in row] for row in _wannier_functions(text)]).reshape(-1, 4)
    return EpwOutput(
        version=version[1],
        finished=finished,
        error=error_message(text) or _wannier90_error(text),
        lambda_=last_float(text, "Electron-phonon coupling strength"),
        mcmillan_tc_k=last_float(text, r"Estimated (?:Allen-Dynes Tc|Tc using McMillan expression)"),
        mu_star=last_float(text, r"K for muc"),
        omega_log_mev=last_float(text, r"Estimated w_log(?: in Allen-Dynes Tc)?"),
        bcs_gap_mev=last_float(text, r"Estimated BCS superconducting gap(?: using McMillan Tc)?"),
        dos_per_ev_spin_cell=last_float(text, r"DOS\(states/spin/eV/Unit Cell\)"),
        coarse_fermi_energy_ev=last_float(text, "Fermi energy coarse grid"),
        fine_fermi_energy_ev=last_float(text, "Fermi energy is calculated from the fine k-mesh: Ef"),
        wannier_centres_alat=wannier[:, :3],
        wannier_spreads_a2=wannier[:, 3],
        cycles=_cycles(text),
        timings=read_timings(text),
    )


def _wannier_functions(text: str) -> list[tuple[str, ...]]:
    _, _, after = text.partition("Wannier Function centers (cartesian, alat) and spreads")
    return _WANNIER.findall(after.partition("-----")[0])


def _wannier90_error(text: str) -> str | None:
    found = re.search(r"^(.*)\n\s*Error: examine the output/error file for details", text, re.MULTILINE)
    return None if found is None else f"wannier90: {found[1].strip()}"


def _cycles(text: str) -> list[EliashbergCycle]:
    _, *parts = _TEMPERATURE.split(text)
    return [_cycle(fortran_float(parts[i]), parts[i + 1]) for i in range(0, len(parts), 2)]


def _cycle(temperature_k: float, block: str) -> EliashbergCycle:
    imaginary, *real = _REAL_AXIS.split(block)
    matsubara = re.search(r"frequency points nsiw\(\s*\d+\)\s*=\s*(\d+)", imaginary)
    lines = [found.group() for found in _ITERATION.finditer(imaginary)]
    iterations = number_lines(lines) if lines else np.empty((0, 4))
    return EliashbergCycle(
        temperature_k=temperature_k,
        equations="anisotropic" if "anisotropic Eliashberg" in imaginary else "isotropic",
        n_matsubara=None if matsubara is None else int(matsubara[1]),
        iterations=iterations[:, 1:4],
        converged="Convergence was reached in nsiter" in imaginary,
        pade_gap_mev=_pade_gap_mev(real[0]) if real else None,
    )


def _pade_gap_mev(block: str) -> float | None:
    found = re.search(r"pade\s+Re\[znorm\]\s+Re\[delta\] \[meV\]\s+\d+\s+\S+\s+(\S+)", block)
    gap = math.nan if found is None else fortran_float(found[1])
    return None if math.isnan(gap) else gap
