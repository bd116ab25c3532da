"""What a round of intercalation did: its pairs, and what came to nothing and why."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from invdesflow.database.stages import StageRecord, Stopwatch
from invdesflow.errors import IntercalationError, InvDesFlowError
from invdesflow.generation.documents import Rejection
from invdesflow.intercalation.documents import Pair
from invdesflow.intercalation.storing import Stored

__all__ = ["Account", "IntercalateOutput", "Refusal"]


_TOLD = 3  # reasons of refusals


class Refusal(BaseModel):
    """A host, or guests in a host, that came to nothing."""

    model_config = ConfigDict(extra="forbid")

    host_id: str = Field(description="candidate_id of the host; how it was asked for where it is none")
    guests: list[str] = Field(description="elements; none where the host itself is refused")
    sites: list[str] = Field(description="Wyckoff positions that they were to take")
    rejection: Rejection
    candidate_id: str | None = Field(None, description="the rejected crystal, where there is one")


class IntercalateOutput(BaseModel):
    """What an intercalating job did."""

    model_config = ConfigDict(extra="forbid")

    record: StageRecord
    candidate_ids: list[str] = Field(description="hosts that have guests, then the crystals with guests")
    pairs: list[Pair]
    refusals: list[Refusal]


class Account:
    """What a round did so far."""

    def __init__(self) -> None:
        self.host_ids: list[str] = []
        self._refusals: list[Refusal] = []
        self._errors: list[InvDesFlowError] = []
        self._watch = Stopwatch()
        self._reused = 0

    def host(self, stored: Stored) -> Stored:
        """Note a host."""
        for rejection in stored.rejections[:1]:
            self.refuse(stored.candidate_id, [], [], rejection, candidate_id=stored.candidate_id)
        return stored

    def guest(self, host_id: str, guests: list[str], sites: list[str], stored: Stored) -> None:
        """Note a crystal with guests."""
        self._reused += stored.reused
        for rejection in stored.rejections[:1]:
            self.refuse(host_id, guests, sites, rejection, candidate_id=stored.candidate_id)

    def refuse(
        self,
        host_id: str,
        guests: list[str],
        sites: list[str],
        rejection: Rejection,
        *,
        candidate_id: str | None = None,
    ) -> None:
        """Note what a gate refused."""
        self._watch.reject([rejection.gate])
        self._refusals.append(
            Refusal(host_id=host_id, guests=guests, sites=sites, rejection=rejection, candidate_id=candidate_id)
        )

    def fail(self, host_id: str, guests: list[str], sites: list[str], gate: str, error: InvDesFlowError) -> None:
        """Note what could not be made; a round without pairs raises the error if it is the only reason."""
        self._errors.append(error)
        self.refuse(host_id, guests, sites, Rejection(gate=gate, reason=error.problem))

    def nothing(self) -> InvDesFlowError:
        """Return the error of a round without pairs."""
        if self._errors and len(self._refusals) == 1:
            return self._errors[0]
        if self._refusals and not any(refusal.guests for refusal in self._refusals):
            return IntercalationError(
                f"No host can take guests: {self._reasons()}.", "Choose other hosts, or loosen gates."
            )
        where = "the host" if len(self.host_ids) <= 1 else "any of the hosts"
        return IntercalationError(
            f"No guest fits into {where}: {self._reasons() or 'there are no hosts'}.",
            "Choose other guests or hosts, or loosen fit, voids or gates.",
        )

    def output(self, stage: str, pairs: Sequence[Pair], most: int | None) -> IntercalateOutput:
        """Close the account."""
        hosts = dict.fromkeys(pair.host_id for pair in pairs)
        guests = dict.fromkeys(pair.guest_id for pair in pairs if pair.guest_id not in hosts)
        note = f"{len(pairs)} pairs of {len(hosts)} hosts"
        if len(pairs) == most:
            note += f"; stopped at most = {most}, there may be more"
        if self._refusals:
            note += f"; {len(self._refusals)} refused: {self._reasons()}"
        record = self._watch.record(
            stage,
            entered=len(pairs) + len(self._refusals),
            passed=len(pairs),
            reused=self._reused,
            note=note,
        )
        return IntercalateOutput(
            record=record, candidate_ids=[*hosts, *guests], pairs=list(pairs), refusals=self._refusals
        )

    def _reasons(self) -> str:
        reasons = list(dict.fromkeys(refusal.rejection.reason for refusal in self._refusals))
        return "; ".join(reasons[:_TOLD]) + (f"; and {len(reasons) - _TOLD} more" if len(reasons) > _TOLD else "")
