"""Fit the volume that each element takes in a crystal, and write the table that ships with the package.

Usage: python benchmarks/atomic_volumes.py materials_project_subset.jsonl.gz [OUTPUT.json]

Each line of the input is an object with ``lattice`` (A), ``species`` and ``ehull`` (eV/atom). The model is additive:
the volume of a cell is the sum over its atoms (Vegard's and Biltz's rule). Residuals are relative and enter through a
soft L1 loss, so that layered and porous crystals do not pull the table up. Printed errors are cross-validated: a
formula is never in both the fit and the test. For comparison the errors of two tables without a fit are printed.
"""

import argparse
import gzip
import json
from collections import Counter
from pathlib import Path

import numpy as np
from ase.data import covalent_radii
from pymatgen.core import Composition, Element
from scipy.optimize import least_squares

MAX_EHULL = 0.1
MAX_VOLUME_PER_ATOM = 60.0
MIN_CRYSTALS = 20
FOLDS = 5


def read(path: Path) -> list[tuple[dict[str, int], float]]:
    """Return (atoms by element, cell volume in A3) of every crystal near the hull that is not mostly empty."""
    crystals = []
    with gzip.open(path, "rt") as lines:
        for line in lines:
            row = json.loads(line)
            volume = abs(float(np.linalg.det(row["lattice"])))
            near_hull = row["ehull"] is not None and row["ehull"] <= MAX_EHULL
            if near_hull and volume / len(row["species"]) <= MAX_VOLUME_PER_ATOM:
                crystals.append((dict(Counter(row["species"])), volume))
    return crystals


def fit(fractions: np.ndarray, volumes: np.ndarray) -> np.ndarray:
    """Return the volume of each element (A3); `fractions` is (crystals, elements), `volumes` (crystals,) in A3/atom."""
    solution: np.ndarray = least_squares(
        lambda x: fractions @ x / volumes - 1,
        np.full(fractions.shape[1], np.median(volumes)),
        jac=lambda x: fractions / volumes[:, None],
        loss="soft_l1",
        f_scale=0.1,
        bounds=(1.0, 200.0),
    ).x
    return solution


def report(name: str, predicted: np.ndarray, volumes: np.ndarray) -> float:
    """Print the median and 90th percentile of the absolute relative error; return the median."""
    errors = np.abs(predicted / volumes - 1)
    print(f"{name:32s} median {np.median(errors):6.3f}   90th percentile {np.percentile(errors, 90):6.3f}")
    return float(np.median(errors))


def main() -> None:
    """Fit, cross-validate, print, and write the table if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("crystals", type=Path)
    parser.add_argument("output", type=Path, nargs="?")
    arguments = parser.parse_args()

    crystals = read(arguments.crystals)
    occurrences = Counter(symbol for atoms, _ in crystals for symbol in atoms)
    elements = sorted((s for s, n in occurrences.items() if n >= MIN_CRYSTALS), key=lambda s: Element(s).Z)
    crystals = [(atoms, volume) for atoms, volume in crystals if set(atoms) <= set(elements)]
    counts = np.array([[atoms.get(symbol, 0) for symbol in elements] for atoms, _ in crystals], dtype=float)
    n_atoms = counts.sum(axis=1)
    fractions, volumes = counts / n_atoms[:, None], np.array([volume for _, volume in crystals]) / n_atoms
    formulas = [Composition(atoms).reduced_formula for atoms, _ in crystals]
    order = {formula: k for k, formula in enumerate(np.random.default_rng(0).permutation(sorted(set(formulas))))}
    fold = np.array([order[formula] % FOLDS for formula in formulas])

    predicted = np.empty(len(volumes))
    for k in range(FOLDS):
        predicted[fold == k] = fractions[fold == k] @ fit(fractions[fold != k], volumes[fold != k])
    print(f"{len(volumes)} crystals, {len(elements)} elements; relative error of the volume per atom")
    median = report("fitted, cross-validated", predicted, volumes)
    molar = np.array([Element(symbol).molar_volume / 0.602214076 for symbol in elements])
    spheres = np.array([covalent_radii[Element(symbol).Z] for symbol in elements]) ** 3
    for name, unscaled in (("elements' molar volumes", molar), ("spheres of covalent radius", spheres)):
        scale = np.median(volumes / (fractions @ unscaled))
        report(name, scale * (fractions @ unscaled), volumes)
    if arguments.output:
        table = {
            "unit": "cubic Angstrom",
            "method": "additive volumes, soft L1 on relative residuals; benchmarks/atomic_volumes.py",
            "fitted_on": "crystals of the Materials Project (CC BY 4.0) within 0.1 eV/atom of the hull",
            "n_crystals": len(volumes),
            "median_relative_error": round(median, 4),
            "volumes": {s: round(float(v), 2) for s, v in zip(elements, fit(fractions, volumes), strict=True)},
        }
        arguments.output.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
