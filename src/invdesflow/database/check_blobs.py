"""Blobs that no document refers to, and documents whose blob is not there."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any

from bson import ObjectId

from invdesflow.database.blobs import BlobEntry
from invdesflow.database.database import Database
from invdesflow.database.findings import Finding

__all__ = ["BLOB_FIELDS", "blob_findings"]

BLOB_FIELDS = {
    "electron_phonon": "arrays",
    "phonons": "arrays",
    "intercalation_studies": "arrays",
    "training_sets": "content",
    "models": "digest",
}
"""Collection -> field with the SHA-256 of a blob."""

_REMEDIES = {
    "electron_phonon": "invdesflow verify --again puts it together again",
    "phonons": "the campaign calculates it again once the document is removed",
    "intercalation_studies": "invdesflow intercalate compares again",
    "training_sets": "restore it from a backup",
    "models": "add the model file again, or restore it from a backup",
}


def blob_findings(database: Database, before: datetime) -> Iterator[Finding]:
    """Yield blobs without documents, blobs that are there twice, pieces of blobs, and documents without their blob."""
    referenced = dict(_references(database))
    copies: defaultdict[str, list[BlobEntry]] = defaultdict(list)
    for entry in database.blobs.entries():
        copies[entry.digest].append(entry)
    for digest, (collection, identifier) in sorted(referenced.items()):
        sound = [entry for entry in copies[digest] if database.blobs.is_sound(entry)]
        if not sound:
            remark = f"its blob {digest[:16]} is missing or damaged; {_REMEDIES[collection]}"
            yield Finding("missing blob", collection, identifier, remark, None)
            continue
        spare = [entry for entry in copies[digest] if entry is not sound[-1] and entry.uploaded_at < before]
        yield from (_superfluous(database, entry, "second blob", "it is stored twice") for entry in spare)
    for digest in sorted(copies.keys() - referenced.keys()):
        for entry in copies[digest]:
            if entry.uploaded_at < before:
                yield _superfluous(database, entry, "dangling blob", "no document refers to it")
    yield from _pieces(database, before)


def _references(database: Database) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield digest, and collection and key of the document, for every reference to a blob."""
    for collection, field in BLOB_FIELDS.items():
        key = database.store_file.collections[collection].key
        # The weights of a model that ships lie in a file.
        criteria = {field: {"$ne": None}, "shipped": {"$ne": True}}
        for row in database.raw[collection].find(criteria, {key: 1, field: 1}):
            yield row[field], (collection, str(row[key]))


def _superfluous(database: Database, entry: BlobEntry, kind: str, remark: str) -> Finding:
    def remove() -> None:
        if kind == "second blob" or not _is_referenced(database, entry.digest):  # somebody may have come for it
            database.blobs.remove(entry)

    return Finding(kind, database.blobs.bucket, entry.digest[:16], remark, remove)


def _is_referenced(database: Database, digest: str) -> bool:
    return any(
        database.raw[collection].find_one({field: digest}, {"_id": 1}) is not None
        for collection, field in BLOB_FIELDS.items()
    )


def _pieces(database: Database, before: datetime) -> Iterator[Finding]:
    """Yield the chunks of uploads that did not end: their entry is written last."""
    bucket = database.blobs.bucket
    chunks, files = database.raw[f"{bucket}.chunks"], database.raw[f"{bucket}.files"]
    known = {row["_id"] for row in files.find({}, {"_id": 1})}
    grouped: Iterator[dict[str, Any]] = chunks.aggregate([{"$group": {"_id": "$files_id"}}])
    for upload in (row["_id"] for row in grouped):
        if upload not in known and isinstance(upload, ObjectId) and upload.generation_time < before:
            yield Finding(
                "piece of a blob",
                bucket,
                str(upload),
                "its upload did not end",
                partial(chunks.delete_many, {"files_id": upload}),
            )
