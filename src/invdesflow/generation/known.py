"""What the database knows already, for the novelty of new candidates."""

from collections.abc import Iterable, Sequence

from invdesflow.database import Database
from invdesflow.generation.documents import CandidateDocument
from invdesflow.generation.novelty import Crystal, CrystalIndex
from invdesflow.superconductors.documents import SuperconductorDocument
from invdesflow.superconductors.references import ReferenceDocument

__all__ = ["KnownInDatabase"]


class KnownInDatabase:
    """Known superconductors, reference crystals and accepted candidates, fetched by formula as they are needed.

    Parameters
    ----------
    database
        Where to look.
    candidates
        Whether candidates count as known.
    """

    def __init__(self, database: Database, *, candidates: bool = True) -> None:
        self._database, self._candidates = database, candidates
        self._fetched: set[str] = set()
        self._index = CrystalIndex()

    def prefetch(self, formulas: Iterable[str]) -> None:
        """Fetch the crystals of many reduced formulas at once."""
        missing = sorted(set(formulas) - self._fetched)
        if not missing:
            return
        criteria = {"reduced_formula": {"$in": missing}}
        for known in self._database.collection(SuperconductorDocument).find(criteria):
            self._index.add(Crystal(known.superconductor_id, "superconductors", known.structure))
        for reference in self._database.collection(ReferenceDocument).find(criteria):
            self._index.add(Crystal(reference.reference_id, "references", reference.structure))
        if self._candidates:
            for candidate in self._database.collection(CandidateDocument).find(criteria | {"status": "accepted"}):
                self._index.add(Crystal(candidate.candidate_id, "candidates", candidate.structure))
        self._fetched.update(missing)

    def has_formula(self, formula: str) -> bool:
        """Tell whether a known compound has this reduced formula."""
        self.prefetch([formula])
        return self._index.has_formula(formula)

    def has_formula_and_space_group(self, formula: str, number: int) -> bool:
        """Tell whether a known compound has this reduced formula and this space group number."""
        return bool(self.find(formula, number))

    def find(self, formula: str, space_group: int) -> Sequence[Crystal]:
        """Return the known crystals of a reduced formula and a space group number."""
        self.prefetch([formula])
        return self._index.find(formula, space_group)
