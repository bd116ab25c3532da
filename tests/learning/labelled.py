"""A small labelled set in the form of the public ones: real crystals, made-up couplings that follow a rule."""

import gzip
import json
from pathlib import Path

from pymatgen.core import Element, Lattice, Structure

from invdesflow.eliashberg.formulas import KELVIN_PER_MEV, mcmillan_tc

METALS = ("Ti", "Zr", "Hf", "V", "Nb", "Ta", "Mo", "W", "Sc", "Y")
ANIONS = ("C", "N", "B", "P")


def coupling(metal: str, anion: str) -> tuple[float, float]:
    """Return lambda and omega_log (meV): stronger towards the middle of the d series, stiffer for light anions."""
    lambda_ = 0.45 + 0.12 * (6 - abs(6 - Element(metal).group)) + 0.1 * (anion == "N")
    return lambda_, 60.0 / Element(anion).atomic_mass ** 0.5 * 1.5


def write_labelled_set(
    path: Path, metals: tuple[str, ...] = METALS, anions: tuple[str, ...] = ANIONS
) -> dict[str, float]:
    """Write rock salts as JSON lines; return the Tc (K) of each formula at mu* = 0.10."""
    found = {}
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        for metal in metals:
            for anion in anions:
                a = 2 * (Element(metal).atomic_radius + Element(anion).atomic_radius) * 1.02
                cubic = Structure.from_spacegroup("Fm-3m", Lattice.cubic(a), [metal, anion], [[0, 0, 0], [0.5] * 3])
                crystal = cubic.get_primitive_structure()
                lambda_, omega_log_mev = coupling(metal, anion)
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
