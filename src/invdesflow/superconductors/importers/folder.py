"""A folder of CIF and POSCAR files of known superconductors."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from invdesflow.crystals.reading import read_structure
from invdesflow.errors import ConfigurationError
from invdesflow.superconductors.documents import SuperconductorDocument
from invdesflow.superconductors.importers.refusal import Refusal, attempt

__all__ = ["read_folder"]


def read_folder(path: Path | str | None = None) -> Iterator[SuperconductorDocument | Refusal]:
    """Read every crystal of a folder and of the folders in it.

    The files say nothing of Tc, so that the documents hold neither measurements nor calculations.

    Parameters
    ----------
    path
        Folder.

    Yields
    ------
    SuperconductorDocument or Refusal
        Every file in alphabetical order, or why it is not taken. Hidden files are passed over.

    Raises
    ------
    ConfigurationError
        If the path is not a folder.
    """
    if path is None or not Path(path).is_dir():
        raise ConfigurationError(f"{path} is not a folder.", "Give the path of a folder of CIF or POSCAR files.")
    folder = Path(path)
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not file.name.startswith("."):
            yield attempt(str(file.relative_to(folder)), partial(_document, file))


def _document(file: Path) -> SuperconductorDocument:
    structure = read_structure(file)
    return SuperconductorDocument.from_structure(
        structure,
        name=structure.composition.reduced_formula,
        lattice_source=f"file {file.name}",
        dataset_ids=[f"file:{file.name}"],
    )
