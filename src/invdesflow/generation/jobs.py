"""Jobs that propose candidates."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from jobflow import job
from maggma.utils import grouper
from pydantic import BaseModel, ConfigDict, Field

import invdesflow
from invdesflow.database import Database
from invdesflow.database.collection import Collection
from invdesflow.database.provenance import current_provenance
from invdesflow.database.stages import StageRecord, Stopwatch
from invdesflow.errors import CampaignError
from invdesflow.generation.documents import CandidateDocument, Generator, Origin, candidate_document
from invdesflow.generation.gates import GateSettings, check
from invdesflow.generation.known import KnownInDatabase
from invdesflow.generation.novelty import Crystal, CrystalIndex, assess, duplicate_rejection
from invdesflow.generation.substitution import Parent, Proposal, SubstitutionSettings, propose
from invdesflow.makers import SettingsMaker
from invdesflow.progress import track
from invdesflow.superconductors.documents import SuperconductorDocument

__all__ = ["GenerationOutput", "SubstituteMaker", "round_seed"]

_BATCH = 100


class GenerationOutput(BaseModel):
    """What a generating job did."""

    model_config = ConfigDict(extra="forbid")

    record: StageRecord
    candidate_ids: list[str] = Field(description="accepted candidates of this round, in the order of proposal")


@dataclass
class SubstituteMaker(SettingsMaker):
    """Propose new crystals by substitution in the known superconductors.

    1. Draw proposals from a sequence that depends on the seed, the round and the known superconductors.
    2. Refuse what a gate refuses and what is known already; the refused crystal is stored with gate and reason.
    3. A crystal that another round found gains an origin and does not count.
    4. Stop at `n_candidates` accepted ones. Run again, the job finds what it stored and goes on from there.

    Parameters
    ----------
    name
        Name of the job.
    n_candidates
        Number of accepted candidates.
    seed
        Seed of the campaign; every round draws from a sequence of its own.
    substitution
        What may replace what.
    gates
        Thresholds of the gates.
    """

    name: str = "substitute"
    n_candidates: int = 80
    seed: int = 0
    substitution: SubstitutionSettings = field(default_factory=SubstitutionSettings)
    gates: GateSettings = field(default_factory=GateSettings)

    @job
    def make(self, campaign: str, campaign_round: int) -> GenerationOutput:
        """Propose the candidates of one round.

        Raises
        ------
        CampaignError
            If `n_candidates` is not positive, or there are not enough substitutions.
        """
        if self.n_candidates < 1:
            raise CampaignError(f"{self.n_candidates} candidates cannot be proposed.", "Set n_candidates to 1 or more.")
        with Database() as database:
            return _Round(self, database, campaign, campaign_round).run()


def round_seed(seed: int, campaign_round: int) -> int:
    """Return the seed of one round's sequence of proposals."""
    return int(np.random.SeedSequence([seed, campaign_round]).generate_state(1)[0])


