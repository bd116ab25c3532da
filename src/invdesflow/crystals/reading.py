"""Read crystal structures from files that we did not write."""

import io
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import ase.io
import numpy as np
from pymatgen.core import DummySpecies, Structure
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.cif import CifBlock, CifFile, CifParser
from pymatgen.io.vasp import Poscar

from invdesflow.crystals.geometry import closest_contact
from invdesflow.crystals.symmetry import symmetry_of
from invdesflow.errors import StructureError

__all__ = ["MAX_ATOMS", "MAX_BYTES", "read_structure", "structure_from_text"]

MAX_BYTES = 1_000_000
"""Largest file that is opened; a crystal of a thousand atoms takes a hundred kilobytes."""
MAX_ATOMS = 1000
"""Most atoms in a cell that is taken."""
MAX_IMAGES = 5000
"""Most sites times symmetry operations in a CIF; pymatgen compares all with all: 38,000 take four minutes."""
MIN_DISTANCE = 0.5
"""Distance in Angstrom below which two atoms overlap; the shortest bond there is, H2, has 0.74."""


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
        0.5 A.
    """
    try:
        if not path.is_file():
            raise StructureError(f"{path} is not a file.", "Give the path of a CIF, POSCAR or extXYZ file.")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise StructureError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from error
    if len(content) > MAX_BYTES:
        raise StructureError(f"{path} is larger than {MAX_BYTES // 1_000_000} MB.", "Give one crystal per file.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StructureError(f"{path} is not a text file.", "Give a CIF, POSCAR or extXYZ file.") from error
    return structure_from_text(text, _format(path), str(path))


def structure_from_text(text: str, file_format: str, name: str = "the text") -> Structure:
    """Read one ordered crystal from text.

    Parameters
    ----------
    text
        Content of a file.
    file_format
        ``"cif"``, ``"poscar"`` or ``"extxyz"``.
    name
        What error messages call the text.

    Raises
    ------
    StructureError
        As `read_structure`.
    """
    if "\0" in text:
        raise StructureError(f"{name} is not a text file.", "Give a CIF, POSCAR or extXYZ file.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            structure = _READERS[file_format](text)
    except StructureError:
        raise
    except Exception as error:  # the parsers raise whatever the damage leads to
        problem = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise StructureError(f"{name} is not a readable {file_format} file: {problem}", "Repair the file.") from error
    return _sound(structure, name)


def _cif(text: str) -> Structure:
    parser = CifParser(io.StringIO(text))
    if sum(_images(parser, block) for block in CifFile.from_str(text).data.values()) > MAX_IMAGES:
        raise StructureError("The CIF makes too many atoms.", f"Give at most {MAX_IMAGES} sites times operations.")
    structure = parser.parse_structures(primitive=False, on_error="raise")[0]
    if any("Defaulting to P1" in warning for warning in parser.warnings):
        raise StructureError("The CIF tells no symmetry that is understood.", "Give its operations, or P 1.")
    found = parser.check(structure) or ""
    if found.startswith(("Missing", "Incorrect")):  # else the formula is no formula
        said = " ".join(found.replace("PMG structure composition", "the sites").split())
        raise StructureError(f"The CIF contradicts its own formula: {said}.", "Complete its sites, or its formula.")
    return structure


def _images(parser: CifParser, block: CifBlock) -> int:
    """Return how many positions a data block spans before equal ones are merged."""
    sites = len(block.data.get("_atom_site_fract_x", ()))
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


_READERS: Mapping[str, Callable[[str], Structure]] = {"cif": _cif, "poscar": _poscar, "extxyz": _extxyz}


def _format(path: Path) -> str:
    suffix, name = path.suffix.lower(), path.name.upper()
    if suffix == ".cif":
        return "cif"
    if suffix in {".xyz", ".extxyz"}:
        return "extxyz"
    if suffix in {".poscar", ".vasp"} or name.startswith(("POSCAR", "CONTCAR")):
        return "poscar"
    raise StructureError(f"The format of {path} cannot be told from its name.", "Name it *.cif, *.vasp or *.extxyz.")


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
