"""Isotropic Eliashberg runs of the real epw.x on any spectrum; it asks for nothing but a crystal's cell."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from invdesflow.eliashberg.spectrum import Alpha2F

__all__ = ["EpwRun", "epw_tc", "run_epw"]

_CRYSTAL = "1\n3\n3.0\n-0.5 0.0 0.5 0.0 0.5 0.5 -0.5 0.5 0.0\n-1.0 -1.0 1.0 1.0 1.0 1.0 -1.0 1.0 -1.0\n"
_INPUT = """--
&inputepw
  prefix = 'crystal', outdir = './', dvscf_dir = './', amass(1) = 26.98
  elph = .false., ep_coupling = .false., epwread = .true., epbread = .false., kmaps = .true.
  wannierize = .false., nbndsub = 1
  eliashberg = .true., liso = .true., limag = .true., lpade = {pade}, npade = {npade}
  nsiter = 2000, conv_thr_iaxis = {threshold}
  wscut = {cutoff_ev}, muc = {mu_star}, nqstep = {points}, nstemp = 1, temps = {temperature_k}, fila2f = 'spectrum'
  nk1 = 1, nk2 = 1, nk3 = 1, nq1 = 1, nq2 = 1, nq3 = 1, nkf1 = 1, nkf2 = 1, nkf3 = 1, nqf1 = 1, nqf2 = 1, nqf3 = 1
/
"""
_VANISHED_MEV = 1e-6


@dataclass(frozen=True, slots=True)
class EpwRun:
    """One run of epw.x at one temperature.

    Attributes
    ----------
    output
        What it printed.
    folder
        Where it ran; the next run in the same folder replaces its files.
    """

    output: str
    folder: Path

    @property
    def gap_mev(self) -> float | None:
        """Gap at the first Matsubara frequency in meV; None where it has vanished."""
        iterations, found, _ = self.output.partition("Convergence was reached")
        gaps = re.findall(r"^ +\d+ +\S+ +\S+ +([-\d.E+]+)$", iterations, re.MULTILINE)
        return float(gaps[-1]) if found and float(gaps[-1]) > _VANISHED_MEV else None

    @property
    def gap_edge_mev(self) -> float:
        """Energy in meV at which the real part of the gap on the real axis meets the energy."""
        energies, gaps = self.real_axis()
        crossing = int(np.argmax(gaps < energies))
        excess = gaps - energies
        share = excess[crossing - 1] / (excess[crossing - 1] - excess[crossing])
        return float(energies[crossing - 1] + share * (energies[crossing] - energies[crossing - 1]))

    @property
    def lambda_(self) -> float:
        """Coupling strength."""
        return self._number(r"Electron-phonon coupling strength = +(\S+)")

    @property
    def omega_log_mev(self) -> float:
        """Logarithmic average in meV."""
        return self._number(r"Estimated w_log in Allen-Dynes Tc = +(\S+)")

    @property
    def allen_dynes_tc_k(self) -> float:
        """What epw.x 5.3 calls the Allen-Dynes Tc, in K: McMillan's formula."""
        return self._number(r"Estimated Allen-Dynes Tc = +(\S+)")

    def real_axis(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Energies and real parts of the gap in meV, shape (n,) each, by the Pade approximants of epw.x."""
        (path,) = self.folder.glob("crystal.pade_iso_*")
        energies, gaps = 1000.0 * np.loadtxt(path, skiprows=1, usecols=(0, 3), unpack=True)
        return energies, gaps

    def _number(self, pattern: str) -> float:
        match = re.search(pattern, self.output)
        if match is None:
            raise ValueError(f"epw.x did not print {pattern}: {self.output[-1000:]}")
        return float(match[1])


def run_epw(
    folder: Path,
    spectrum: Alpha2F,
    mu_star: float,
    cutoff_mev: float,
    temperature_k: float,
    *,
    npade: int | None = 40,
    threshold: float = 1e-7,
) -> EpwRun:
    """Solve the equations at one temperature with epw.x.

    Parameters
    ----------
    folder
        Where to run; it is made if need be.
    spectrum
        Spectral function on the energies i * d, i = 1, 2, ..., which epw.x assumes.
    mu_star, cutoff_mev
        Its muc and its wscut, in meV.
    temperature_k
        Temperature in K.
    npade
        Share of the Matsubara frequencies for the Pade approximants in per cent; None for none.
    threshold
        Its conv_thr_iaxis; 1e-5 where it is left out of an input.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for older in folder.glob("crystal.pade_iso_*"):
        older.unlink()
    (folder / "crystal.fmt").write_text(_CRYSTAL)
    np.savetxt(folder / "spectrum", np.column_stack([spectrum.energies_mev, spectrum.values]), header="w", fmt="%.12f")
    text = _INPUT.format(
        pade=".false." if npade is None else ".true.",
        npade=npade or 40,
        threshold=threshold,
        cutoff_ev=cutoff_mev / 1000.0,
        mu_star=mu_star,
        points=len(spectrum.values),
        temperature_k=f"{temperature_k:.8f}",
    )
    ended = subprocess.run(
        ["epw.x"],  # noqa: S607 - the one on the PATH is meant
        input=text,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    return EpwRun(ended.stdout, folder)


def epw_tc(
    folder: Path,
    spectrum: Alpha2F,
    mu_star: float,
    cutoff_mev: float,
    *,
    bracket_k: tuple[float, float],
    tolerance_k: float,
    threshold: float = 1e-7,
) -> float:
    """Bisect for the temperature in K at which the gap of epw.x vanishes; for the parameters see `run_epw`.

    Raises
    ------
    ValueError
        If there is no gap at the lower end of the bracket, or one at the upper end.
    """

    def has_gap(temperature_k: float) -> bool:
        run = run_epw(folder, spectrum, mu_star, cutoff_mev, temperature_k, npade=None, threshold=threshold)
        return run.gap_mev is not None

    low, high = bracket_k
    if not has_gap(low) or has_gap(high):
        raise ValueError(f"Tc does not lie between {low} and {high} K")
    while high - low > tolerance_k:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if has_gap(middle) else (low, middle)
    return 0.5 * (low + high)
