"""The text of crystal files, written by strangers: parsed in a process of its own (`invdesflow.crystals.reading`)."""

import io
import warnings
from collections.abc import Callable, Mapping
from typing import Literal

import ase.io
import numpy as np
from pymatgen.core import DummySpecies, Structure
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.cif import CifBlock, CifFile, CifParser
from pymatgen.io.vasp import Poscar

from invdesflow.crystals.geometry import closest_contact
from invdesflow.crystals.symmetry import symmetry_of
from invdesflow.errors import StructureError

__all__ = ["FileFormat", "parse_structure"]

FileFormat = Literal["cif", "poscar", "extxyz"]

MAX_ATOMS = 1000
"""Most atoms in a cell that is taken."""
MAX_IMAGES = 5000
"""Most sites times symmetry operations in a CIF; pymatgen compares all with all: 38,000 take four minutes."""
MIN_DISTANCE = 0.5
"""Distance in Angstrom below which two atoms overlap; the shortest bond there is, H2, has 0.74."""


def parse_structure(text: str, file_format: FileFormat, name: str) -> Structure:
    """Parse one ordered crystal.

    Parameters
    ----------
    text
        Content of a file. Of several crystals the first is taken. Nothing is guessed or repaired.
    file_format
        How it is written.
    name
        What error messages call the text.

    Returns
    -------
    Structure
        Lattice, elements and positions alone.

    Raises
    ------
    StructureError
        If the text is damaged; if the crystal is disordered, empty, too large, not periodic in three directions, or has
        numbers that are not finite or atoms closer than 0.5 A.
    MemoryError
        If it takes more memory than the process may have.
    """
    if "\0" in text:
        raise StructureError(f"{name} is not a text file.", "Give a CIF, POSCAR or extXYZ file.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            structure = _READERS[file_format](text)
    except (MemoryError, StructureError):
        raise
    except Exception as error:  # the parsers raise whatever the damage leads to
        problem = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise StructureError(f"{name} is not a readable {file_format} file: {problem}", "Repair the file.") from error
    return _sound(structure, name)


def _cif(text: str) -> Structure:
    parser = CifParser(io.StringIO(text))
    blocks = CifFile.from_str(text).data.values()
    if max(map(_sites, blocks), default=0) > MAX_ATOMS or sum(_images(parser, block) for block in blocks) > MAX_IMAGES:
        raise StructureError("The CIF makes too many atoms.", f"Give at most {MAX_IMAGES} sites times operations.")
    structure = parser.parse_structures(primitive=False, on_error="raise")[0]
    if any("Defaulting to P1" in warning for warning in parser.warnings):
        raise StructureError("The CIF tells no symmetry that is understood.", "Give its operations, or P 1.")
    found = parser.check(structure) or ""
    if found.startswith(("Missing", "Incorrect")):  # else the formula is no formula
        said = " ".join(found.replace("PMG structure composition", "the sites").split())
        raise StructureError(f"The CIF contradicts its own formula: {said}.", "Complete its sites, or its formula.")
    return structure


def _sites(block: CifBlock) -> int:
    return len(block.data.get("_atom_site_fract_x", ()))


def _images(parser: CifParser, block: CifBlock) -> int:
    """Return how many positions a data block spans before equal ones are merged."""
    sites = _sites(block)
    return sites * len(parser.get_symops(block)) if sites else 0


def _poscar(text: str) -> Structure:
    # pymatgen allocates what the line of counts promises; the line is the sixth or the seventh.
    if max(map(_promised_atoms, text.splitlines()[:10]), default=0) > MAX_ATOMS:
        raise StructureError("The POSCAR promises too many atoms.", f"Give a cell of 1 to {MAX_ATOMS} atoms.")
    poscar = Poscar.from_str(text)
    if not poscar.true_names:
        raise StructureError("The POSCAR does not name its elements.", "Add the line of symbols above the counts.")
    return poscar.structure


def _promised_atoms(line: str) -> int:
    try:
        return sum(map(int, line.split()))
    except ValueError:
        return 0


def _extxyz(text: str) -> Structure:
    # ASE loops over as many lines as the first one promises; later frames are not looked at.
    lines = text.splitlines()
    promised = max(map(_promised_atoms, lines[:1]), default=0)
    if promised > MAX_ATOMS:
        raise StructureError("The extXYZ file promises too many atoms.", f"Give a cell of 1 to {MAX_ATOMS} atoms.")
    atoms = ase.io.read(io.StringIO("\n".join(lines[: promised + 2])), index=0, format="extxyz")
    if not atoms.pbc.all():
        raise StructureError("The extXYZ file holds no crystal.", "Give a Lattice, periodic in three directions.")
    return AseAtomsAdaptor.get_structure(atoms)


_READERS: Mapping[FileFormat, Callable[[str], Structure]] = {"cif": _cif, "poscar": _poscar, "extxyz": _extxyz}


def _sound(structure: Structure, name: str) -> Structure:
    """Return lattice, elements and positions alone; raise StructureError where a crystal cannot be computed."""
    if not structure.is_ordered:
        raise StructureError(f"{name} holds a disordered structure.", "Give an ordered approximant.")
    if not 0 < len(structure) <= MAX_ATOMS:
        raise StructureError(f"{name} holds {len(structure)} atoms.", f"Give a cell of 1 to {MAX_ATOMS} atoms.")
    if not (np.isfinite(structure.lattice.matrix).all() and np.isfinite(structure.frac_coords).all()):
        raise StructureError(f"{name} holds a number that is not finite.", "Repair the file.")
    if any(isinstance(site.specie, DummySpecies) for site in structure):
        raise StructureError(f"{name} holds a site that is no element.", "Repair the file.")
    if not structure.volume > 0:
        raise StructureError(f"{name} holds a cell without volume.", "Repair the file.")
    contact = closest_contact(structure)
    if contact.distance < MIN_DISTANCE:
        pair = "-".join(contact.elements)
        raise StructureError(f"{name} holds two atoms ({pair}) at {contact.distance:.2f} A.", "Repair the file.")
    bare = Structure(structure.lattice, [site.specie.symbol for site in structure], structure.frac_coords)
    symmetry_of(bare)
    return bare
