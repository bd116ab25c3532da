"""Alexandria electron-phonon set: thousands of calculated superconductors (Cerqueira, Sanna & Marques 2024)."""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from invdesflow.eliashberg.formulas import KELVIN_PER_MEV
from invdesflow.errors import ConfigurationError
from invdesflow.superconductors.documents import SuperconductorDocument
from invdesflow.superconductors.importers.coupling import calculations
from invdesflow.superconductors.importers.crystal import crystal
from invdesflow.superconductors.importers.refusal import Refusal, attempt
from invdesflow.superconductors.importers.source import read_text

__all__ = ["read_alexandria"]

SOURCE = "Cerqueira, Sanna & Marques, Adv. Mater. 36, 2307085 (2024)"
DOI = "10.1002/adma.202307085"
PUBLISHED_MU_STAR = 0.10


def read_alexandria(path: Path | str | None = None) -> Iterator[SuperconductorDocument | Refusal]:
    """Read the Alexandria electron-phonon set.

    Parameters
    ----------
    path
        JSON lines (mat_id, lattice, species, frac, lambda_ep, wlog_K, Tc_K), also compressed; a path or an ``https://``
        address.

    Yields
    ------
    SuperconductorDocument or Refusal
        Every row as a document with two calculations, or why it is not taken.

    Raises
    ------
    ConfigurationError
        If no path is given, or the source cannot be read.
    """
    if path is None:
        raise ConfigurationError(
            "The Alexandria set has no public address in the form that InvDesFlow reads.",
            "Give the path of a JSON lines file.",
        )
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if line.strip():
            yield attempt(f"line {number}", partial(_document, line))


def _document(line: str) -> SuperconductorDocument:
    row: Mapping[str, Any] = json.loads(line)
    structure = crystal(row["lattice"], row["species"], row["frac"])
    return SuperconductorDocument.from_structure(
        structure,
        name=structure.composition.reduced_formula,
        lattice_source=f"{SOURCE}, {row['mat_id']}",
        dataset_ids=[f"alexandria:{row['mat_id']}"],
        theory=calculations(
            float(row["lambda_ep"]),
            float(row["wlog_K"]) / KELVIN_PER_MEV,
            float(row["Tc_K"]),
            published_mu_star=PUBLISHED_MU_STAR,
            published_formula="Allen-Dynes",
            source=SOURCE,
            doi=DOI,
        ),
    )
