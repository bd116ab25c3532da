"""What is told of a submission: one entry for each candidate, or one for the round."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from invdesflow.campaigns.launching.queue import Queued

__all__ = ["ADDED", "Entry", "Submission"]

ADDED = "added"


@dataclass(frozen=True)
class Entry:
    """Where a candidate, or a round, stands after a submission.

    Attributes
    ----------
    state
        ``added`` now; what FireWorks says of the workflow that was there; the status of a calculation that has ended;
        ``impossible``; or ``removed``, by somebody else, since it was looked for.
    candidate_id, formula
        None for a round that is one workflow.
    firework_ids
        Its fireworks on the launchpad.
    priority
        Larger ones are run first; those without one come last.
    remark
        What there is to know.
    """

    state: str
    candidate_id: str | None = None
    formula: str | None = None
    firework_ids: list[int] = field(default_factory=list)
    priority: float | None = None
    remark: str = ""

    def of_queued(self, found: Queued, campaign: str) -> Self:
        """Return this entry with the state of the workflow that is on the launchpad."""
        remark = "" if found.campaign == campaign else f"by round {found.campaign_round} of {found.campaign}"
        again = f"invdesflow runs rerun {found.candidate_id or found.campaign}"
        if found.state == "fizzled":
            remark = f"run it again with: {again}"
        elif found.state == "defused":
            remark = f"put it back with: {again}"
        return replace(self, state=found.state, firework_ids=found.firework_ids, remark=remark)


@dataclass(frozen=True)
class Submission:
    """What was put on the launchpad, and what was there.

    Attributes
    ----------
    campaign, campaign_round
        The round; None where there was nothing to add and so no round to begin.
    entries
        One for each candidate, or one for the round.
    """

    campaign: str
    campaign_round: int | None
    entries: list[Entry]

    @property
    def added(self) -> list[Entry]:
        """What was added now."""
        return [entry for entry in self.entries if entry.state == ADDED]

    def rows(self) -> list[dict[str, Any]]:
        """Return the entries as JSON-like data."""
        return [{"campaign": self.campaign, "campaign_round": self.campaign_round, **asdict(e)} for e in self.entries]
