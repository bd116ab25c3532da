"""The superconducting gap as epw.x writes it, one file for each temperature.

Names end in the temperature, ``%06.2f``: two temperatures that agree to 0.005 K overwrite each other's files.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from invdesflow.epw.parsers.tables import named_columns, table_after_head
from invdesflow.espresso.parsers.text import FloatArray, number_lines, read_text, reading

__all__ = [
    "AnisotropicGap",
    "GapDistribution",
    "GapFunction",
    "QuasiparticleDos",
    "RealAxisGap",
    "read_anisotropic_gap",
    "read_free_energy",
    "read_gap_distribution",
    "read_gap_function",
    "read_quasiparticle_dos",
    "read_real_axis_gap",
    "temperature_suffix",
]

_EV_MEV = 1e3
_TEMPERATURE = re.compile(r"\d{3,}\.\d\d$")
_ROUNDING_K = 0.0051


@dataclass(frozen=True, slots=True)
class GapFunction:
    """``imag_iso_T``: solution of the isotropic equations on the imaginary axis.

    Attributes
    ----------
    omega_ev
        Positive Matsubara frequencies in eV, shape (n,).
    z
        Mass renormalisation Z, shape (n,).
    delta_mev
        Gap in meV, shape (n,).
    """

    omega_ev: FloatArray
    z: FloatArray
    delta_mev: FloatArray


@dataclass(frozen=True, slots=True)
class AnisotropicGap:
    """``imag_aniso_T``: solution of the anisotropic equations on the imaginary axis.

    Attributes
    ----------
    omega_ev
        Positive Matsubara frequencies in eV, shape (n,).
    energies_ev
        Energies of the states in the Fermi window, relative to the Fermi energy, shape (states,).
    z
        Mass renormalisation Z, shape (n, states).
    delta_mev
        Gap in meV, shape (n, states). States with no partner on the mesh have a gap of practically 0.
    """

    omega_ev: FloatArray
    energies_ev: FloatArray
    z: FloatArray
    delta_mev: FloatArray


@dataclass(frozen=True, slots=True)
class RealAxisGap:
    """``pade_iso_T``: the isotropic gap on the real axis.

    Attributes
    ----------
    omega_ev
        Frequencies in eV, shape (n,).
    z
        Complex mass renormalisation, shape (n,).
    delta_mev
        Complex gap in meV, shape (n,). A failed continuation is full of NaN.
    """

    omega_ev: FloatArray
    z: NDArray[np.complex128]
    delta_mev: NDArray[np.complex128]

    @property
    def gap_edge_mev(self) -> float | None:
        """The lowest frequency at which Re Delta(omega) = omega, in meV; None if there is none on the mesh."""
        distance = self.delta_mev.real - self.omega_ev * _EV_MEV
        if not np.isfinite(distance).all():
            return None
        (below,) = np.nonzero((distance[:-1] > 0) & (distance[1:] <= 0))
        if distance[0] <= 0 or not below.size:
            return None
        first = below[0]
        share = distance[first] / (distance[first] - distance[first + 1])
        return float(_EV_MEV * (self.omega_ev[first] + share * (self.omega_ev[first + 1] - self.omega_ev[first])))


@dataclass(frozen=True, slots=True)
class GapDistribution:
    """``imag_aniso_gap0_T`` or ``pade_aniso_gap0_T``: how often each gap occurs on the Fermi surface.

    Attributes
    ----------
    temperature_k
        Temperature in K.
    gap_mev
        Gap in meV, shape (n,).
    density
        States with this gap, weighted by their nearness to the Fermi energy; the largest is 1: shape (n,).
    """

    temperature_k: float
    gap_mev: FloatArray
    density: FloatArray

    @property
    def mean_mev(self) -> float:
        """Average over the Fermi surface in meV."""
        return float(np.average(self.gap_mev, weights=self.density))

    def range_mev(self, threshold: float = 1e-2) -> tuple[float, float]:
        """Find the smallest and the largest gap whose density exceeds a share of the largest density, in meV."""
        present = self.gap_mev[self.density > threshold]
        return float(present.min()), float(present.max())


@dataclass(frozen=True, slots=True)
class QuasiparticleDos:
    """``qdos_T``: the density of states of the superconductor.

    Attributes
    ----------
    omega_ev
        Energy above the Fermi level in eV, shape (n,).
    ratio
        N_S(omega) / N_F, shape (n,).
    """

    omega_ev: FloatArray
    ratio: FloatArray


def temperature_suffix(temperature_k: float) -> str:
    """Write a temperature as epw.x does in the names of its files: ``002.00``."""
    return f"{temperature_k:06.2f}"


def read_gap_function(path: Path) -> GapFunction:
    """Read ``PREFIX.imag_iso_T``.

    Raises
    ------
    EspressoError
        If the file is missing, cut within a line, or of another kind.
    """
    with reading(path, "a gap on the imaginary axis of epw.x"):
        omega, z, delta = named_columns(path, ["w", "znorm(w)", "delta(w)"])
        if (np.diff(omega) <= 0).any():
            raise ValueError("its frequencies do not rise")
        return GapFunction(omega, z, delta * _EV_MEV)


def read_anisotropic_gap(path: Path) -> AnisotropicGap:
    """Read ``PREFIX.imag_aniso_T``.

    Raises
    ------
    EspressoError
        If the file is missing, cut, or of another kind.
    """
    with reading(path, "an anisotropic gap on the imaginary axis of epw.x"):
        omega, energy, z, delta = named_columns(path, ["w", "Enk-Ef", "znorm(w)", "delta(w)"])
        frequencies = np.unique(omega)
        if len(omega) % len(frequencies):
            raise ValueError("not every frequency has the same states")
        shape = (len(frequencies), -1)
        energies = energy.reshape(shape)
        if np.ptp(omega.reshape(shape), axis=1).any() or np.ptp(energies, axis=0).any():
            raise ValueError("not every frequency has the same states")
        return AnisotropicGap(frequencies, energies[0], z.reshape(shape), delta.reshape(shape) * _EV_MEV)


def read_real_axis_gap(path: Path) -> RealAxisGap:
    """Read ``PREFIX.pade_iso_T``.

    Raises
    ------
    EspressoError
        If the file is missing, cut within a line, or of another kind.
    """
    with reading(path, "a gap on the real axis of epw.x"):
        names = ["w", "Re[znorm(w)]", "Im[znorm(w)]", "Re[delta(w)]", "Im[delta(w)]"]
        omega, z_real, z_imaginary, real, imaginary = named_columns(path, names)
        return RealAxisGap(omega, z_real + 1j * z_imaginary, _EV_MEV * real + 1j * _EV_MEV * imaginary)


def read_gap_distribution(path: Path) -> GapDistribution:
    """Read ``PREFIX.imag_aniso_gap0_T`` or ``PREFIX.pade_aniso_gap0_T``.

    The first column is meant for plotting gaps against temperature: it is the temperature plus the density, scaled to a
    largest value of 1, which gives the temperature back. The name of the file confirms it.

    Raises
    ------
    EspressoError
        If the file is missing, cut within a line, or of another kind.
    """
    with reading(path, "a distribution of gaps of epw.x"):
        table = table_after_head(path, r"\rho(delta_nk)")
        temperature = table[:, 0].max() - 1.0
        density = table[:, 0] - temperature
        named = _TEMPERATURE.search(path.name)
        if density.min() < -1e-6 or (named and abs(float(named[0]) - temperature) > _ROUNDING_K):
            raise ValueError("its first column is not its temperature plus a density of at most 1")
        return GapDistribution(float(temperature), table[:, 1], density.clip(min=0.0))


def read_quasiparticle_dos(path: Path) -> QuasiparticleDos:
    """Read ``PREFIX.qdos_T``.

    Raises
    ------
    EspressoError
        If the file is missing, cut within a line, or of another kind.
    """
    with reading(path, "a quasiparticle density of states of epw.x"):
        return QuasiparticleDos(*named_columns(path, ["w", "N_S/N_F"]))


def read_free_energy(path: Path) -> tuple[float, float]:
    """Read ``PREFIX.fe_T``.

    Returns
    -------
    temperature_k, difference
        Temperature in K, and free energy of the superconducting minus that of the normal state as epw.x computes it
        (eV^2, for one N(E_F), from the isotropic equations); negative below Tc.

    Raises
    ------
    EspressoError
        If the file is missing or of another kind.
    """
    with reading(path, "a free energy of epw.x"):
        table = number_lines(read_text(path).splitlines(), columns=2)
        if len(table) != 1:
            raise ValueError("it has more than one line")
        return float(table[0, 0]), float(table[0, 1])
