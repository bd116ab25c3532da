"""JARVIS supercon_3d: electron-phonon calculations of 1,058 crystals (Choudhary & Garrity 2022)."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pymatgen.core import Structure

from invdesflow.crystals.reading import structure_from_text
from invdesflow.eliashberg.formulas import KELVIN_PER_MEV
from invdesflow.errors import ConfigurationError
from invdesflow.superconductors.documents import SuperconductorDocument
from invdesflow.superconductors.importers.coupling import calculations
from invdesflow.superconductors.importers.crystal import crystal
from invdesflow.superconductors.importers.refusal import Refusal, attempt
from invdesflow.superconductors.importers.source import read_text

__all__ = ["PUBLIC_SOURCE", "read_jarvis"]

PUBLIC_SOURCE = "https://ndownloader.figshare.com/files/38307921"
SOURCE = "Choudhary & Garrity, npj Comput. Mater. 8, 244 (2022)"
DOI = "10.1038/s41524-022-00933-1"
PUBLISHED_MU_STAR = 0.085
"""With it McMillan's formula gives the published Tc to the last digit; the paper rounds it to 0.09."""


def read_jarvis(path: Path | str | None = None) -> Iterator[SuperconductorDocument | Refusal]:
    """Read JARVIS supercon_3d.

    Parameters
    ----------
    path
        The public JSON (fields jid, atoms, lamb, wlog, Tc) or a table in CSV (jid, poscar, lambda_ep, wlog_K, Tc_K),
        also compressed; a path or an ``https://`` address. None means the public source on figshare.

    Yields
    ------
    SuperconductorDocument or Refusal
        Every row as a document with two calculations, or why it is not taken.

    Raises
    ------
    ConfigurationError
        If the source cannot be read, or is neither JSON nor CSV.
    """
    text = read_text(PUBLIC_SOURCE if path is None else path)
    try:
        rows = json.loads(text) if text.lstrip().startswith("[") else list(csv.DictReader(io.StringIO(text)))
    except (csv.Error, RecursionError, ValueError) as error:
        raise ConfigurationError(f"{path} is neither JSON nor CSV of JARVIS: {error}.", "Fetch it again.") from error
    for number, row in enumerate(rows, start=1):
        name = row.get("jid") if isinstance(row, Mapping) else None
        yield attempt(str(name or f"row {number}"), partial(_document, row))


def _document(row: Mapping[str, Any]) -> SuperconductorDocument:
    public = "atoms" in row
    structure = _from_atoms(row["atoms"]) if public else structure_from_text(row["poscar"], "poscar", row["jid"])
    lambda_, omega_log_k, tc_k = (
        float(row[name]) for name in (("lamb", "wlog", "Tc") if public else ("lambda_ep", "wlog_K", "Tc_K"))
    )
    return SuperconductorDocument.from_structure(
        structure,
        name=structure.composition.reduced_formula,
        lattice_source=f"{SOURCE}, {row['jid']}",
        dataset_ids=[f"jarvis:{row['jid']}"],
        theory=calculations(
            lambda_,
            omega_log_k / KELVIN_PER_MEV,
            tc_k,
            published_mu_star=PUBLISHED_MU_STAR,
            published_formula="McMillan with omega_log",
            source=SOURCE,
            doi=DOI,
        ),
    )


def _from_atoms(atoms: Mapping[str, Any]) -> Structure:
    species = [element.strip() for element in atoms["elements"]]
    return crystal(atoms["lattice_mat"], species, atoms["coords"], cartesian=bool(atoms["cartesian"]))
