"""Is a relaxed candidate a crystal of its own, or has it relaxed into a known one or into that of another candidate."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress

from invdesflow.database import Database
from invdesflow.errors import StructureError
from invdesflow.generation.documents import CandidateDocument
from invdesflow.generation.known import KnownInDatabase
from invdesflow.generation.novelty import Crystal, assess, same_crystal
from invdesflow.relaxation.documents import RelaxationDocument

__all__ = ["relaxed_into"]

_ENTHALPY_STEP_EV = 0.002
"""Most that the enthalpies per atom of one crystal relaxed twice with one potential differ."""
_VOLUME_STEP = 0.02
"""The same for the volume per atom, relative."""


def relaxed_into(database: Database, relaxations: Sequence[RelaxationDocument]) -> dict[str, str]:
    """Find the relaxed candidates that ended as a crystal that is there already.

    Two proposals that differ can relax into one crystal. The candidate that was stored first keeps it. Known crystals
    are compared as new proposals are compared with them (`invdesflow.generation.novelty.assess`); candidates by
    StructureMatcher, whatever their space groups, because one potential at one pressure also has to give them one
    enthalpy and one volume.

    Parameters
    ----------
    database
        Where candidates, their relaxations and the known crystals are.
    relaxations
        Converged relaxations of candidates.

    Returns
    -------
    dict
        relaxation_id -> the crystal that it is, such as ``cand-1f2e of candidates``; without those that are distinct.

    Notes
    -----
    A crystal whose symmetry spglib cannot find is compared with nothing: the models say what is wrong with it.
    """
    known = KnownInDatabase(database, candidates=False)
    known.prefetch(relaxation.reduced_formula for relaxation in relaxations)
    rivals = _rivals(database, relaxations)
    found: dict[str, str] = {}
    for relaxation in relaxations:
        with suppress(StructureError):
            match = _known(relaxation, known) or _earlier(relaxation, rivals[_minimum(relaxation)])
            if match is not None:
                found[relaxation.relaxation_id] = match
    return found


def _known(relaxation: RelaxationDocument, known: KnownInDatabase) -> str | None:
    novelty = assess(_crystal(relaxation), known)
    return None if novelty.new_structure else f"{novelty.matched_id} of {novelty.matched_collection}"


def _earlier(relaxation: RelaxationDocument, rivals: Sequence[RelaxationDocument]) -> str | None:
    crystal = _crystal(relaxation)
    for rival in rivals:
        if rival.subject.id == relaxation.subject.id:
            return None  # those that come after it have to look to it
        if _same(relaxation, rival) and same_crystal(crystal, _crystal(rival)):
            return f"{rival.subject.id} of candidates"
    return None


def _minimum(relaxation: RelaxationDocument) -> tuple[str, str, float]:
    """Return what relaxations must have in common to be compared."""
    return relaxation.reduced_formula, relaxation.potential.digest, relaxation.settings.pressure_gpa


def _rivals(
    database: Database, relaxations: Sequence[RelaxationDocument]
) -> Mapping[tuple[str, str, float], list[RelaxationDocument]]:
    """Return all converged relaxations of accepted candidates that may be compared, those stored first at first."""
    criteria = {
        "reduced_formula": {"$in": sorted({relaxation.reduced_formula for relaxation in relaxations})},
        "subject.kind": "candidate",
        "converged": True,
    }
    found = list(database.collection(RelaxationDocument).find(criteria))
    of_interest = {"candidate_id": {"$in": [rival.subject.id for rival in found]}, "status": "accepted"}
    rows = database.collection(CandidateDocument).values(of_interest, ["candidate_id", "created_at"])
    stored = {row["candidate_id"]: row["created_at"] for row in rows}
    rivals: dict[tuple[str, str, float], list[RelaxationDocument]] = defaultdict(list)
    accepted = [rival for rival in found if rival.subject.id in stored]
    for rival in sorted(accepted, key=lambda one: (stored[one.subject.id], one.subject.id)):
        rivals[_minimum(rival)].append(rival)
    return rivals


def _same(first: RelaxationDocument, second: RelaxationDocument) -> bool:
    """Tell whether enthalpies and volumes per atom agree."""
    if first.enthalpy_ev_per_atom is None or second.enthalpy_ev_per_atom is None:
        return False
    volumes = [one.final_structure.volume / one.nsites for one in (first, second)]
    return (
        abs(first.enthalpy_ev_per_atom - second.enthalpy_ev_per_atom) < _ENTHALPY_STEP_EV
        and abs(volumes[0] / volumes[1] - 1) < _VOLUME_STEP
    )


def _crystal(relaxation: RelaxationDocument) -> Crystal:
    return Crystal(relaxation.subject.id, "candidates", relaxation.final_structure)
