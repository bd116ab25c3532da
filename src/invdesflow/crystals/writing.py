"""Write crystal structures in the formats of the field."""

import io
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import ase.io
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.cif import CifWriter
from pymatgen.io.vasp import Poscar

from invdesflow.crystals.symmetry import conventional
from invdesflow.errors import ConfigurationError

__all__ = ["FORMATS", "structure_to_text", "write_structure"]

FORMATS: Mapping[str, str] = {"cif": ".cif", "poscar": ".vasp", "extxyz": ".extxyz"}
"""Format -> ending of a file's name."""
SYMPREC = 0.01
"""Tolerance in Angstrom at which the positions of the standardised cell are reduced to their orbits in a CIF."""


def structure_to_text(structure: Structure, file_format: str, info: Mapping[str, object] | None = None) -> str:
    """Write one ordered crystal as text.

    Parameters
    ----------
    structure
        Ordered crystal in any cell.
    file_format
        ``"cif"``: the standard conventional cell with its symmetry; ``"poscar"`` and ``"extxyz"``: the cell as it is.
    info
        Scalars for the comment line of extXYZ; the other formats have no place for them.

    Raises
    ------
    ConfigurationError
        If the format is unknown.
    StructureError
        If a CIF is asked for and the symmetry cannot be found.
    """
    if file_format not in _WRITERS:
        raise ConfigurationError(f"{file_format!r} is no structure format.", f"Choose from {', '.join(FORMATS)}.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _WRITERS[file_format](structure, info or {})


def write_structure(structure: Structure, path: Path, file_format: str) -> None:
    """Write one ordered crystal to a file.

    Raises
    ------
    ConfigurationError, StructureError
        As `structure_to_text`; nothing is written then.
    OSError
        If the file cannot be written.
    """
    path.write_text(structure_to_text(structure, file_format), encoding="utf-8")


def _cif(structure: Structure, _: Mapping[str, object]) -> str:
    return str(CifWriter(conventional(structure), symprec=SYMPREC))


def _poscar(structure: Structure, _: Mapping[str, object]) -> str:
    return str(Poscar(structure, sort_structure=True).get_str(significant_figures=10))


def _extxyz(structure: Structure, info: Mapping[str, object]) -> str:
    buffer = io.StringIO()
    bare = Structure(structure.lattice, structure.species, structure.frac_coords)
    atoms = AseAtomsAdaptor.get_atoms(bare, msonable=False)
    atoms.info = dict(info)
    ase.io.write(buffer, atoms, format="extxyz")
    return buffer.getvalue()


_WRITERS: Mapping[str, Callable[[Structure, Mapping[str, object]], str]] = {
    "cif": _cif,
    "poscar": _poscar,
    "extxyz": _extxyz,
}
