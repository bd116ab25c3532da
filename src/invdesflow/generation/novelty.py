"""Is a crystal new: compared with known ones of its formula and space group, and by its composition alone."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Protocol

from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Element, Structure

from invdesflow.crystals.identity import candidate_id, enantiomorphs, pair_distances
from invdesflow.crystals.symmetry import primitive, space_group
from invdesflow.generation.documents import NoveltyResult, Rejection

__all__ = ["Crystal", "CrystalIndex", "Known", "assess", "duplicate_rejection", "same_crystal"]

_HYDROGEN = Element("H")
_LARGEST_SHIFT = 0.13
"""Most that the distance of an element from hydrogen may differ in the same crystal, in units of the mean spacing."""


@dataclass(frozen=True, eq=False)
class Crystal:
    """A crystal in a comparison; what the comparison needs is worked out once, when it is asked for.

    Attributes
    ----------
    id
        Identifier of its document.
    collection
        Collection of the document.
    structure
        Ordered crystal in any cell.
    """

    id: str
    collection: str
    structure: Structure

    @cached_property
    def formula(self) -> str:
        """Reduced formula."""
        return str(self.structure.composition.reduced_formula)

    @cached_property
    def space_group(self) -> int:
        """Space group number; the lower one of an enantiomorphic pair, for hands do not make a different crystal."""
        return enantiomorphs(space_group(self.structure)[0])[0]

    @cached_property
    def candidate_id(self) -> str:
        """Identifier that the crystal has, or would have, as a candidate."""
        return candidate_id(self.structure)

    @cached_property
    def pair_distances(self) -> dict[tuple[int, int], float]:
        """How far the atoms of one element are from those of another, in units of the mean spacing."""
        return pair_distances(self.structure)

    @cached_property
    def reduced(self) -> Structure:
        """Niggli-reduced primitive cell."""
        return primitive(self.structure).get_reduced_structure("niggli")


class Known(Protocol):
    """What is known already: the database behind a lookup, a `CrystalIndex`, or compounds without structures."""

    def has_formula(self, formula: str) -> bool:
        """Tell whether a known compound has this reduced formula."""
        ...

    def has_formula_and_space_group(self, formula: str, number: int) -> bool:
        """Tell whether a known compound has this reduced formula and this space group number."""
        ...

    def find(self, formula: str, space_group: int) -> Sequence[Crystal]:
        """Return the known crystals of a reduced formula and a space group number."""
        ...


class CrystalIndex:
    """Known crystals in memory, found by formula and space group.

    Parameters
    ----------
    crystals
        What is in it from the start.
    formulas
        Reduced formulas of compounds that are known by composition only.
    """

    def __init__(self, crystals: Iterable[Crystal] = (), formulas: Iterable[str] = ()) -> None:
        self._formulas = set(formulas)
        self._crystals: dict[tuple[str, int], list[Crystal]] = defaultdict(list)
        for crystal in crystals:
            self.add(crystal)

    def add(self, crystal: Crystal) -> None:
        """Add a crystal, for example an accepted one of the batch at hand."""
        self._formulas.add(crystal.formula)
        self._crystals[crystal.formula, crystal.space_group].append(crystal)

    def has_formula(self, formula: str) -> bool:
        """Tell whether a known compound has this reduced formula."""
        return formula in self._formulas

    def has_formula_and_space_group(self, formula: str, number: int) -> bool:
        """Tell whether a known compound has this reduced formula and this space group number."""
        return bool(self.find(formula, number))

    def find(self, formula: str, space_group: int) -> Sequence[Crystal]:
        """Return the known crystals of a reduced formula and a space group number."""
        return self._crystals.get((formula, enantiomorphs(space_group)[0]), [])


def assess(crystal: Crystal, *known: Known) -> NoveltyResult:
    """Compare a crystal with what is known.

    A composition is new if no known compound has its reduced formula; this is what the InvDesFlow paper
    (arXiv:2409.08065) calls novel. A compound is known if a known one has its formula in its space group; its structure
    may be another one, or not be at hand. A structure is new if no known crystal of the same formula and space group is
    the same; equal identifiers are looked for first, then pymatgen's StructureMatcher decides.

    Parameters
    ----------
    crystal
        Crystal in question.
    *known
        Where to look, in order.

    Returns
    -------
    NoveltyResult
        With the first known crystal that is the same, if there is one.

    Raises
    ------
    StructureError
        If the crystal has no symmetry that spglib can find.
    """
    new_composition = not any(lookup.has_formula(crystal.formula) for lookup in known)
    known_compound = any(lookup.has_formula_and_space_group(crystal.formula, crystal.space_group) for lookup in known)
    others = [other for lookup in known for other in lookup.find(crystal.formula, crystal.space_group)]
    match = next((other for other in others if other.candidate_id == crystal.candidate_id), None)
    if match is None:
        match = next((other for other in others if same_crystal(crystal, other)), None)
    return NoveltyResult(
        new_composition=new_composition,
        known_compound=known_compound,
        new_structure=match is None,
        matched_id=match and match.id,
        matched_collection=match and match.collection,
    )


def duplicate_rejection(novelty: NoveltyResult) -> Rejection | None:
    """Return why a crystal that is known already is refused, or none if it is new."""
    if novelty.new_structure:
        return None
    return Rejection(gate="duplicate", reason=f"the same as {novelty.matched_id} of {novelty.matched_collection}")


def same_crystal(first: Crystal, second: Crystal) -> bool:
    """Tell whether two crystals of the same space group are the same but for the volume and small displacements.

    Notes
    -----
    StructureMatcher with pymatgen's tolerances (lengths 0.2, sites 0.3 of the mean spacing, angles 5 degrees), on
    Niggli-reduced primitive cells that are made once per crystal. These tolerances let hydrogen move from one metal to
    another (K2LiCuH6 with Li and Cu exchanged), so the distances of the elements from hydrogen must agree, too.
    """
    if len(first.reduced) != len(second.reduced):
        return False
    if not _matcher().fit(first.reduced, second.reduced, skip_structure_reduction=True):
        return False
    if _HYDROGEN not in first.structure.composition:
        return True
    others = second.pair_distances
    shifts = [abs(distance - others[pair]) for pair, distance in first.pair_distances.items() if _HYDROGEN.Z in pair]
    return max(shifts) < _LARGEST_SHIFT


@cache
def _matcher() -> StructureMatcher:
    return StructureMatcher(primitive_cell=False, scale=True)
