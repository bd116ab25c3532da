"""One source's share of a round: proposals in, stored candidates out, whatever made the proposals."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Structure

from invdesflow.database import Database
from invdesflow.database.collection import Collection, write_behind
from invdesflow.database.provenance import current_provenance
from invdesflow.database.stages import StageRecord, Stopwatch
from invdesflow.generation.documents import CandidateDocument, Origin, candidate_document
from invdesflow.generation.gates import GateSettings, check
from invdesflow.generation.known import KnownInDatabase
from invdesflow.generation.known_compounds import shipped_compounds
from invdesflow.generation.novelty import Crystal, CrystalIndex, assess, duplicate_rejection
from invdesflow.progress import track

__all__ = ["CandidateProposal", "GenerationOutput", "GenerationRound", "same_proposal"]

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


@dataclass
class _Share:
    """What is to be stored of one batch of proposals.

    Attributes
    ----------
    own
        Crystals that this source found first, in the order of proposal.
    new
        Those of them that are not stored yet.
    again
        New origins of crystals that were found before.
    n_known
        Number of proposals that were found before.
    """

    own: list[CandidateDocument] = field(default_factory=list)
    new: list[CandidateDocument] = field(default_factory=list)
    again: list[tuple[str, Origin]] = field(default_factory=list)
    n_known: int = 0


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
        self._found: set[str] = set()
        self._missing = 0
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
        self._missing = n_candidates
        settled = -1
        while self._missing and settled < self._counts["proposed"]:
            settled = self._counts["proposed"]
            for share, lost in write_behind(self._shares(proposals), self._write):
                for _ in range(share.n_known + len(lost)):
                    self._watch.reject([_KNOWN])
                for document in share.own:
                    if document.candidate_id in lost:
                        self._missing += document.status == "accepted"
                    elif document.status == "accepted":
                        yield document.candidate_id
                    else:
                        self._watch.reject(rejection.gate for rejection in document.rejections)

    def _shares(self, proposals: Iterator[P]) -> Iterator[_Share]:
        """Settle batches of as many proposals as accepted ones are missing, so that none is drawn in vain."""
        while batch := list(islice(proposals, min(_BATCH, self._missing))):
            share = self._settle(batch)
            self._counts["proposed"] += len(batch)
            self._missing -= sum(document.status == "accepted" for document in share.own)
            yield share

    def _settle(self, batch: Sequence[P]) -> _Share:
        stored = self._stored(batch)
        self._known.prefetch(proposal.structure.composition.reduced_formula for proposal in batch)
        share = _Share()
        for proposal in batch:
            origin = self._origin(proposal)
            document = stored.get(proposal.candidate_id)
            if document is not None and same_proposal(document.origins[0], origin):
                self._counts["reused"] += 1
                share.own.append(document)
                if document.status == "accepted":
                    self._batch.add(Crystal(document.candidate_id, "candidates", document.structure))
            elif document is not None or proposal.candidate_id in self._found:
                share.n_known += 1
                if document is None or not any(same_proposal(origin, known) for known in document.origins):
                    share.again.append((proposal.candidate_id, origin))
            else:
                share.new.append(self._document(proposal, origin))
                share.own.append(share.new[-1])
                self._found.add(proposal.candidate_id)
        return share

    def _write(self, share: _Share) -> set[str]:
        """Store a batch; return the crystals that another source or campaign inserted at the same moment."""
        lost = self._candidates.insert_new(share.new)
        again = [
            (document.candidate_id, document.origins[0]) for document in share.new if document.candidate_id in lost
        ]
        for identifier, origin in share.again + again:
            self._candidates.push_unique(identifier, "origins", origin.model_dump())
        return lost

    def _stored(self, batch: Sequence[P]) -> dict[str, CandidateDocument]:
        criteria = {"candidate_id": {"$in": [proposal.candidate_id for proposal in batch]}}
        return {document.candidate_id: document for document in self._candidates.find(criteria)}

    def _document(self, proposal: P, origin: Origin) -> CandidateDocument:
        rejections = check(proposal.structure, self._gates, proposal.intended_space_group)
        novelty = None
        if not rejections:
            crystal = Crystal(proposal.candidate_id, "candidates", proposal.structure)
            novelty = assess(crystal, self._batch, self._known, shipped_compounds())
            duplicate = duplicate_rejection(novelty)
            if duplicate is None:
                self._batch.add(crystal)
            else:
                rejections = [duplicate]
        document = candidate_document(proposal.structure, origin, rejections, novelty, proposal.candidate_id)
        return document.model_copy(update={"provenance": self._provenance})

    def _origin(self, proposal: P) -> Origin:
        return self._describe(proposal).model_copy(update=self._round)


def same_proposal(first: Origin, second: Origin) -> bool:
    """Tell whether two origins are one proposal, whenever and by whichever version of the program it was made."""
    generator = first.generator.model_copy(update={"version": second.generator.version})
    return first.model_copy(update={"at": second.at, "generator": generator}) == second