class _Round:
    """One run of the maker."""

    def __init__(self, maker: SubstituteMaker, database: Database, campaign: str, campaign_round: int) -> None:
        self._maker = maker
        self._database = database
        self._candidates: Collection[CandidateDocument] = database.collection(CandidateDocument)
        self._campaign = campaign
        self._round = campaign_round
        self._seed = round_seed(maker.seed, campaign_round)
        self._provenance = current_provenance(campaign, campaign_round)
        self._known = KnownInDatabase(database)
        self._batch = CrystalIndex()
        self._watch = Stopwatch()
        self._counts: Counter[str] = Counter()
        self._accepted: list[str] = []

    def run(self) -> GenerationOutput:
        proposals = propose(self._parents(), self._seed, self._maker.substitution)
        for _ in track(self._accept(proposals), "generating", total=self._maker.n_candidates):
            if len(self._accepted) == self._maker.n_candidates:
                break
        else:
            raise CampaignError(
                f"Only {len(self._accepted)} of {self._maker.n_candidates} candidates could be found by substitution.",
                "Ask for fewer, import more superconductors, or loosen the substitution or the gates.",
            )
        record = self._watch.record(
            self._maker.name,
            entered=self._counts["proposed"],
            passed=len(self._accepted),
            reused=self._counts["reused"],
        )
        return GenerationOutput(record=record, candidate_ids=self._accepted)

    def _parents(self) -> list[Parent]:
        documents = self._database.collection(SuperconductorDocument).find({}, sort=[("superconductor_id", 1)])
        return [
            Parent(document.superconductor_id, document.structure, pressure_gpa=document.pressure_gpa)
            for document in documents
        ]

    def _accept(self, proposals: Iterator[Proposal]) -> Iterator[str]:
        """Store the proposals batch by batch; yield the accepted ones once they are stored."""
        for batch in grouper(proposals, _BATCH):
            stored = self._stored(batch)
            self._known.prefetch(proposal.structure.composition.reduced_formula for proposal in batch)
            new: list[CandidateDocument] = []
            accepted: list[str] = []
            for proposal in batch:
                if len(self._accepted) + len(accepted) == self._maker.n_candidates:
                    break
                self._counts["proposed"] += 1
                document = self._settle(proposal, stored, new)
                if document is not None and document.status == "accepted":
                    accepted.append(document.candidate_id)
                elif document is not None:
                    self._watch.reject(rejection.gate for rejection in document.rejections)
            for document in self._lost_races(new):
                self._candidates.push_unique(document.candidate_id, "origins", document.origins[0].model_dump())
            for identifier in accepted:
                self._accepted.append(identifier)
                yield identifier

    def _lost_races(self, new: list[CandidateDocument]) -> list[CandidateDocument]:
        """Insert documents; return those whose crystal another campaign inserted at the same moment."""
        present = self._candidates.insert_new(new)
        return [document for document in new if document.candidate_id in present]

    def _stored(self, batch: Sequence[Proposal]) -> dict[str, CandidateDocument]:
        criteria = {"candidate_id": {"$in": [proposal.candidate_id for proposal in batch]}}
        return {document.candidate_id: document for document in self._candidates.find(criteria)}

    def _settle(
        self, proposal: Proposal, stored: dict[str, CandidateDocument], new: list[CandidateDocument]
    ) -> CandidateDocument | None:
        """Return the document of a proposal that belongs to this round; None for one that an earlier round found."""
        document = stored.get(proposal.candidate_id)
        if document is None:
            document = self._document(proposal)
            new.append(document)
            return document
        if (self._campaign, self._round) == (document.provenance.campaign, document.provenance.campaign_round):
            self._counts["reused"] += 1
            if document.status == "accepted":
                self._batch.add(Crystal(document.candidate_id, "candidates", document.structure))
            return document
        origin = self._origin(proposal)
        if not any(_same_proposal(origin, known) for known in document.origins):
            self._candidates.push_unique(document.candidate_id, "origins", origin.model_dump())
        self._watch.reject(["known candidate"])
        return None

    def _document(self, proposal: Proposal) -> CandidateDocument:
        rejections = check(proposal.structure, self._maker.gates, proposal.intended_space_group)
        novelty = None
        if not rejections:
            crystal = Crystal(proposal.candidate_id, "candidates", proposal.structure)
            novelty = assess(crystal, self._known, self._batch)
            duplicate = duplicate_rejection(novelty)
            if duplicate is None:
                self._batch.add(crystal)
            else:
                rejections = [duplicate]
        document = candidate_document(proposal.structure, self._origin(proposal), rejections, novelty)
        return document.model_copy(update={"provenance": self._provenance})

    def _origin(self, proposal: Proposal) -> Origin:
        return Origin(
            kind="substitution",
            parents=[proposal.parent_id],
            replacements=proposal.replacements,
            generator=Generator(name="invdesflow substitution", version=invdesflow.__version__),
            seed=self._seed,
            index=proposal.index,
            campaign=self._campaign,
            campaign_round=self._round,
        )


def _same_proposal(first: Origin, second: Origin) -> bool:
    return first.model_copy(update={"at": second.at}) == second
