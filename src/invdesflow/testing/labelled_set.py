"""A small labelled set in the form of the public ones: rock salts, and couplings that follow a made-up rule."""

import gzip
import json
from pathlib import Path

from pymatgen.core import Element, Lattice, Structure

from invdesflow.eliashberg.formulas import KELVIN_PER_MEV, mcmillan_tc

__all__ = ["write_labelled_set"]

METALS = ("Ti", "Zr", "Hf", "V", "Nb", "Ta", "Mo", "W", "Sc", "Y")
ANIONS = ("C", "N", "B", "P")


def write_labelled_set(
    path: Path, metals: tuple[str, ...] = METALS, anions: tuple[str, ...] = ANIONS
) -> dict[str, float]:
    """Write a set as compressed JSON lines, in the form of Alexandria's electron-phonon set.

    Parameters
    ----------
    path
        File.
    metals, anions
        Elements that are combined.

    Returns
    -------
    dict
        Reduced formula -> Tc (K) at mu* = 0.10 by McMillan's formula.
    """
    found = {}
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        for metal in metals:
            for anion in anions:
                crystal = _rock_salt(metal, anion)
                lambda_, omega_log_mev = _coupling(metal, anion)
                tc_k = float(mcmillan_tc(lambda_, omega_log_mev, 0.10))
                row = {
                    "mat_id": f"made-{metal}{anion}",
                    "lattice": crystal.lattice.matrix.tolist(),
                    "species": [site.specie.symbol for site in crystal],
                    "frac": crystal.frac_coords.tolist(),
                    "lambda_ep": lambda_,
                    "wlog_K": omega_log_mev * KELVIN_PER_MEV,
                    "Tc_K": tc_k,
                }
                lines.write(json.dumps(row) + "\n")
                found[crystal.composition.reduced_formula] = tc_k
    return found


def _rock_salt(metal: str, anion: str) -> Structure:
    a = 2.04 * (Element(metal).atomic_radius + Element(anion).atomic_radius)
    faces = Lattice([[0, a / 2, a / 2], [a / 2, 0, a / 2], [a / 2, a / 2, 0]])
    return Structure(faces, [metal, anion], [[0, 0, 0], [0.5] * 3])


def _coupling(metal: str, anion: str) -> tuple[float, float]:
    """Return lambda and omega_log (meV): stronger towards the middle of the d series, stiffer for light anions."""
    lambda_ = 0.45 + 0.12 * (6 - abs(6 - Element(metal).group)) + 0.1 * (anion == "N")
    return lambda_, 90.0 / float(Element(anion).atomic_mass) ** 0.5
