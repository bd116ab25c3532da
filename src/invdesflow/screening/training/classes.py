"""The crystals that the classifier learns from, and what each of them is."""

import csv
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Lattice, Structure

from invdesflow.eliashberg.formulas import KELVIN_PER_MEV, allen_dynes_tc
from invdesflow.errors import ModelError
from invdesflow.screening.description import CrystalDescription
from invdesflow.screening.training.electron_phonon_data import LARGEST_LAMBDA, SMALLEST_OMEGA_MEV

__all__ = ["KINDS", "MOST_SITES", "MU_STAR", "Crystal", "kinds_of", "read_crystals"]

KINDS = ("superconductor", "metal", "insulator", "magnet", "conductor")
"""Positives; the three kinds of true negative; and what only the pre-training sees."""
MOST_SITES = 8
"""Largest crystal that is taken from the Materials Project."""
MU_STAR = 0.10
HIGH_TC_K, LOW_TC_K = 5.0, 0.1
GAP_EV = 1.0
CALCULATED_MOMENT, PREDICTED_MOMENT, NO_MOMENT = 0.3, 1.0, 0.3
"""Largest moment of a site, Bohr magnetons: from DFT, and predicted, at which a crystal counts as a magnet; and below
which a prediction counts as none. CHGNet sees more than 0.5 in 4 % of the crystals that have none in DFT, more than
1.0 in 0.7 %."""

DATA_SETS = ("alexandria", "jarvis", "materials-project")


@dataclass(frozen=True)
class Crystal:
    """One crystal of a data set.

    Parameters
    ----------
    data_set
        One of `DATA_SETS`.
    structure
        Crystal.
    formula
        Reduced formula.
    tc_k
        Calculated Tc at `MU_STAR`, K; NaN where there is none or it means nothing.
    gap_ev
        Calculated band gap, eV; NaN where unknown. That of the crystals with a calculated coupling is 0.
    moment
        Largest calculated magnetic moment of a site, Bohr magnetons; NaN where unknown.
    checked
        Whether it is one of the 105 superconductors of the InvDesFlow paper.
    """

    data_set: str
    structure: Structure
    formula: str
    tc_k: float = nan
    gap_ev: float = nan
    moment: float = nan
    checked: bool = False


def read_crystals(data: Mapping[str, Path]) -> list[Crystal]:
    """Read the data sets; crystals of the Materials Project with more than `MOST_SITES` sites are left out.

    Parameters
    ----------
    data
        Path by name of the data set.

    Raises
    ------
    ModelError
        If a name is unknown or a file cannot be read.
    """
    readers = {"alexandria": _alexandria, "jarvis": _jarvis, "materials-project": _materials_project}
    unknown = sorted(data.keys() - readers.keys())
    if unknown:
        raise ModelError(f"there is no data set {unknown[0]}.", f"Known are {', '.join(readers)}.")
    try:
        return [crystal for name in DATA_SETS if name in data for crystal in readers[name](data[name])]
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"the training data cannot be read: {error!r}.") from error


def _crystal(data_set: str, structure: Structure, **known: Any) -> Crystal:
    return Crystal(data_set, structure, structure.composition.reduced_formula, **known)


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _structure(row: Mapping[str, Any]) -> Structure:
    return Structure(Lattice(row["lattice"]), row["species"], row["frac"])


def _alexandria(path: Path) -> Iterator[Crystal]:
    for row in _json_lines(path):
        moment = float(np.abs(row["magmom"]).max())
        yield _crystal("alexandria", _structure(row), tc_k=row["Tc_K"], gap_ev=0.0, moment=moment)


def _jarvis(path: Path) -> Iterator[Crystal]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["poscar"]]
    for row in rows:
        structure = Structure.from_str(row["poscar"].replace("\\n", "\n"), fmt="poscar")
        coupling, frequency = float(row["lambda_ep"]), float(row["wlog_K"]) / KELVIN_PER_MEV
        sound = 0 < coupling <= LARGEST_LAMBDA and frequency >= SMALLEST_OMEGA_MEV
        yield _crystal(
            "jarvis",
            structure,
            tc_k=float(allen_dynes_tc(coupling, frequency, frequency, MU_STAR)) if sound else nan,
            gap_ev=float(row["optb88_gap"]) if row["optb88_gap"] else nan,
            moment=abs(float(row["magmom"])) if row["magmom"] else nan,
            checked=row["in_invdesflow_105"] == "True",
        )


def _materials_project(path: Path) -> Iterator[Crystal]:
    for row in _json_lines(path):
        if len(row["species"]) > MOST_SITES:
            continue
        gap = nan if row["band_gap"] is None else float(row["band_gap"])
        yield _crystal("materials-project", _structure(row), gap_ev=gap)


def kinds_of(crystals: Sequence[Crystal], descriptions: Sequence[CrystalDescription | str]) -> NDArray[np.str_]:
    """Tell what each crystal is, one of `KINDS` or "" for neither.

    superconductor
        One of the checked 105, or a calculated Tc of at least 5 K and no magnet.
    metal
        A calculated Tc below 0.1 K and no magnet.
    insulator
        A band gap of at least 1 eV, magnetic or not.
    magnet
        A largest moment of at least 0.3 Bohr magnetons in DFT, or 1.0 predicted by CHGNet where DFT's is unknown, and
        a gap that is smaller or unknown.
    conductor
        Everything else that is known to have a gap below 1 eV and no moment: a calculated Tc between, or a crystal
        without calculated Tc.

    Where DFT's moment is unknown, a crystal with a predicted moment between 0.3 and 1.0, and one with a larger
    prediction whose formula has a calculated coupling, are neither.
    """
    coupled = {crystal.formula for crystal in crystals if crystal.data_set != "materials-project"}
    return np.array(
        [_kind(crystal, one, crystal.formula in coupled) for crystal, one in zip(crystals, descriptions, strict=True)]
    )


def _kind(crystal: Crystal, description: CrystalDescription | str, coupled: bool) -> str:
    if crystal.checked:
        return "superconductor"
    if crystal.gap_ev >= GAP_EV:
        return "insulator"
    magnetic = _is_magnetic(crystal, description, coupled)
    if magnetic is not False:
        return "magnet" if magnetic else ""
    if crystal.tc_k >= HIGH_TC_K:
        return "superconductor"
    if crystal.tc_k < LOW_TC_K:
        return "metal"
    return "conductor" if crystal.gap_ev < GAP_EV else ""


def _is_magnetic(crystal: Crystal, description: CrystalDescription | str, coupled: bool) -> bool | None:
    """Tell whether a crystal is a magnet, or None if that is uncertain."""
    if not np.isnan(crystal.moment):
        return crystal.moment >= CALCULATED_MOMENT
    if isinstance(description, str):
        return None
    predicted = float(np.abs(description.magnetic_moments).max())
    if predicted < NO_MOMENT:
        return False
    return True if predicted >= PREDICTED_MOMENT and not coupled else None
