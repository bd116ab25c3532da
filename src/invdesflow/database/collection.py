"""A MongoDB collection that speaks in documents of one model."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, NamedTuple, TypeVar

import bson
from maggma.utils import grouper
from pydantic import ValidationError
from pymongo import InsertOne, UpdateOne
from pymongo.collection import Collection as RawCollection
from pymongo.errors import BulkWriteError

from invdesflow.database.documents import Document, utc_now
from invdesflow.database.failures import driver_errors, write_problem
from invdesflow.errors import ConfigurationError, DatabaseError
from invdesflow.settings import one_line

__all__ = ["Collection", "UpsertCounts", "write_behind"]

D = TypeVar("D", bound=Document)
B = TypeVar("B")
R = TypeVar("R")

_BATCH = 500
_ALTERNATIVES = 100  # secantusd takes a time for ``$in`` that grows with the square of its length
_MAX_BYTES = 16 * 2**20  # MongoDB's limit for one document
_DUPLICATE_KEY = 11000


class UpsertCounts(NamedTuple):
    """What an upsert did."""

    inserted: int
    updated: int


class Collection(Generic[D]):
    """Typed access to one collection; every read is validated, every write is a whole document.

    A document of another schema version is neither read nor written over: an older one has to be migrated first, a
    newer one belongs to a newer program. Both raise `DatabaseError`.

    Parameters
    ----------
    raw
        The pymongo collection.
    model
        Model of its documents.
    address
        The server without credentials, for error messages.
    """

    def __init__(self, raw: RawCollection[dict[str, Any]], model: type[D], address: str) -> None:
        self.raw = raw
        self.model = model
        self.address = address

    def get(self, identifier: str) -> D | None:
        """Return the document with this key, or None."""
        with driver_errors(self.address):
            data = self.raw.find_one({self.model.key: identifier})
        return None if data is None else self._decode(data)

    def find(
        self,
        criteria: Mapping[str, Any] | None = None,
        *,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
        time_limit_s: float | None = None,
    ) -> Iterator[D]:
        """Stream the documents that match.

        Parameters
        ----------
        criteria
            MongoDB filter made by our own code, never from a user's raw JSON.
        sort
            Fields and directions (1 or -1).
        limit
            At most so many; 0 is all.
        time_limit_s
            Time the server may take.
        """
        with driver_errors(self.address):
            cursor = self.raw.find(dict(criteria or {}), limit=limit)
            if sort:
                cursor = cursor.sort(list(sort))
            if time_limit_s is not None:
                cursor = cursor.max_time_ms(math.ceil(1000 * time_limit_s))
            for data in cursor:
                yield self._decode(data)

    def find_in(self, field: str, values: Iterable[str]) -> Iterator[D]:
        """Stream the documents whose field has one of many values."""
        for chunk in grouper(values, _ALTERNATIVES):
            yield from self.find({field: {"$in": list(chunk)}})

    def values(self, criteria: Mapping[str, Any], fields: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Stream chosen fields of the documents that match, without building the documents."""
        with driver_errors(self.address):
            yield from self.raw.find(dict(criteria), dict.fromkeys(fields, True) | {"_id": False})

    def existing(self, identifiers: Iterable[str]) -> set[str]:
        """Return those of the identifiers that are stored."""
        key = self.model.key
        found: set[str] = set()
        for chunk in grouper(identifiers, _ALTERNATIVES):
            found.update(row[key] for row in self.values({key: {"$in": list(chunk)}}, [key]))
        return found

    def unique_key(self, beginning: str) -> str | None:
        """Return the one key that is, or begins with, a text; None if there is none, or no text.

        Raises
        ------
        ConfigurationError
            If several begin so and none is the text itself.
        """
        if not beginning:  # every key begins so, which makes the only one no choice of the user's
            return None
        key = self.model.key
        pattern = {"$regex": "^" + re.escape(beginning)}
        found = sorted(row[key] for row in self.values({key: pattern}, [key]))
        if beginning in found:
            return beginning
        if len(found) > 1:
            raise ConfigurationError(
                f"{len(found)} keys in {self.model.collection} begin with {beginning!r}.",
                f"Name one of them: {', '.join(found[:5])}.",
            )
        return found[0] if found else None

    def count(self, criteria: Mapping[str, Any] | None = None) -> int:
        """Count the documents that match."""
        with driver_errors(self.address):
            return self.raw.count_documents(dict(criteria)) if criteria else self.raw.estimated_document_count()

    def upsert(self, documents: Iterable[D]) -> UpsertCounts:
        """Write documents, replacing those with the same key except for their `created_at`.

        Raises
        ------
        DatabaseError
            If one exceeds MongoDB's limit of 16 MB, or is stored with another schema version, which is found before
            its batch of 500 is sent; or the server refuses one.
        """
        counts = [self._upsert_chunk(chunk) for chunk in grouper(documents, _BATCH)]
        return UpsertCounts(sum(count.inserted for count in counts), sum(count.updated for count in counts))

    def insert_new(self, documents: Iterable[D]) -> set[str]:
        """Insert the documents whose key is not stored yet.

        Returns
        -------
        set of str
            Keys that were there already; their documents are untouched.

        Raises
        ------
        DatabaseError
            As for `upsert`.
        """
        found: set[str] = set()
        for chunk in grouper(documents, _BATCH):
            _, present = self._write([InsertOne(data) for data in self._encodable(chunk)])
            found.update(chunk[index].identifier for index in present)
        return found

    def push_unique(self, identifier: str, field: str, value: Mapping[str, Any]) -> bool:
        """Append `value` to an array field unless it is there, atomically.

        Returns
        -------
        bool
            True if it was appended; otherwise the document is untouched.

        Raises
        ------
        DatabaseError
            If there is no such document.
        """
        key = self.model.key
        with driver_errors(self.address):
            result = self.raw.update_one(
                {key: identifier, field: {"$ne": dict(value)}},
                {"$push": {field: dict(value)}, "$set": {"updated_at": utc_now()}},
            )
            if result.matched_count == 0 and self.raw.find_one({key: identifier}, {key: True}) is None:
                raise DatabaseError(f"There is no document {identifier!r} in {self.raw.name}.")
        return result.matched_count == 1

    def change(
        self,
        identifier: str,
        criteria: Mapping[str, Any],
        values: Mapping[str, Any],
        *,
        push: Mapping[str, Any] | None = None,
    ) -> bool:
        """Change some fields of a document if it meets a condition, atomically.

        Parameters
        ----------
        identifier
            Its key.
        criteria
            The condition, a MongoDB filter made by our own code.
        values
            Fields, also within fields, and their new values.
        push
            Array fields and what is appended to them.

        Returns
        -------
        bool
            True if it met the condition; otherwise the document is untouched, or there is none.
        """
        update: dict[str, Any] = {"$set": {**values, "updated_at": utc_now()}}
        if push:
            update["$push"] = dict(push)
        with driver_errors(self.address):
            return self.raw.update_one({self.model.key: identifier, **criteria}, update).matched_count == 1

    def _decode(self, data: Mapping[str, Any]) -> D:
        self._require_current(data)
        try:
            return self.model.from_mongo(data)
        except ValidationError as error:
            identifier = data.get(self.model.key)
            raise DatabaseError(
                f"The document {identifier!r} in {self.raw.name} does not fit its model: {one_line(error)}.",
                "Run invdesflow db validate.",
            ) from error

    def _require_current(self, data: Mapping[str, Any]) -> None:
        version, current = data.get("schema_version", 1), self.model.current_schema_version
        if version == current:
            return
        newer = isinstance(version, int) and version > current
        raise DatabaseError(
            f"The document {data.get(self.model.key)!r} in {self.raw.name} has schema version {version!r}; this "
            f"InvDesFlow works with {current}.",
            "Install the newer InvDesFlow that wrote it." if newer else "Run invdesflow db migrate.",
        )

    def _stored(self, documents: Sequence[D]) -> set[str]:
        """Return the keys that are stored already, all with the current schema version."""
        key = self.model.key
        found: set[str] = set()
        for chunk in grouper((document.identifier for document in documents), _ALTERNATIVES):
            for row in self.values({key: {"$in": list(chunk)}}, [key, "schema_version"]):
                self._require_current(row)
                found.add(row[key])
        return found

    def _encodable(self, documents: Sequence[D]) -> list[dict[str, Any]]:
        rows = [document.to_mongo() for document in documents]
        with driver_errors(self.address):
            sizes = [len(bson.encode(row)) for row in rows]
        for document, size in zip(documents, sizes, strict=True):
            if size > _MAX_BYTES:
                raise DatabaseError(
                    f"The document {document.identifier!r} of {self.raw.name} has {size / 2**20:.1f} MB; "
                    f"MongoDB takes {_MAX_BYTES / 2**20:.0f} MB.",
                    "Keep large arrays in the additional store 'data'.",
                )
        return rows

    def _upsert_chunk(self, documents: Sequence[D]) -> UpsertCounts:
        rows = self._encodable(documents)
        for row in rows:
            row["updated_at"] = utc_now()
        # Servers insert several times faster than they upsert, and most documents are new.
        known = self._stored(documents)
        requests = [
            self._update(row) if document.identifier in known else InsertOne(dict(row))
            for document, row in zip(documents, rows, strict=True)
        ]
        first, present = self._write(requests)
        inserted, updated = first["nInserted"] + first["nUpserted"], first["nMatched"]
        if present:
            # Another writer inserted the same key meanwhile: now it exists, and the update applies.
            again, refused = self._write([self._update(rows[index]) for index in present])
            if refused:
                raise DatabaseError(
                    f"The database at {self.address} refuses {documents[present[refused[0]]].identifier!r} in "
                    f"{self.raw.name}, because another unique index forbids it."
                )
            inserted, updated = inserted + again["nUpserted"], updated + again["nMatched"]
        return UpsertCounts(inserted, updated)

    def _update(self, row: Mapping[str, Any]) -> UpdateOne:
        values = {field: value for field, value in row.items() if field != "created_at"}
        update = {"$set": values, "$setOnInsert": {"created_at": row["created_at"]}}
        return UpdateOne({self.model.key: row[self.model.key]}, update, upsert=True)

    def _write(self, requests: Sequence[UpdateOne | InsertOne[dict[str, Any]]]) -> tuple[Mapping[str, Any], list[int]]:
        """Return the server's counts, and the positions of the documents whose key was present."""
        with driver_errors(self.address):
            try:
                return self.raw.bulk_write(requests, ordered=False).bulk_api_result, []
            except BulkWriteError as error:
                failures = error.details["writeErrors"]
                if error.details["writeConcernErrors"] or any(row["code"] != _DUPLICATE_KEY for row in failures):
                    raise self._refused(error) from None
                return error.details, [failure["index"] for failure in failures]

    def _refused(self, error: BulkWriteError) -> DatabaseError:
        # A document that is not on disk was not written: a failed write concern counts, too.
        others = [failure for failure in error.details["writeErrors"] if failure["code"] != _DUPLICATE_KEY]
        reason = write_problem({**error.details, "writeErrors": others})
        return DatabaseError(f"The database at {self.address} refused a document of {self.raw.name}: {reason}.")


def write_behind(batches: Iterable[B], write: Callable[[B], R]) -> Iterator[tuple[B, R]]:
    """Write batches in a thread of their own while the next one is made.

    Parameters
    ----------
    batches
        What to write; made lazily in the caller's thread.
    write
        Writes a batch and returns once it is stored.

    Yields
    ------
    tuple
        Every batch, after it was stored, with what `write` returned. What `write` raises is raised here, and no
        further batch is written.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="write-behind") as writer:
        last: tuple[B, Future[R]] | None = None
        for batch in batches:
            stored = None if last is None else (last[0], last[1].result())
            last = batch, writer.submit(write, batch)
            if stored is not None:
                yield stored
        if last is not None:
            yield last[0], last[1].result()
