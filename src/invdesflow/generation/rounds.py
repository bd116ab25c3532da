"""One source's share of a round: proposals in, stored candidates out, whatever made the proposals."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Structure

from invdesflow.database import Database
from invdesflow.database.collection import Collection
from invdesflow.database.provenance import current_provenance
from invdesflow.database.stages import StageRecord, Stopwatch
from invdesflow.generation.documents import CandidateDocument, Origin, candidate_document
from invdesflow.generation.gates import GateSettings, check
from invdesflow.generation.known import KnownInDatabase
from invdesflow.generation.novelty import Crystal, CrystalIndex, assess, duplicate_rejection
from invdesflow.progress import track

__all__ = ["CandidateProposal", "GenerationOutput", "GenerationRound"]

_BATCH = 100
_KNOWN = "known candidate"


class CandidateProposal(Protocol):
    """What every source says of a crystal that it proposes."""

    @property
    def index(self) -> int:
        """Position in the sequence of proposals of this source."""
        ...

    @property
    def candidate_id(self) -> str:
        """Identifier of the crystal."""
        ...

    @property
    def structure(self) -> Structure:
        """The crystal."""
        ...

    @property
    def intended_space_group(self) -> int | None:
        """Space group number that the crystal was made for, if it was made for one."""
        ...


P = TypeVar("P", bound=CandidateProposal)


class GenerationOutput(BaseModel):
    """What a generating job did."""

    model_config = ConfigDict(extra="forbid")

    record: StageRecord
    candidate_ids: list[str] = Field(description="accepted candidates of this round, in the order of proposal")


class GenerationRound(Generic[P]):
    """What one source contributes to one round of a campaign.

    1. Refuse what a gate refuses and what is known already; the refused crystal is stored with gate and reason.
    2. A crystal that was found before, here, by another source or in another round, gains an origin and does not count.
    3. Stop at the number of accepted ones that is asked for.

    Run again on the same sequence of proposals, it finds what it stored and goes on from there: a stored crystal is
    this source's own if the first of its origins is the proposal at hand. A source must therefore propose the same
    crystals in the same order whenever it is asked with the same seed.

    Parameters
    ----------
    database
        Where the candidates are.
    campaign, campaign_round
        The round.
    gates
        Thresholds of the gates.
    origin
        Describes where a proposal came from; the round itself is filled in here.
    """

    def __init__(
        self,
        database: Database,
        campaign: str,
        campaign_round: int,
        gates: GateSettings,
        origin: Callable[[P], Origin],
    ) -> None:
        self._candidates: Collection[CandidateDocument] = database.collection(CandidateDocument)
        self._round = {"campaign": campaign, "campaign_round": campaign_round}
        self._gates = gates
        self._describe = origin
        self._provenance = current_provenance(campaign, campaign_round)
        self._known = KnownInDatabase(database)
        self._batch = CrystalIndex()
        self._watch = Stopwatch()
        self._counts: Counter[str] = Counter()

    def run(self, stage: str, proposals: Iterator[P], n_candidates: int) -> GenerationOutput:
        """Store proposals until enough are accepted or there are no more.

        Parameters
        ----------
        stage
            Name of the stage, for its record.
        proposals
            The sequence of this source, from its beginning. No more is drawn from it than is needed.
        n_candidates
            Number of accepted candidates that ends the run.

        Returns
        -------
        GenerationOutput
            With fewer than `n_candidates` only if the proposals came to their end.
        """
        accepted = list(track(self._accepted(proposals, n_candidates), "generating", total=n_candidates))
        record = self._watch.record(
            stage, entered=self._counts["proposed"], passed=len(accepted), reused=self._counts["reused"]
        )
        return GenerationOutput(record=record, candidate_ids=accepted)

    def _accepted(self, proposals: Iterator[P], n_candidates: int) -> Iterator[str]:
        """Store the proposals batch by batch; yield the accepted ones once they are stored."""
        missing = n_candidates
        # A batch of what is still missing never has more accepted ones than are asked for.
        while batch := list(islice(proposals, min(_BATCH, missing))):
            for document in self._store(batch):
                if document.status == "accepted":
                    missing -= 1
                    yield document.candidate_id
                else:
                    self._watch.reject(rejection.gate for rejection in document.rejections)

    def _store(self, batch: Sequence[P]) -> list[CandidateDocument]:
        """Store a batch of proposals; return the documents that are this source's own."""
        self._counts["proposed"] += len(batch)
        stored = self._stored(batch)
        self._known.prefetch(proposal.structure.composition.reduced_formula for proposal in batch)
        own: dict[str, CandidateDocument] = {}
        new: list[CandidateDocument] = []
        again: list[tuple[str, Origin]] = []
        for proposal in batch:
            identifier, origin = proposal.candidate_id, self._origin(proposal)
            document = stored.get(identifier)
            if document is not None and _same_proposal(document.origins[0], origin):
                self._counts["reused"] += 1
                own[identifier] = document
            elif document is not None or identifier in own:
                again.append((identifier, origin))
            else:
                own[identifier] = self._document(proposal, origin)
                new.append(own[identifier])
        # Another source or campaign may have inserted the same crystal at the same moment.
        again += [(identifier, own.pop(identifier).origins[0]) for identifier in self._candidates.insert_new(new)]
        for identifier, origin in again:
            self._found_again(identifier, stored.get(identifier), origin)
        return list(own.values())

    def _stored(self, batch: Sequence[P]) -> dict[str, CandidateDocument]:
        criteria = {"candidate_id": {"$in": [proposal.candidate_id for proposal in batch]}}
        return {document.candidate_id: document for document in self._candidates.find(criteria)}

    def _found_again(self, candidate_id: str, stored: CandidateDocument | None, origin: Origin) -> None:
        """Add an origin to a crystal that this proposal was not the first to find."""
        if stored is None or not any(_same_proposal(origin, known) for known in stored.origins):
            self._candidates.push_unique(candidate_id, "origins", origin.model_dump())
        self._watch.reject([_KNOWN])

    def _document(self, proposal: P, origin: Origin) -> CandidateDocument:
        rejections = check(proposal.structure, self._gates, proposal.intended_space_group)
        novelty = None
        if not rejections:
            crystal = Crystal(proposal.candidate_id, "candidates", proposal.structure)
            novelty = assess(crystal, self._known, self._batch)
            duplicate = duplicate_rejection(novelty)
            if duplicate is None:
                self._batch.add(crystal)
            else:
                rejections = [duplicate]
        document = candidate_document(proposal.structure, origin, rejections, novelty)
        return document.model_copy(update={"provenance": self._provenance})

    def _origin(self, proposal: P) -> Origin:
        return self._describe(proposal).model_copy(update=self._round)


def _same_proposal(first: Origin, second: Origin) -> bool:
    """Tell whether two origins are one proposal, whenever and by whichever version of the program it was made."""
    generator = first.generator.model_copy(update={"version": second.generator.version})
    return first.model_copy(update={"at": second.at, "generator": generator}) == second
