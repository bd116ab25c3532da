"""Writing candidates to files that other programs read."""

import csv
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pymatgen.core import Structure

from invdesflow.crystals.writing import FORMATS as SUFFIXES
from invdesflow.crystals.writing import structure_to_text, write_structure
from invdesflow.database.database import Database
from invdesflow.database.summary import SummaryDocument
from invdesflow.errors import ConfigurationError
from invdesflow.generation.documents import CandidateDocument
from invdesflow.relaxation.choice import relaxation_of

__all__ = ["FORMATS", "best_structure", "export_candidates"]

_STRUCTURE_FILES = ("cif", "poscar")
_EXTXYZ_FIELDS = ("candidate_id", "tc_k", "tc_std_k", "energy_ev_per_atom", "e_above_hull_ev_per_atom")
FORMATS = (*_STRUCTURE_FILES, "extxyz", "csv", "parquet")


def export_candidates(database: Database, candidates: Iterable[SummaryDocument], output: Path, file_format: str) -> int:
    """Write candidates.

    Parameters
    ----------
    database
        Where the structures are.
    candidates
        What to write.
    output
        A folder for ``cif`` and ``poscar`` (one file each), a file for the other formats.
    file_format
        One of `FORMATS`.

    Returns
    -------
    int
        Number of candidates written.

    Raises
    ------
    ConfigurationError
        If the format is unknown, needs a package that is missing, or the output cannot be written.
    """
    if file_format not in FORMATS:
        raise ConfigurationError(f"There is no export format {file_format!r}.", f"Use one of {', '.join(FORMATS)}.")
    try:
        if file_format in _STRUCTURE_FILES:
            return _write_structures(database, candidates, output, file_format)
        if file_format == "extxyz":
            return _write_extxyz(database, candidates, output)
        rows = (candidate.model_dump(exclude={"provenance"}) for candidate in candidates)
        return _write_csv(rows, output) if file_format == "csv" else _write_parquet(rows, output)
    except OSError as error:
        raise ConfigurationError(
            f"{output} cannot be written: {error.strerror}.", "Choose a path that can be written."
        ) from error


def best_structure(database: Database, candidate_id: str) -> Structure | None:
    """Return the converged relaxed structure of a candidate, else the generated one, else None."""
    relaxation = relaxation_of(database, candidate_id)
    if relaxation is not None:
        return relaxation.final_structure
    candidate = database.collection(CandidateDocument).get(candidate_id)
    return None if candidate is None else candidate.structure


def _structures(
    database: Database, candidates: Iterable[SummaryDocument]
) -> Iterator[tuple[SummaryDocument, Structure]]:
    for candidate in candidates:
        structure = best_structure(database, candidate.candidate_id)
        if structure is not None:
            yield candidate, structure


def _write_structures(database: Database, candidates: Iterable[SummaryDocument], folder: Path, file_format: str) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for candidate, structure in _structures(database, candidates):
        name = f"{candidate.reduced_formula}_{candidate.candidate_id}{SUFFIXES[file_format]}"
        write_structure(structure, folder / name, file_format)
        count += 1
    return count


def _write_extxyz(database: Database, candidates: Iterable[SummaryDocument], file: Path) -> int:
    count = 0
    with _complete_or_absent(file) as stream:
        for candidate, structure in _structures(database, candidates):
            known = candidate.model_dump(include=set(_EXTXYZ_FIELDS), exclude_none=True)
            stream.write(structure_to_text(structure, "extxyz", known))
            count += 1
    return count


def _write_csv(rows: Iterable[dict[str, Any]], file: Path) -> int:
    count = 0
    with _complete_or_absent(file) as stream:
        writer = csv.DictWriter(stream, [name for name in SummaryDocument.model_fields if name != "provenance"])
        writer.writeheader()
        for row in rows:
            writer.writerow(
                {name: " ".join(value) if isinstance(value, list) else value for name, value in row.items()}
            )
            count += 1
    return count


def _write_parquet(rows: Iterable[dict[str, Any]], file: Path) -> int:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ConfigurationError(
            "Writing Parquet needs the package pyarrow.", "Install it with: pip install 'invdesflow[parquet]'."
        ) from error
    table = pyarrow.Table.from_pylist(list(rows))
    unfinished = file.with_name(file.name + ".part")
    pyarrow.parquet.write_table(table, unfinished)
    os.replace(unfinished, file)  # noqa: PTH105
    return int(table.num_rows)


@contextmanager
def _complete_or_absent(file: Path) -> Iterator[IO[str]]:
    """Open a text file that appears under its name only when all is written."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(file.name + ".part")
    try:
        with unfinished.open("w", newline="") as stream:
            yield stream
        os.replace(unfinished, file)  # noqa: PTH105
    finally:
        unfinished.unlink(missing_ok=True)
