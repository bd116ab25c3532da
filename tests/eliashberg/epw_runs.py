"""Isotropic Eliashberg runs of the real epw.x on any spectrum; it asks for nothing but a crystal's cell."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from invdesflow.eliashberg.spectrum import Alpha2F

needs_epw = pytest.mark.skipif(shutil.which("epw.x") is None, reason="epw.x is not installed")

_CRYSTAL = "1\n3\n3.0\n-0.5 0.0 0.5 0.0 0.5 0.5 -0.5 0.5 0.0\n-1.0 -1.0 1.0 1.0 1.0 1.0 -1.0 1.0 -1.0\n"
_INPUT = """--
&inputepw
  prefix = 'crystal', outdir = './', dvscf_dir = './', amass(1) = 26.98
  elph = .false., ep_coupling = .false., epwread = .true., epbread = .false., kmaps = .true.
  wannierize = .false., nbndsub = 1
  eliashberg = .true., liso = .true., limag = .true., lpade = .true., npade = {npade}
  nsiter = 2000, conv_thr_iaxis = 1d-7
  wscut = {cutoff_ev}, muc = {mu_star}, nqstep = {points}, nstemp = 1, temps = {temperature_k}, fila2f = 'spectrum'
  nk1 = 1, nk2 = 1, nk3 = 1, nq1 = 1, nq2 = 1, nq3 = 1, nkf1 = 1, nkf2 = 1, nkf3 = 1, nqf1 = 1, nqf2 = 1, nqf3 = 1
/
"""


@dataclass(frozen=True)
class EpwRun:
    """What epw.x printed."""

    output: str

    @property
    def gap_mev(self) -> float | None:
        """Gap at the first Matsubara frequency; None where it has vanished."""
        rows = re.findall(
            r"^ +\d+ +\S+ +\S+ +([-\d.E+]+)$", self.output.split("Convergence was reached")[0], re.MULTILINE
        )
        converged = "Convergence was reached" in self.output
        return float(rows[-1]) if converged and float(rows[-1]) > 1e-6 else None

    @property
    def pade_gap_mev(self) -> float:
        """Real part of the gap on the real axis close to zero energy."""
        return self._number(r"Re\[delta\] \[meV\]\s+\d+\s+\S+\s+(\S+)")

    def first_energy_mev(self, folder: Path) -> float:
        return float(_real_axis(folder)[0, 0])

    def gap_edge_mev(self, folder: Path) -> float:
        """Energy at which the real part of the gap meets the energy, from the file of the run."""
        energies, gaps = _real_axis(folder).T
        crossing = int(np.argmax(gaps < energies))
        excess = gaps - energies
        share = excess[crossing - 1] / (excess[crossing - 1] - excess[crossing])
        return float(energies[crossing - 1] + share * (energies[crossing] - energies[crossing - 1]))

    @property
    def lambda_(self) -> float:
        return self._number(r"Electron-phonon coupling strength = +(\S+)")

    @property
    def omega_log_mev(self) -> float:
        return self._number(r"Estimated w_log in Allen-Dynes Tc = +(\S+)")

    @property
    def allen_dynes_tc_k(self) -> float:
        return self._number(r"Estimated Allen-Dynes Tc = +(\S+)")

    def _number(self, pattern: str) -> float:
        match = re.search(pattern, self.output)
        assert match, self.output[-2000:]
        return float(match[1])


def _real_axis(folder: Path) -> np.ndarray:
    """Energies and real parts of the gap in meV, from the only file that Pade approximants were written to."""
    (path,) = folder.glob("crystal.pade_iso_*")
    return 1000.0 * np.loadtxt(path, skiprows=1)[:, [0, 3]]


def run_epw(
    folder: Path, spectrum: Alpha2F, mu_star: float, cutoff_mev: float, temperature_k: float, npade: int = 40
) -> EpwRun:
    """Solve the equations at one temperature with epw.x; the grid of the spectrum must be i * d, i = 1, 2, ..."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "crystal.fmt").write_text(_CRYSTAL)
    np.savetxt(
        folder / "spectrum", np.column_stack([spectrum.energies_mev, spectrum.values]), header="w a2f", fmt="%.12f"
    )
    text = _INPUT.format(
        npade=npade,
        cutoff_ev=cutoff_mev / 1000.0,
        mu_star=mu_star,
        points=len(spectrum.values),
        temperature_k=f"{temperature_k:.8f}",
    )
    ended = subprocess.run(
        ["epw.x"],
        input=text,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    return EpwRun(ended.stdout)


def epw_tc(
    folder: Path, spectrum: Alpha2F, mu_star: float, cutoff_mev: float, low_k: float, high_k: float, tolerance_k: float
) -> float:
    """Bisect for the temperature at which the gap vanishes; there must be one at `low_k` and none at `high_k`."""
    assert run_epw(folder, spectrum, mu_star, cutoff_mev, low_k).gap_mev is not None
    assert run_epw(folder, spectrum, mu_star, cutoff_mev, high_k).gap_mev is None
    while high_k - low_k > tolerance_k:
        middle = 0.5 * (low_k + high_k)
        if run_epw(folder, spectrum, mu_star, cutoff_mev, middle).gap_mev is None:
            high_k = middle
        else:
            low_k = middle
    return 0.5 * (low_k + high_k)
