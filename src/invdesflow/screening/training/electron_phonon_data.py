"""Readers of the two public electron-phonon data sets for training."""

import csv
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from math import nan
from pathlib import Path

from pymatgen.core import Lattice, Structure

from invdesflow.eliashberg.formulas import KELVIN_PER_MEV
from invdesflow.errors import ModelError

__all__ = ["Compound", "read_alexandria", "read_jarvis"]

LARGEST_LAMBDA, SMALLEST_OMEGA_MEV = 3.5, 4.0
"""Beyond these a lattice is on the verge of instability, and its harmonic coupling says nothing."""


@dataclass(frozen=True)
class Compound:
    """One calculated superconductor.

    Parameters
    ----------
    structure
        Crystal.
    lambda_, omega_log_mev
        Coupling strength and logarithmic average frequency (meV).
    tc_k
        Published Tc at mu* = 0.10, K; NaN where the set used another mu*.
    dos_per_atom
        Density of states at the Fermi level, states/eV/atom; NaN where unknown.
    debye_k
        Debye temperature, K; NaN where unknown.
    """

    structure: Structure
    lambda_: float
    omega_log_mev: float
    tc_k: float = nan
    dos_per_atom: float = nan
    debye_k: float = nan


def read_alexandria(path: Path) -> Iterator[Compound]:
    """Read the Alexandria electron-phonon set (JSON lines, gzip); its Tc is Allen and Dynes' at mu* = 0.10.

    Raises
    ------
    ModelError
        If the file cannot be read.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
    except (OSError, ValueError) as error:
        raise ModelError(f"the training data {path} cannot be read: {error}.") from error
    for row in rows:
        yield Compound(
            structure=Structure(Lattice(row["lattice"]), row["species"], row["frac"]),
            lambda_=row["lambda_ep"],
            omega_log_mev=row["wlog_K"] / KELVIN_PER_MEV,
            tc_k=row["Tc_K"],
            # A few densities of states in the file are below zero, which no density can be.
            dos_per_atom=row["dos_ef"] / len(row["species"]) if row["dos_ef"] > 0 else nan,
            debye_k=row["debye_K"],
        )


def read_jarvis(path: Path) -> Iterator[Compound]:
    """Read JARVIS supercon_3d (CSV, gzip); its Tc belongs to mu* = 0.085 and is left out.

    Rows without a positive lambda, and those beyond `LARGEST_LAMBDA` and `SMALLEST_OMEGA_MEV`, are left out.

    Raises
    ------
    ModelError
        If the file cannot be read.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
            rows = [row for row in csv.DictReader(lines) if row["poscar"]]
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"the training data {path} cannot be read: {error!r}.") from error
    for row in rows:
        coupling, frequency = float(row["lambda_ep"]), float(row["wlog_K"]) / KELVIN_PER_MEV
        if 0 < coupling <= LARGEST_LAMBDA and frequency >= SMALLEST_OMEGA_MEV:
            structure = Structure.from_str(row["poscar"].replace("\\n", "\n"), fmt="poscar")
            yield Compound(structure=structure, lambda_=coupling, omega_log_mev=frequency)
