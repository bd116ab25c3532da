"""JSON in the style of HTSC-2025: predicted superconductors with a structure and a Tc (Han et al. 2025)."""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pymatgen.core import Structure

from invdesflow.crystals.field import structure_from_dict
from invdesflow.crystals.reading import structure_from_text
from invdesflow.errors import ConfigurationError
from invdesflow.superconductors.documents import Calculation, SuperconductorDocument
from invdesflow.superconductors.importers.crystal import require_separate
from invdesflow.superconductors.importers.refusal import Refusal, attempt
from invdesflow.superconductors.importers.source import read_text

__all__ = ["PUBLIC_SOURCE", "read_htsc"]

PUBLIC_SOURCE = "https://raw.githubusercontent.com/xqh19970407/HTSC-2025/main/HTSC-2025.json"
SOURCE = "Han et al., arXiv:2506.03837 (2025), HTSC-2025"


def read_htsc(path: Path | str | None = None, source: str = SOURCE) -> Iterator[SuperconductorDocument | Refusal]:
    """Read calculated superconductors from JSON.

    Parameters
    ----------
    path
        Either ``{name: {"cif": ..., "tc": ...}}``, as HTSC-2025 is published, or a list of entries with ``formula``,
        ``tc`` and the crystal under ``cif`` or ``poscar`` (text) or ``structure`` (pymatgen's dictionary, or CIF text).
        Optional: ``lambda``, ``omega_log_mev``, ``mu_star``, ``pressure_gpa``. A path or an ``https://`` address; None
        means HTSC-2025.
    source
        Citation of the data.

    Yields
    ------
    SuperconductorDocument or Refusal
        Every entry, or why it is not taken.

    Raises
    ------
    ConfigurationError
        If the source cannot be read or is not JSON of that form.
    """
    try:
        content = json.loads(read_text(PUBLIC_SOURCE if path is None else path))
        entries = content.items() if isinstance(content, dict) else [(str(row["formula"]), row) for row in content]
    except (KeyError, RecursionError, TypeError, ValueError) as error:
        raise ConfigurationError(f"{path} is not JSON of superconductors: {error!r}.", "See the how-to.") from error
    for name, row in entries:
        yield attempt(name, partial(_document, name, row, source))


def _document(name: str, row: Mapping[str, Any], source: str) -> SuperconductorDocument:
    structure = _structure(name, row)
    pressure = float(row.get("pressure_gpa", 0.0))
    calculation = Calculation(
        method="published",
        tc_k=row["tc"],
        mu_star=row.get("mu_star"),
        lambda_=row.get("lambda"),
        omega_log_mev=row.get("omega_log_mev"),
        pressure_gpa=pressure,
        source=source,
    )
    return SuperconductorDocument.from_structure(
        structure,
        name=structure.composition.reduced_formula,
        lattice_source=source,
        pressure_gpa=pressure,
        dataset_ids=[f"htsc:{name}"],
        theory=[calculation],
    )


def _structure(name: str, row: Mapping[str, Any]) -> Structure:
    if isinstance(row.get("structure"), Mapping):
        structure = structure_from_dict(row["structure"])
        require_separate(structure)
        return structure
    if "poscar" in row:
        return structure_from_text(row["poscar"], "poscar", name)
    return structure_from_text(row["cif"] if "cif" in row else row["structure"], "cif", name)
