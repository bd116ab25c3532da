"""Outputs of jobs whose blobs are not there: a JobStore writes the document first, then the blobs."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from bson import ObjectId

from invdesflow.database.database import Database
from invdesflow.database.findings import Finding

__all__ = ["job_findings"]

_NAME = "blob_uuid"


def job_findings(database: Database, before: datetime) -> Iterator[Finding]:
    """Yield outputs of jobs that lack a blob, and blobs of outputs that are not there.

    Such an output was never acknowledged, and the job that wrote it is run again; so it may be removed.
    """
    jobs = database.raw[database.store_file.docs_store.collection_name]
    files = database.raw[f"{database.blobs.bucket}.files"]
    stored = {row["metadata"][_NAME]: row for row in files.find({f"metadata.{_NAME}": {"$exists": True}})}
    named: set[str] = set()
    for row in jobs.find({}):
        blobs = set(_blob_names(row.get("output")))
        named |= blobs
        if blobs - stored.keys() and _written_at(row) < before:
            remark = "its output lacks a blob; the job is run again"
            yield Finding(
                "output without blob",
                jobs.name,
                row["uuid"],
                remark,
                partial(jobs.delete_one, {"_id": row["_id"]}),
            )
    for name in sorted(stored.keys() - named):
        entry = stored[name]
        if entry["uploadDate"] < before:
            remark = "no output of a job refers to it"
            yield Finding("dangling blob", files.name, name, remark, partial(_remove, database, entry["_id"]))


def _blob_names(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get(_NAME), str):
            yield value[_NAME]
        for item in value.values():
            yield from _blob_names(item)
    elif isinstance(value, list):
        for item in value:
            yield from _blob_names(item)


def _written_at(row: Mapping[str, Any]) -> datetime:
    """Return when the output was stored first; jobflow's own time has no zone."""
    identifier = row["_id"]
    return identifier.generation_time if isinstance(identifier, ObjectId) else datetime.min.replace(tzinfo=UTC)


def _remove(database: Database, identifier: Any) -> None:
    bucket = database.blobs.bucket
    database.raw[f"{bucket}.files"].delete_one({"_id": identifier})
    database.raw[f"{bucket}.chunks"].delete_many({"files_id": identifier})
