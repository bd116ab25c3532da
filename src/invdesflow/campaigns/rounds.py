"""Rounds of a campaign: the same command continues an unfinished round, else begins the next one."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from filelock import FileLock, Timeout

from invdesflow.database.campaign import CampaignDocument, RoundRecord
from invdesflow.database.collection import Collection
from invdesflow.database.database import Database
from invdesflow.database.documents import utc_now
from invdesflow.database.provenance import current_provenance
from invdesflow.database.stages import StageRecord
from invdesflow.errors import CampaignError

__all__ = ["chosen_once", "finish_round", "get_campaign", "only_one", "open_round", "round_of"]


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
    while True:
        campaign = collection.get(name)
        if campaign is None:
            collection.insert_new([CampaignDocument(campaign_id=name, name=name, maker=maker)])
            continue
        if campaign.maker != maker:
            raise CampaignError(
                f"The campaign {name!r} is one of {campaign.maker}, not of {maker}.",
                "Give the recipe another campaign name.",
            )
        last = campaign.rounds[-1] if campaign.rounds else None
        if last is not None and last.status == "running":
            if last.maker == parameters:
                return last
            _end(collection, name, last.number, {"status": "abandoned"})
        number = len(campaign.rounds)
        begun = RoundRecord(number=number, maker=parameters)
        provenance = current_provenance(name, number).model_dump()
        # Unless another process began this round meanwhile: then what it began is looked at.
        if collection.change(
            name, {"rounds": {"$size": number}}, {"provenance": provenance}, push={"rounds": begun.model_dump()}
        ):
            return begun


def _end(collection: Collection[CampaignDocument], name: str, number: int, values: dict[str, Any]) -> bool:
    """End a round that is running; return whether it was."""
    place = f"rounds.{number}"
    values = {f"{place}.{field}": value for field, value in (values | {"finished_at": utc_now()}).items()}
    return collection.change(name, {f"{place}.status": "running"}, values)


def chosen_once(database: Database, name: str, number: int, choose: Callable[[], list[str]]) -> list[str]:
    """Return the candidates that a round chose to calculate; it chooses once, and so stays with them after a kill.

    Raises
    ------
    CampaignError
        If the campaign or the round is not there.
    """
    stored = round_of(database, name, number).chosen
    if stored is not None:
        return stored
    place = f"rounds.{number}.chosen"
    database.collection(CampaignDocument).change(name, {place: None}, {place: choose()})
    return round_of(database, name, number).chosen or []


def round_of(database: Database, name: str, number: int) -> RoundRecord:
    """Return a stored round.

    Raises
    ------
    CampaignError
        If the campaign or the round is not there.
    """
    campaign = get_campaign(database, name)
    if number >= len(campaign.rounds):
        raise CampaignError(f"The campaign {name!r} has no round {number}.")
    return campaign.rounds[number]


def finish_round(database: Database, name: str, number: int, stages: Sequence[StageRecord]) -> None:
    """Record that a round is complete, with what its stages did; one that was abandoned or completed before stays so.

    Raises
    ------
    CampaignError
        If the campaign or the round is not there.
    """
    round_of(database, name, number)
    done = [stage.model_dump() for stage in stages]
    _end(database.collection(CampaignDocument), name, number, {"status": "completed", "stages": done})


@contextmanager
def only_one(database: Database, name: str) -> Iterator[None]:
    """Keep other processes of this machine from running or submitting a campaign.

    Raises
    ------
    CampaignError
        If one is at it.
    """
    folder = database.settings.data_dir / "campaigns"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{name}.lock")
    try:
        lock.acquire(timeout=1.0)  # not at once: who looks whether it is taken takes it for an instant
    except Timeout as error:
        raise CampaignError(
            f"The campaign {name!r} is being run by another process of this machine.",
            "Wait for it, or give the recipe another campaign name.",
        ) from error
    try:
        yield
    finally:
        lock.release()
