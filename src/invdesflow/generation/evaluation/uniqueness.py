"""Which generated crystals are new: among themselves, and compared with known ones; and which kept their symmetry."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import spglib
from pydantic import Field
from pymatgen.core import Structure

from invdesflow.crystals.spglib_search import found
from invdesflow.errors import StructureError
from invdesflow.generation.evaluation.shares import Metrics, Share
from invdesflow.generation.novelty import Crystal, CrystalIndex, Known, assess

__all__ = ["Newness", "Novelty", "newness", "space_group_share", "summarise_newness"]

SYMPREC = 0.01
"""Tolerance in Angstrom of the published symmetry checks."""
GENERATED = "generated"
"""Collection that crystals of the set at hand are said to be in."""


@dataclass(frozen=True)
class Newness:
    """What is new in one generated crystal.

    Attributes
    ----------
    unique
        No earlier crystal of the set is the same.
    new_structure
        No known crystal of its formula and space group is the same.
    new_composition
        No known compound has its reduced formula.
    """

    unique: bool
    new_structure: bool
    new_composition: bool


class Novelty(Metrics):
    """How many generated crystals are new; one without a symmetry that spglib finds counts as nothing."""

    unique: Share = Field(description="not the same as an earlier one of the set")
    new_structure: Share = Field(description="not the same as a known crystal (StructureMatcher)")
    new_composition: Share = Field(description="reduced formula not among the known ones, as the InvDesFlow paper asks")
    unique_and_new_structure: Share
    unique_and_new_composition: Share


def newness(structures: Iterable[Structure], *known: Known) -> list[Newness | None]:
    """Compare generated crystals among themselves and with known ones.

    Parameters
    ----------
    structures
        Generated crystals; a progress bar around them shows how far we are.
    *known
        Where to look for known crystals and compounds.

    Returns
    -------
    list of Newness or None
        In the order of the crystals; None where spglib finds no symmetry.

    Notes
    -----
    Crystals are compared by StructureMatcher within their formula and space group, as
    `invdesflow.generation.novelty.assess` does it.
    """
    seen = CrystalIndex()
    return [
        _newness(Crystal(str(number), GENERATED, structure), seen, known) for number, structure in enumerate(structures)
    ]


def _newness(crystal: Crystal, seen: CrystalIndex, known: Sequence[Known]) -> Newness | None:
    try:
        unique = assess(crystal, seen).new_structure
        outside = assess(crystal, *known)
    except StructureError:
        return None
    if unique:
        seen.add(crystal)
    return Newness(unique, outside.new_structure, outside.new_composition)


def summarise_newness(found: Sequence[Newness | None]) -> Novelty:
    """Count what `newness` found."""
    return Novelty(
        unique=Share.of(one is not None and one.unique for one in found),
        new_structure=Share.of(one is not None and one.new_structure for one in found),
        new_composition=Share.of(one is not None and one.new_composition for one in found),
        unique_and_new_structure=Share.of(one is not None and one.unique and one.new_structure for one in found),
        unique_and_new_composition=Share.of(one is not None and one.unique and one.new_composition for one in found),
    )


def space_group_share(structures: Iterable[Structure], intended: Iterable[int], symprec: float = SYMPREC) -> Share:
    """Count the crystals whose space group is the intended one.

    Parameters
    ----------
    structures
        Ordered crystals.
    intended
        International number that each was meant to have.
    symprec
        Tolerance of spglib in Angstrom.

    Raises
    ------
    ValueError
        If there are not as many numbers as crystals.
    """
    pairs = zip(structures, intended, strict=True)
    return Share.of(_space_group(structure, symprec) == number for structure, number in pairs)


def _space_group(structure: Structure, symprec: float) -> int | None:
    if not (structure.volume > 0 and np.isfinite(structure.frac_coords).all()):
        return None  # spglib would end the whole process
    numbers = [site.specie.Z for site in structure]
    cell = (structure.lattice.matrix, structure.frac_coords, numbers)
    dataset = found(spglib.get_symmetry_dataset, cell, symprec=symprec)
    return None if dataset is None else int(dataset.number)
