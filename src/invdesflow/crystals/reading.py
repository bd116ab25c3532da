"""Read crystal structures from files that we did not write."""

from pathlib import Path
from typing import TYPE_CHECKING

from pymatgen.core import Structure

from invdesflow.crystals.parser import parse_apart
from invdesflow.errors import StructureError

if TYPE_CHECKING:
    from invdesflow.crystals.formats import FileFormat

__all__ = ["MAX_BYTES", "read_structure", "structure_from_text"]

MAX_BYTES = 1_000_000
"""Largest file that is opened; a crystal of a thousand atoms takes a hundred kilobytes."""


def read_structure(path: Path) -> Structure:
    """Read one ordered crystal from a CIF, POSCAR or extended XYZ file.

    The format follows from the name: ``*.cif``; ``*.xyz`` and ``*.extxyz``; ``*.poscar``, ``*.vasp``, ``POSCAR*`` and
    ``CONTCAR*``. Of several crystals in a file the first is taken. Nothing is guessed or repaired.

    Parameters
    ----------
    path
        File of at most 1 MB.

    Raises
    ------
    StructureError
        If the file cannot be opened, is too large, has another format or is damaged; if the crystal is disordered,
        empty, too large, not periodic in three directions, or has numbers that are not finite or atoms closer than
        0.5 A; if parsing it takes too much time or memory.
    """
    try:
        if not path.is_file():
            raise StructureError(f"{path} is not a file.", "Give the path of a CIF, POSCAR or extXYZ file.")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise StructureError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from error
    if len(content) > MAX_BYTES:
        raise _too_large(str(path))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StructureError(f"{path} is not a text file.", "Give a CIF, POSCAR or extXYZ file.") from error
    return structure_from_text(text, _format(path), str(path))


def structure_from_text(text: str, file_format: "FileFormat", name: str = "the text") -> Structure:
    """Read one ordered crystal from text, in a process of its own with limits of time and memory.

    Parameters
    ----------
    text
        Content of a file, at most 1 MB.
    file_format
        How it is written.
    name
        What error messages call the text.

    Raises
    ------
    StructureError
        As `read_structure`.
    """
    if len(text) > MAX_BYTES:
        raise _too_large(name)
    return parse_apart(text, file_format, name)


def _too_large(name: str) -> StructureError:
    return StructureError(f"{name} is larger than {MAX_BYTES // 1_000_000} MB.", "Give one crystal per file.")


def _format(path: Path) -> "FileFormat":
    suffix, name = path.suffix.lower(), path.name.upper()
    if suffix == ".cif":
        return "cif"
    if suffix in {".xyz", ".extxyz"}:
        return "extxyz"
    if suffix in {".poscar", ".vasp"} or name.startswith(("POSCAR", "CONTCAR")):
        return "poscar"
    raise StructureError(f"The format of {path} cannot be told from its name.", "Name it *.cif, *.vasp or *.extxyz.")
