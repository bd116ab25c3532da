"""Standard deviations of the composition features, the unit in which compositions are compared.

``python -m invdesflow.generation.evaluation.composition_scale --materials-project PATH --output FILE`` makes them.
"""

import argparse
import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from invdesflow.errors import StructureError
from invdesflow.generation.evaluation.fingerprints import composition_fingerprint
from invdesflow.progress import track
from invdesflow.superconductors.importers import ReferenceCrystal, read_materials_project

__all__ = ["build", "load_scale", "main"]

MAX_ATOMS = 20
"""Largest cell that is taken, that of the benchmark MP-20."""


@cache
def load_scale() -> NDArray[np.float64]:
    """Return the shipped standard deviation of every composition feature; shape (132,).

    Notes
    -----
    Over the Materials Project's crystals of at most 20 atoms near the hull (CC BY 4.0). A feature that is the same in
    all of them has the scale 1. The published evaluations divide by the deviations over another selection of the same
    data; in these units distances between compositions are the same within 4 % for four pairs of five.
    """
    text = files("invdesflow.generation.evaluation").joinpath("composition_scale.json").read_text(encoding="utf-8")
    return np.array(json.loads(text)["standard_deviations"], dtype=float)


def build(path: Path, output: Path) -> int:
    """Compute the standard deviations and write them; return the number of crystals.

    Parameters
    ----------
    path
        JSON lines of the Materials Project.
    output
        The JSON file.

    Raises
    ------
    ConfigurationError
        If the source cannot be read, or SMACT is not installed.
    """
    features = []
    for entry in track(read_materials_project(path), "reading"):
        if isinstance(entry, ReferenceCrystal) and len(entry.structure) <= MAX_ATOMS:
            try:
                features.append(composition_fingerprint(entry.structure.composition))
            except StructureError:  # an element without tabulated properties
                continue
    deviations = np.std(features, axis=0)
    content = {
        "source": f"Materials Project (CC BY 4.0), {len(features)} crystals of at most {MAX_ATOMS} atoms",
        "standard_deviations": [float(f"{value:.6g}") for value in np.where(deviations > 0, deviations, 1.0)],
    }
    output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return len(features)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compute the standard deviations."""
    module = "invdesflow.generation.evaluation.composition_scale"
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=__doc__)
    parser.add_argument("--materials-project", type=Path, required=True, help="JSON lines of crystals")
    parser.add_argument("--output", type=Path, required=True, help="the JSON file")
    options = parser.parse_args(arguments)
    build(options.materials_project, options.output)


if __name__ == "__main__":
    main()
