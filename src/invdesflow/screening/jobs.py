"""Jobs that screen relaxed candidates."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from jobflow import job
from maggma.utils import grouper
from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Structure

from invdesflow.database import Database
from invdesflow.database.collection import write_behind
from invdesflow.database.provenance import current_provenance
from invdesflow.database.stages import StageRecord, Stopwatch
from invdesflow.errors import DatabaseError, ModelError
from invdesflow.generation.documents import CandidateDocument
from invdesflow.makers import SettingsMaker
from invdesflow.model_files import read_card
from invdesflow.progress import track
from invdesflow.registry.registry import Registry
from invdesflow.relaxation.documents import RelaxationDocument
from invdesflow.relaxation.entries import stored_entries
from invdesflow.relaxation.hull import Stability, assess_stability
from invdesflow.screening.assessment import Assessment, ModelFiles, assess, model_references
from invdesflow.screening.distinctness import relaxed_into
from invdesflow.screening.documents import ModelReference, ScreeningDocument, screening_identifier
from invdesflow.screening.gates import (
    GateResult,
    Thresholds,
    classifier_gate,
    domain_gate,
    duplicate_gate,
    formation_energy_gate,
    hull_gate,
    passes,
    tc_gate,
)
from invdesflow.screening.kinds import KINDS, SCORES, SHIPPED, Kind

__all__ = ["ScreenMaker", "ScreeningOutput", "ScreeningSubject", "screen"]

_BATCH = 1024
"""Candidates that are held in memory together."""


class ScreeningOutput(BaseModel):
    """What a screening job did."""

    model_config = ConfigDict(extra="forbid")

    record: StageRecord
    passed_ids: list[str] = Field(description="candidates that passed every gate, highest Tc first")


@dataclass(frozen=True)
class ScreeningSubject:
    """A crystal before the gates.

    Attributes
    ----------
    candidate_id
        Its candidate.
    relaxation_id
        The relaxation that it came out of; none for the candidate as it was proposed.
    structure
        The crystal.
    stability
        Its formation energy and energy above the hull; none where it was not relaxed.
    match
        The crystal that it relaxed into, if that was there already.
    """

    candidate_id: str
    relaxation_id: str | None
    structure: Structure
    stability: Stability | None
    match: str | None = None

    @property
    def formation_energy_ev_per_atom(self) -> float | None:
        """Formation energy (eV/atom), if it is known."""
        return None if self.stability is None else self.stability.formation_energy_ev_per_atom

    @property
    def e_above_hull_ev_per_atom(self) -> float | None:
        """Energy above the hull (eV/atom), if it is known."""
        return None if self.stability is None else self.stability.e_above_hull_ev_per_atom

    @property
    def reason(self) -> str:
        """Why there are no energies, if there are none."""
        return "not relaxed" if self.stability is None else self.stability.reason


@dataclass
class ScreenMaker(SettingsMaker):
    """Ask the models about candidates and hold the answers against the gates.

    1. Place each converged relaxation on the hull of everything relaxed with the same potential and pressure, and look
       whether it is a crystal that is there already.
    2. Ask every model, many crystals in one pass: is it a superconductor, its formation energy, its Tc, and what the
       electron-phonon calculation would cost.
    3. Decide gate by gate and store the decision with its reasons. A model that is missing, and a crystal that a model
       cannot read, are a rejection with that reason.

    Parameters
    ----------
    name
        Name of the job.
    mu_star
        Coulomb pseudopotential of the predicted Tc.
    thresholds
        What a candidate must meet. Without relaxations, close no gate on the energy above the hull.
    models
        Kind of model -> name of a model of the registry, or file of one; of the other kinds the promoted ones are
        asked.
    """

    name: str = "screen"
    mu_star: float = 0.10
    thresholds: Thresholds = field(default_factory=Thresholds)
    models: dict[Kind, str] = field(default_factory=dict)

    @job
    def make(
        self,
        candidate_ids: list[list[str]],
        relaxation_ids: dict[str, str] | None,
        campaign: str,
        campaign_round: int,
        distinct: bool = True,
    ) -> ScreeningOutput:
        """Screen the candidates of one round.

        Parameters
        ----------
        candidate_ids
            Candidates of every source of the round.
        relaxation_ids
            candidate_id -> relaxation_id; those that did not converge are left out. None screens the candidates as
            they were proposed.
        campaign, campaign_round
            The round, for the provenance.
        distinct
            Whether a candidate that relaxed into a crystal that is there already is refused.

        Raises
        ------
        PotentialError
            If CHGNet, whose description of the crystals the models read, is missing.
        """
        watch = Stopwatch()
        passed: list[ScreeningDocument] = []
        entered = 0
        asked = list(chain(*candidate_ids)) if relaxation_ids is None else list(relaxation_ids)
        with Database() as database:
            files = _model_files(database, self.models)
            references = model_references(files)
            provenance = current_provenance(campaign, campaign_round)
            batches = (
                [
                    document.model_copy(update={"provenance": provenance})
                    for document in self._screen(batch, files, references, database.settings.workers, distinct)
                ]
                for batch in _batches(database, asked, relaxation_ids, distinct)
            )
            written = write_behind(batches, database.collection(ScreeningDocument).upsert)
            for document in track((document for batch, _ in written for document in batch), "screening", len(asked)):
                entered += 1
                if document.passed:
                    passed.append(document)
                else:
                    watch.reject(result.gate for result in document.gates if result.rejecting and not result.passed)
        note = ", ".join(model.model_id for model in references.values()) or "no model"
        return ScreeningOutput(
            record=watch.record(self.name, entered=entered, passed=len(passed), note=note),
            passed_ids=[document.candidate_id for document in sorted(passed, key=_highest_tc_first)],
        )

    def _screen(
        self,
        subjects: Sequence[ScreeningSubject],
        files: ModelFiles,
        references: dict[str, ModelReference],
        workers: int,
        distinct: bool,
    ) -> Iterator[ScreeningDocument]:
        structures = [subject.structure for subject in subjects]
        assessments = assess(structures, files, self.mu_star, workers)
        yield from screen(subjects, assessments, references, self.thresholds, self.mu_star, distinct=distinct)


def screen(
    subjects: Iterable[ScreeningSubject],
    assessments: Iterable[Assessment],
    models: dict[str, ModelReference],
    thresholds: Thresholds,
    mu_star: float,
    *,
    distinct: bool = True,
) -> Iterator[ScreeningDocument]:
    """Hold candidates against the gates.

    Parameters
    ----------
    subjects
        Candidates with what is known of their energies.
    assessments
        What the models say of each of them.
    models
        Kind of model -> the weights that were asked.
    thresholds
        What they must meet.
    mu_star
        Coulomb pseudopotential of the predicted Tc.
    distinct
        Whether duplicates were looked for.

    Yields
    ------
    ScreeningDocument
        One for each candidate, without provenance.
    """
    for subject, assessment in zip(subjects, assessments, strict=True):
        gates = list(_gates(subject, assessment, thresholds))
        superconductor, energy, tc = assessment.superconductor, assessment.formation_energy, assessment.tc
        coverage = None if subject.stability is None else subject.stability.coverage
        yield ScreeningDocument(
            screening_id=screening_identifier(
                subject.candidate_id, subject.relaxation_id, models, thresholds, mu_star, distinct=distinct
            ),
            candidate_id=subject.candidate_id,
            relaxation_id=subject.relaxation_id,
            reduced_formula=subject.structure.composition.reduced_formula,
            models=models,
            thresholds=thresholds,
            gates=gates,
            passed=passes(gates),
            mu_star=mu_star,
            tc_k=tc.tc_k,
            tc_std_k=tc.tc_std_k,
            tc_members_k=None if tc.members_k is None else list(tc.members_k),
            lambda_=tc.lambda_,
            omega_log_mev=tc.omega_log_mev,
            domain_distance=tc.domain_distance,
            in_domain=tc.in_domain,
            superconductor_probability=superconductor.probability,
            superconductor_probability_std=superconductor.std,
            predicted_formation_energy_ev_per_atom=energy.energy_ev_per_atom,
            predicted_formation_energy_std_ev_per_atom=energy.std_ev_per_atom,
            core_hours=assessment.cost.core_hours,
            core_hours_factor=assessment.cost.factor,
            formation_energy_ev_per_atom=subject.formation_energy_ev_per_atom,
            e_above_hull_ev_per_atom=subject.e_above_hull_ev_per_atom,
            hull_systems_present=[] if coverage is None else coverage.present,
            hull_systems_missing=[] if coverage is None else coverage.missing,
        )


def _highest_tc_first(document: ScreeningDocument) -> tuple[bool, float, str]:
    """Sort by Tc, then by identifier; an unknown Tc, which no threshold asked for, comes last."""
    return document.tc_k is None, -(document.tc_k or 0.0), document.candidate_id


def _gates(subject: ScreeningSubject, assessment: Assessment, thresholds: Thresholds) -> Iterator[GateResult]:
    superconductor, energy, tc = assessment.superconductor, assessment.formation_energy, assessment.tc
    if subject.match is not None:
        yield duplicate_gate(subject.match)
    if thresholds.superconductor_probability is not None:
        yield classifier_gate(
            superconductor.probability,
            thresholds.superconductor_probability,
            superconductor.std,
            superconductor.reason,
        )
    if thresholds.formation_energy_ev_per_atom is not None:
        yield formation_energy_gate(
            energy.energy_ev_per_atom, thresholds.formation_energy_ev_per_atom, energy.std_ev_per_atom, energy.reason
        )
    if thresholds.e_above_hull_ev_per_atom is not None:
        reason = subject.reason or None
        yield hull_gate(subject.e_above_hull_ev_per_atom, thresholds.e_above_hull_ev_per_atom, reason)
    if thresholds.tc_k is not None:
        yield tc_gate(tc.tc_k, thresholds.tc_k, tc.tc_std_k, tc.reason)
    yield domain_gate(tc.domain_distance, tc.reason)


def _model_files(database: Database, choices: Mapping[Kind, str]) -> dict[Kind, Path | str]:
    """Find the weights of every kind; a model that is not there, or is damaged, is its reason."""
    registry = Registry(database, SHIPPED, SCORES)
    files: dict[Kind, Path | str] = {}
    for kind in KINDS:
        try:
            file = registry.find(kind, choices.get(kind))
            read_card(file)
            files[kind] = file
        except (DatabaseError, ModelError) as error:
            files[kind] = str(error)
    return files


def _batches(
    database: Database, asked: Sequence[str], relaxation_ids: dict[str, str] | None, distinct: bool
) -> Iterator[list[ScreeningSubject]]:
    for piece in grouper(asked, _BATCH):
        if relaxation_ids is None:
            yield list(_proposed(database, piece))
        else:
            yield list(_relaxed(database, {candidate: relaxation_ids[candidate] for candidate in piece}, distinct))


def _proposed(database: Database, candidate_ids: Iterable[str]) -> Iterator[ScreeningSubject]:
    for candidate in database.collection(CandidateDocument).find_in("candidate_id", candidate_ids):
        yield ScreeningSubject(candidate.candidate_id, None, candidate.structure, None)


def _relaxed(database: Database, relaxation_ids: dict[str, str], distinct: bool) -> Iterator[ScreeningSubject]:
    criteria = {"relaxation_id": {"$in": list(relaxation_ids.values())}, "converged": True}
    relaxations = {found.relaxation_id: found for found in database.collection(RelaxationDocument).find(criteria)}
    stability = _stability(database, list(relaxations.values()))
    matches = relaxed_into(database, list(relaxations.values())) if distinct else {}
    for candidate_id, relaxation_id in relaxation_ids.items():
        if relaxation_id in relaxations:
            structure = relaxations[relaxation_id].final_structure
            energies, match = stability[relaxation_id], matches.get(relaxation_id)
            yield ScreeningSubject(candidate_id, relaxation_id, structure, energies, match)


def _stability(database: Database, relaxations: list[RelaxationDocument]) -> dict[str, Stability]:
    result: dict[str, Stability] = {}
    for digest in {relaxation.potential.digest for relaxation in relaxations}:
        group = [relaxation for relaxation in relaxations if relaxation.potential.digest == digest]
        entries = stored_entries(database, {relaxation.chemical_system for relaxation in group}, digest)
        result |= assess_stability(entries, {relaxation.relaxation_id for relaxation in group})
    return result
