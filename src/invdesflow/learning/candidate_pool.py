"""The pool of a campaign: screened candidates that nobody has calculated yet, as the acquisition sees them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from pymatgen.core import Structure

from invdesflow.database import Database
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.errors import LearningError, StructureError
from invdesflow.generation.documents import CandidateDocument
from invdesflow.learning.bias import CrystalKind
from invdesflow.learning.pool import Pool
from invdesflow.learning.prospects import DynamicRecord, PotentialVerdict, success_probability
from invdesflow.relaxation.choice import chosen_relaxation
from invdesflow.relaxation.documents import RelaxationDocument
from invdesflow.screening.documents import ScreeningDocument
from invdesflow.screening.elements import periodic_table
from invdesflow.screening.features import crystal_features
from invdesflow.screening.phonon_documents import PhononDocument

__all__ = ["CandidatePool", "collect_pool", "potential_verdicts"]

_DYNAMICALLY_STABLE = {"completed": True, "not_converged": True, "dynamically_unstable": False}


@dataclass(frozen=True)
class CandidatePool:
    """Candidates to choose from.

    Attributes
    ----------
    pool
        What the models say of each; None if there is no candidate.
    formulas
        Reduced formula of each, in the order of the pool.
    kinds
        Elements and prototype of each, in the order of the pool.
    left_out
        Reason -> number of candidates that passed the gates and cannot be weighed.
    """

    pool: Pool | None
    formulas: list[str]
    kinds: list[CrystalKind]
    left_out: Counter[str]


@dataclass(frozen=True)
class _Row:
    screening: ScreeningDocument
    kind: CrystalKind
    probability: float
    cost: float
    features: list[float]


def collect_pool(
    database: Database,
    candidate_ids: Iterable[str],
    hull_limit: float,
    *,
    mu_star: float,
    ask_cost: bool = True,
    with_features: bool = True,
    with_committee: bool = False,
) -> CandidatePool:
    """Describe candidates as the acquisition needs them.

    Parameters
    ----------
    database
        The database.
    candidate_ids
        Candidates that passed the gates and were not calculated.
    hull_limit
        Energy above the hull up to which a candidate counts as one that can be made (eV/atom).
    mu_star
        Coulomb pseudopotential of the predicted Tc; screenings at others do not count.
    ask_cost
        Whether the estimate of the cost counts. Where an answer costs nothing, as from a labelled set, all cost the
        same, one core-hour.
    with_features
        Whether the crystals are described, for strategies that ask how alike they are.
    with_committee
        Whether the Tc by each member of the ensemble counts; a candidate that fewer members judged than others, such
        as one that was screened before their Tc was stored, is left out.
    """
    latest = {found.candidate_id: found for found in _screenings(database, candidate_ids, mu_star)}
    members = max((len(found.tc_members_k or ()) for found in latest.values()), default=0)
    verdicts = dict(potential_verdicts(database, {name: found.relaxation_id for name, found in latest.items()}))
    record = DynamicRecord(_experience(database))
    rows, left_out = [], Counter[str]()
    for screening, candidate, crystal in _with_crystals(database, latest):
        if not screening.passed:  # a later model thinks otherwise
            left_out["rejected since"] += 1
            continue
        probability = success_probability(screening, verdicts.get(screening.candidate_id), record, hull_limit)
        cost = screening.core_hours if ask_cost else 1.0
        if screening.tc_k is None or screening.tc_std_k is None or probability is None or not cost:
            left_out["no prediction"] += 1
            continue
        if with_committee and len(screening.tc_members_k or ()) != members:
            left_out["judged by fewer members"] += 1
            continue
        try:
            features = list(crystal_features(crystal, periodic_table()).values()) if with_features else []
        except StructureError:
            left_out["no features"] += 1
            continue
        prototype = f"{candidate.anonymous_formula} {candidate.space_group_symbol}"
        kind = CrystalKind(frozenset(candidate.elements), prototype)
        rows.append(_Row(screening, kind, probability, cost, features))
    return CandidatePool(
        pool=_pool(rows, with_committee=with_committee) if rows else None,
        formulas=[row.screening.reduced_formula for row in rows],
        kinds=[row.kind for row in rows],
        left_out=left_out,
    )


def _pool(rows: list[_Row], *, with_committee: bool) -> Pool:
    return Pool(
        names=tuple(row.screening.candidate_id for row in rows),
        tc_mean_k=np.array([row.screening.tc_k for row in rows], dtype=float),
        tc_std_k=np.array([row.screening.tc_std_k for row in rows], dtype=float),
        p_stable=np.array([row.probability for row in rows]),
        cost_core_hours=np.array([row.cost for row in rows]),
        features=np.array([row.features for row in rows]),
        committee=np.array([row.screening.tc_members_k or () for row in rows]) if with_committee else None,
    )


def _screenings(database: Database, candidate_ids: Iterable[str], mu_star: float) -> list[ScreeningDocument]:
    """Return the screenings of candidates at one mu*, the latest last."""
    found = database.collection(ScreeningDocument).find_in("candidate_id", candidate_ids)
    comparable = (screening for screening in found if screening.mu_star == mu_star)
    return sorted(comparable, key=lambda screening: screening.updated_at)


def potential_verdicts(
    database: Database, relaxation_ids: Mapping[str, str | None]
) -> Iterator[tuple[str, PotentialVerdict]]:
    """Yield candidates with the verdict on the relaxation that is asked about, the latest last."""
    found = database.collection(PhononDocument).find_in("candidate_id", relaxation_ids)
    for phonons in sorted(found, key=lambda phonons: phonons.updated_at):
        if phonons.relaxation_id == relaxation_ids[phonons.candidate_id]:
            yield phonons.candidate_id, phonons.status


def _experience(database: Database) -> Iterator[tuple[PotentialVerdict, bool]]:
    """Yield what the potential and the first principles said of every candidate that was calculated."""
    criteria = {"candidate_id": {"$ne": None}, "status": {"$in": list(_DYNAMICALLY_STABLE)}}
    rows = database.collection(ElectronPhononDocument).values(criteria, ["candidate_id", "status", "pressure_gpa"])
    calculated = {row["candidate_id"]: row for row in rows}
    relaxations: dict[str, list[RelaxationDocument]] = {name: [] for name in calculated}
    for relaxation in database.collection(RelaxationDocument).find_in("subject.id", calculated):
        if relaxation.converged:
            relaxations[relaxation.subject.id].append(relaxation)
    began = {
        name: chosen.relaxation_id
        for name, found in relaxations.items()
        if (chosen := chosen_relaxation(found, calculated[name]["pressure_gpa"])) is not None
    }
    verdicts = dict(potential_verdicts(database, began))
    for name, row in calculated.items():
        yield verdicts.get(name), _DYNAMICALLY_STABLE[row["status"]]


def _with_crystals(
    database: Database, screenings: dict[str, ScreeningDocument]
) -> Iterator[tuple[ScreeningDocument, CandidateDocument, Structure]]:
    """Yield each screening with its candidate and the crystal that was screened."""
    relaxed_ids = [found.relaxation_id for found in screenings.values() if found.relaxation_id is not None]
    relaxed = {
        found.relaxation_id: found.final_structure
        for found in database.collection(RelaxationDocument).find_in("relaxation_id", relaxed_ids)
    }
    for candidate in database.collection(CandidateDocument).find_in("candidate_id", screenings):
        screening = screenings[candidate.candidate_id]
        if screening.relaxation_id is None:
            yield screening, candidate, candidate.structure
        elif screening.relaxation_id in relaxed:
            yield screening, candidate, relaxed[screening.relaxation_id]
        else:
            raise LearningError(
                f"The relaxed crystal of {candidate.candidate_id} is no longer stored.", "Run invdesflow db validate."
            )
