"""The candidates of a round that are calculated each for itself: the round waits for them, the last one closes it."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from invdesflow.campaigns.rounds import round_of
from invdesflow.database.campaign import WAITING, CampaignDocument, RoundRecord
from invdesflow.database.database import Database
from invdesflow.database.documents import utc_now
from invdesflow.database.stages import StageRecord

__all__ = ["close_if_ended", "note_outcome", "wait_for"]


def wait_for(database: Database, name: str, number: int, candidate_ids: Sequence[str], *, again: bool = False) -> bool:
    """Let a running round wait for candidates, beside those that it waits for already.

    Parameters
    ----------
    database
        The database.
    name, number
        The round.
    candidate_ids
        Candidates.
    again
        Also for those of which an outcome is noted.

    Returns
    -------
    bool
        False if the round has ended; then it is as it was.

    Raises
    ------
    CampaignError
        If the campaign or the round is not there.
    """
    place = f"rounds.{number}"
    while True:
        record = round_of(database, name, number)
        if record.status != "running":
            return False
        chosen = list(dict.fromkeys([*(record.chosen or []), *candidate_ids]))
        outcomes = record.outcomes | {
            candidate_id: WAITING for candidate_id in candidate_ids if again or candidate_id not in record.outcomes
        }
        values = {f"{place}.chosen": chosen, f"{place}.outcomes": outcomes}
        if database.collection(CampaignDocument).change(name, _as_read(place, record), values):
            return True


def note_outcome(database: Database, name: str, number: int, candidate_id: str, outcome: str) -> None:
    """Note how the calculation of one candidate ended, in place of what was noted before."""
    database.collection(CampaignDocument).change(name, {}, {f"rounds.{number}.outcomes.{candidate_id}": outcome})


def close_if_ended(database: Database, name: str, number: int, *, stage: str, protocol: str) -> bool:
    """Close a round none of whose candidates is waited for; bring the account of one that was closed up to date.

    Whoever ends last closes the round. Two that end at once close it once, with the same account.

    Parameters
    ----------
    database
        The database.
    name, number
        The round.
    stage
        Name of the stage in the account.
    protocol
        Protocol of the calculations.

    Returns
    -------
    bool
        Whether it is closed.

    Raises
    ------
    CampaignError
        If the campaign or the round is not there.
    """
    place = f"rounds.{number}"
    while True:
        record = round_of(database, name, number)
        outcomes = [record.outcomes.get(candidate_id, WAITING) for candidate_id in record.chosen or []]
        if record.chosen is None or record.status == "abandoned" or WAITING in outcomes:
            return False
        values: dict[str, Any] = {f"{place}.stages": [_account(record, outcomes, stage, protocol).model_dump()]}
        if record.status == "running":
            values |= {f"{place}.status": "completed", f"{place}.finished_at": utc_now()}
        if database.collection(CampaignDocument).change(name, _as_read(place, record), values):
            return True


def _as_read(place: str, record: RoundRecord) -> dict[str, Any]:
    """Return the condition that no candidate ended or was added since a round was read; else one looks again."""
    return {
        f"{place}.status": record.status,
        f"{place}.chosen": record.chosen,
        f"{place}.outcomes": record.outcomes or {"$in": [{}, None]},  # rounds of earlier versions have none
    }


def _account(record: RoundRecord, outcomes: Sequence[str], stage: str, protocol: str) -> StageRecord:
    counts = Counter(outcomes)
    passed = counts.pop("completed", 0)
    return StageRecord(
        stage=stage,
        entered=len(outcomes),
        passed=passed,
        rejected=dict(sorted(counts.items())),
        seconds=round((utc_now() - record.started_at).total_seconds(), 3),
        note=protocol,
    )
