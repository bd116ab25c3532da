"""Jobs that screen relaxed candidates."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from jobflow import job
from maggma.utils import grouper
from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Structure

from invdesflow.database import Database
from invdesflow.database.collection import write_behind
from invdesflow.database.provenance import current_provenance
from invdesflow.database.stages import StageRecord, Stopwatch
from invdesflow.generation.documents import CandidateDocument
from invdesflow.makers import SettingsMaker
from invdesflow.progress import track
from invdesflow.relaxation.documents import RelaxationDocument
from invdesflow.relaxation.entries import stored_entries
from invdesflow.relaxation.hull import Stability, assess_stability
from invdesflow.screening.documents import ModelReference, ScreeningDocument, screening_identifier
from invdesflow.screening.gates import (
    GateResult,
    Thresholds,
    domain_gate,
    formation_energy_gate,
    hull_gate,
    passes,
    tc_gate,
)
from invdesflow.screening.predictions import TcPrediction
from invdesflow.screening.tc_baseline import TcBaseline

__all__ = ["ScreenMaker", "ScreeningOutput", "ScreeningSubject", "screen"]

_BATCH = 100


class ScreeningOutput(BaseModel):
    """What a screening job did."""

    model_config = ConfigDict(extra="forbid")

    record: StageRecord
    passed_ids: list[str] = Field(description="candidates that passed every gate")


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
    """

    candidate_id: str
    relaxation_id: str | None
    structure: Structure
    stability: Stability | None

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

    1. Place each converged relaxation on the hull of everything relaxed with the same potential and pressure.
    2. Predict Tc with its uncertainty, batch by batch.
    3. Decide gate by gate and store the decision with its reasons.

    Parameters
    ----------
    name
        Name of the job.
    mu_star
        Coulomb pseudopotential of the predicted Tc.
    thresholds
        What a candidate must meet. Without relaxations, close no gate on energies.
    """

    name: str = "screen"
    mu_star: float = 0.10
    thresholds: Thresholds = field(default_factory=Thresholds)

    @job
    def make(
        self,
        candidate_ids: list[list[str]],
        relaxation_ids: dict[str, str] | None,
        campaign: str,
        campaign_round: int,
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

        Raises
        ------
        ModelError
            If the model is missing, damaged or of another version.
        """
        watch = Stopwatch()
        model = TcBaseline.load()
        with Database() as database:
            if relaxation_ids is None:
                subjects = list(_proposed(database, chain(*candidate_ids)))
            else:
                subjects = list(_relaxed(database, relaxation_ids))
            provenance = current_provenance(campaign, campaign_round)
            batches = (
                [
                    document.model_copy(update={"provenance": provenance})
                    for document in screen(batch, model, self.thresholds, self.mu_star)
                ]
                for batch in grouper(track(subjects, "screening"), _BATCH)
            )
            written = write_behind(batches, database.collection(ScreeningDocument).upsert)
            documents = [document for batch, _ in written for document in batch]
        for document in documents:
            if not document.passed:
                watch.reject(result.gate for result in document.gates if result.rejecting and not result.passed)
        passed = [document.candidate_id for document in documents if document.passed]
        note = f"Tc model {model.model_id}"
        return ScreeningOutput(
            record=watch.record(self.name, entered=len(documents), passed=len(passed), note=note), passed_ids=passed
        )


def screen(
    subjects: Sequence[ScreeningSubject], model: TcBaseline, thresholds: Thresholds, mu_star: float
) -> Iterator[ScreeningDocument]:
    """Hold candidates against the gates.

    Parameters
    ----------
    subjects
        Candidates with what is known of their energies.
    model
        Tc model.
    thresholds
        What they must meet.
    mu_star
        Coulomb pseudopotential of the predicted Tc.

    Yields
    ------
    ScreeningDocument
        One for each candidate, without provenance.
    """
    predictions = model.predict([subject.structure for subject in subjects], mu_star=mu_star)
    models = {"tc": ModelReference(model_id=model.model_id, digest=model.digest)}
    for subject, prediction in zip(subjects, predictions, strict=True):
        gates = list(_gates(subject, prediction, thresholds))
        coverage = None if subject.stability is None else subject.stability.coverage
        yield ScreeningDocument(
            screening_id=screening_identifier(subject.candidate_id, subject.relaxation_id, models, thresholds, mu_star),
            candidate_id=subject.candidate_id,
            relaxation_id=subject.relaxation_id,
            reduced_formula=subject.structure.composition.reduced_formula,
            models=models,
            thresholds=thresholds,
            gates=gates,
            passed=passes(gates),
            mu_star=mu_star,
            tc_k=prediction.tc_k,
            tc_std_k=prediction.tc_std_k,
            lambda_=prediction.lambda_,
            omega_log_mev=prediction.omega_log_mev,
            domain_distance=prediction.domain_distance,
            in_domain=prediction.in_domain,
            formation_energy_ev_per_atom=subject.formation_energy_ev_per_atom,
            e_above_hull_ev_per_atom=subject.e_above_hull_ev_per_atom,
            hull_systems_present=[] if coverage is None else coverage.present,
            hull_systems_missing=[] if coverage is None else coverage.missing,
        )


def _gates(subject: ScreeningSubject, prediction: TcPrediction, thresholds: Thresholds) -> Iterator[GateResult]:
    reason = subject.reason or None
    if thresholds.formation_energy_ev_per_atom is not None:
        value = subject.formation_energy_ev_per_atom
        yield formation_energy_gate(value, thresholds.formation_energy_ev_per_atom, reason)
    if thresholds.e_above_hull_ev_per_atom is not None:
        yield hull_gate(subject.e_above_hull_ev_per_atom, thresholds.e_above_hull_ev_per_atom, reason)
    if thresholds.tc_k is not None:
        yield tc_gate(prediction.tc_k, thresholds.tc_k, prediction.tc_std_k, prediction.reason)
    yield domain_gate(prediction.domain_distance, prediction.reason)


def _proposed(database: Database, candidate_ids: Iterable[str]) -> Iterator[ScreeningSubject]:
    for candidate in database.collection(CandidateDocument).find_in("candidate_id", candidate_ids):
        yield ScreeningSubject(candidate.candidate_id, None, candidate.structure, None)


def _relaxed(database: Database, relaxation_ids: dict[str, str]) -> Iterator[ScreeningSubject]:
    criteria = {"relaxation_id": {"$in": list(relaxation_ids.values())}, "converged": True}
    relaxations = {found.relaxation_id: found for found in database.collection(RelaxationDocument).find(criteria)}
    stability = _stability(database, list(relaxations.values()))
    for candidate_id, relaxation_id in relaxation_ids.items():
        if relaxation_id in relaxations:
            structure = relaxations[relaxation_id].final_structure
            yield ScreeningSubject(candidate_id, relaxation_id, structure, stability[relaxation_id])


def _stability(database: Database, relaxations: list[RelaxationDocument]) -> dict[str, Stability]:
    result: dict[str, Stability] = {}
    for digest in {relaxation.potential.digest for relaxation in relaxations}:
        group = [relaxation for relaxation in relaxations if relaxation.potential.digest == digest]
        entries = stored_entries(database, {relaxation.chemical_system for relaxation in group}, digest)
        result |= assess_stability(entries, {relaxation.relaxation_id for relaxation in group})
    return result
