"""A labelled set in the place of generator and oracle: its crystals are the candidates, its labels the answers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jobflow import job
from maggma.utils import grouper

from invdesflow.database import Database
from invdesflow.database.provenance import current_provenance
from invdesflow.database.stages import StageRecord, Stopwatch
from invdesflow.errors import LearningError
from invdesflow.generation.documents import CandidateDocument, Generator, Origin, candidate_document
from invdesflow.generation.rounds import GenerationOutput
from invdesflow.learning.labelled_sets import READERS, SetFormat, calculated_tc
from invdesflow.learning.round_documents import Outcome
from invdesflow.learning.rounds import note_outcomes
from invdesflow.makers import SettingsMaker
from invdesflow.superconductors.documents import SuperconductorDocument
from invdesflow.superconductors.importers.coupling import COMMON_MU_STAR
from invdesflow.superconductors.loading import load_documents

__all__ = ["LabelledPoolMaker"]

_BATCH = 200


@dataclass
class LabelledPoolMaker(SettingsMaker):
    """Try the loop out where every answer is known: hide the labels of a set, and reveal those that are asked for.

    Parameters
    ----------
    path
        The data set.
    set_format
        Which importer reads it: alexandria or jarvis.
    most
        Crystals of the set that take part, its first ones; none takes all.
    name
        Name of the stage.
    """

    path: str
    set_format: SetFormat = "alexandria"
    most: int | None = None
    name: str = "labelled set"

    @job(name="labelled set")
    def propose(self, campaign: str, campaign_round: int) -> GenerationOutput:
        """Store the crystals of the set as candidates, without their labels.

        Raises
        ------
        LearningError
            If the set holds no crystal with a Tc.
        """
        watch = Stopwatch()
        candidate_ids: dict[str, None] = {}
        new = 0
        with Database() as database:
            collection = database.collection(CandidateDocument)
            for known in grouper(self._documents(), _BATCH):
                batch = {
                    candidate.candidate_id: candidate
                    for candidate in (self._candidate(document, campaign, campaign_round) for document in known)
                }
                present = collection.insert_new(batch.values())
                for known_id in present - {name for name, _ in self._parents(database, list(present))}:
                    collection.push_unique(known_id, "origins", batch[known_id].origins[0].model_dump())
                new += len(batch) - len(present)
                candidate_ids |= dict.fromkeys(batch)
        if not candidate_ids:
            raise LearningError(
                f"{self.path} holds no crystal with a Tc at mu* = {COMMON_MU_STAR}.", "Check path and set_format."
            )
        count = len(candidate_ids)
        record = watch.record(self.name, entered=count, passed=count, reused=count - new, note=Path(self.path).name)
        return GenerationOutput(record=record, candidate_ids=list(candidate_ids))

    @job(name="reveal")
    def reveal(self, chosen_ids: list[str], campaign: str, campaign_round: int) -> StageRecord:
        """Bring the labels of the chosen into `superconductors`, and note them in the document of the round.

        Raises
        ------
        LearningError
            If the set has changed since the candidates were made of it.
        """
        watch = Stopwatch()
        with Database() as database:
            parents = dict(self._parents(database, chosen_ids))
            wanted = set(parents.values())
            labelled = {row.superconductor_id: row for row in self._documents() if row.superconductor_id in wanted}
            if missing := set(chosen_ids) - {name for name, parent in parents.items() if parent in labelled}:
                raise LearningError(
                    f"{self.path} no longer holds {len(missing)} of the crystals that were chosen.",
                    "Give the same file in every round of a campaign.",
                )
            load_documents(database, labelled.values())
            outcomes = {candidate: self._outcome(labelled[parent]) for candidate, parent in parents.items()}
            note_outcomes(database, campaign, campaign_round, outcomes)
        return watch.record("reveal", entered=len(chosen_ids), passed=len(outcomes), note=Path(self.path).name)

    def _parents(self, database: Database, candidate_ids: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield each candidate with the known superconductor that it is."""
        for candidate in database.collection(CandidateDocument).find_in("candidate_id", candidate_ids):
            for origin in candidate.origins:
                if origin.generator.name == self._generator.name:
                    yield candidate.candidate_id, origin.parents[0]
                    break

    @property
    def _generator(self) -> Generator:
        return Generator(name=f"labelled set {Path(self.path).name}")

    def _documents(self) -> Iterator[SuperconductorDocument]:
        """Yield the crystals that have a Tc."""
        count = 0
        for entry in READERS[self.set_format](Path(self.path)):
            if self.most is not None and count == self.most:
                return
            if isinstance(entry, SuperconductorDocument) and calculated_tc(entry) is not None:
                count += 1
                yield entry

    def _candidate(self, known: SuperconductorDocument, campaign: str, campaign_round: int) -> CandidateDocument:
        origin = Origin(
            kind="import",
            parents=[known.superconductor_id],
            generator=self._generator,
            conditions={"dataset_ids": list(known.dataset_ids)},
            campaign=campaign,
            campaign_round=campaign_round,
        )
        document = candidate_document(known.structure, origin, [])
        return document.model_copy(update={"provenance": current_provenance(campaign, campaign_round)})

    @staticmethod
    def _outcome(known: SuperconductorDocument) -> Outcome:
        return Outcome(
            status="completed", tc_k=calculated_tc(known), mu_star=COMMON_MU_STAR, source_id=known.superconductor_id
        )
