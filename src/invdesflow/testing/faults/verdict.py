"""Holding a database against what was promised."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from invdesflow.campaigns.launching.leavings import claim_findings, file_findings, queue_findings
from invdesflow.database import Database
from invdesflow.database.campaign import CampaignDocument
from invdesflow.database.check import check
from invdesflow.database.documents import utc_now
from invdesflow.database.findings import Finding
from invdesflow.database.models import COLLECTION_MODELS
from invdesflow.database.validation import find_invalid_documents
from invdesflow.testing.faults.promises import Promises

__all__ = ["campaign_losses", "findings", "losses"]

_VERSION = "tc_k"  # field of a summary that the writers count up


def losses(database: Database, promises: Promises) -> Iterator[str]:
    """Yield what is half-written, there twice, or promised and not there."""
    for name in COLLECTION_MODELS:
        for invalid in find_invalid_documents(database, name):
            yield f"half-written: {name} {invalid.identifier}: {invalid.reason}"
    yield from _duplicates(database)
    newest: dict[tuple[str, str], int] = {}
    for promise in promises:
        place = promise.collection, promise.identifier
        newest[place] = max(newest.get(place, 0), promise.version)
    for (collection, identifier), version in newest.items():
        stored = database.raw[collection].find_one({database.store_file.collections[collection].key: identifier})
        if stored is None:
            yield f"acknowledged and missing: {collection} {identifier}"
        elif version and (stored.get(_VERSION) or 0) < version:
            yield f"acknowledged and gone back: {collection} {identifier} to {stored.get(_VERSION)}, not {version}"


def campaign_losses(database: Database, campaign: str, n_steps: int) -> Iterator[str]:
    """Yield what a campaign of `n_steps` lacks of a completed round."""
    document = database.collection(CampaignDocument).get(campaign)
    states = [] if document is None else [one.status for one in document.rounds]
    if set(states) != {"completed"}:
        yield f"the rounds of {campaign} are {states or 'not begun'}"
    for name in ("candidates", "training_sets", "summary"):
        found = database.raw[name].count_documents({})
        if found != n_steps:
            yield f"{found} {name} instead of {n_steps}"


def findings(database: Database, patience: timedelta = timedelta(seconds=0.3)) -> list[Finding]:
    """Return all that `invdesflow db check` finds, however young."""
    now = utc_now() + timedelta(minutes=1)  # the times of uploads have seconds only
    return [
        *check(database, now),
        *file_findings(database, now),
        *claim_findings(database),
        *queue_findings(database, timedelta(0), patience),
    ]


def _duplicates(database: Database) -> Iterator[str]:
    keys: Mapping[str, tuple[str, ...]] = {
        **{name: (spec.key,) for name, spec in database.store_file.collections.items()},
        database.store_file.docs_store.collection_name: ("uuid", "index"),
        "fireworks": ("fw_id",),
        "launches": ("launch_id",),
    }
    for name, fields in keys.items():
        rows: Iterator[Mapping[str, Any]] = database.raw[name].find({}, dict.fromkeys(fields, 1))
        counted = Counter(tuple(row.get(field) for field in fields) for row in rows)
        yield from (f"twice: {name} {key}" for key, count in counted.items() if count > 1)
