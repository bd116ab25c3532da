"""Rounds of a campaign: the same command continues an unfinished round, else begins the next one."""

from collections.abc import Sequence
from typing import Any

from invdesflow.database.campaign import CampaignDocument, RoundRecord
from invdesflow.database.database import Database
from invdesflow.database.documents import utc_now
from invdesflow.database.provenance import current_provenance
from invdesflow.database.stages import StageRecord
from invdesflow.errors import CampaignError

__all__ = ["finish_round", "get_campaign", "open_round"]


def get_campaign(database: Database, name: str) -> CampaignDocument:
    """Return a stored campaign.

    Raises
    ------
    CampaignError
        If there is none of this name.
    """
    campaign = database.collection(CampaignDocument).get(name)
    if campaign is None:
        known = [row["name"] for row in database.collection(CampaignDocument).values({}, ["name"])]
        raise CampaignError(
            f"The database holds no campaign {name!r}.",
            f"It holds: {', '.join(sorted(known))}."
            if known
            else "Run one with: invdesflow discover flows/discovery.yaml.",
        )
    return campaign


def open_round(database: Database, name: str, maker: str, parameters: dict[str, Any]) -> RoundRecord:
    """Return the round of a campaign to run now.

    An unfinished round of the same recipe is continued: every stage finds what it stored and does the rest. An
    unfinished round of another recipe is marked abandoned, and what it stored stays.

    Parameters
    ----------
    database
        Where the campaign is.
    name
        Its name.
    maker
        Class name of its maker.
    parameters
        The maker's parameters, as the recipe gives them.

    Raises
    ------
    CampaignError
        If the campaign exists with another kind of maker.
    """
    collection = database.collection(CampaignDocument)
    campaign = collection.get(name) or CampaignDocument(campaign_id=name, name=name, maker=maker)
    if campaign.maker != maker:
        raise CampaignError(
            f"The campaign {name!r} is one of {campaign.maker}, not of {maker}.",
            "Give the recipe another campaign name.",
        )
    last = campaign.rounds[-1] if campaign.rounds else None
    if last is not None and last.status == "running":
        if last.maker == parameters:
            return last
        last.status = "abandoned"
        last.finished_at = utc_now()
    campaign.rounds.append(RoundRecord(number=len(campaign.rounds), maker=parameters))
    campaign.provenance = current_provenance(name, campaign.rounds[-1].number)
    collection.upsert([campaign])
    return campaign.rounds[-1]


def finish_round(database: Database, name: str, number: int, stages: Sequence[StageRecord]) -> None:
    """Record that a round is complete, with what its stages did.

    Raises
    ------
    CampaignError
        If the campaign or the round is not there.
    """
    campaign = get_campaign(database, name)
    if number >= len(campaign.rounds):
        raise CampaignError(f"The campaign {name!r} has no round {number}.")
    record = campaign.rounds[number]
    record.stages = list(stages)
    record.status = "completed"
    record.finished_at = utc_now()
    database.collection(CampaignDocument).upsert([campaign])
