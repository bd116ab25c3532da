"""A MongoDB collection that speaks in documents of one model."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from maggma.utils import grouper
from pydantic import ValidationError
from pymongo import InsertOne, UpdateOne
from pymongo.collection import Collection as RawCollection
from pymongo.errors import BulkWriteError

from invdesflow.database.documents import Document, utc_now
from invdesflow.database.failures import driver_errors
from invdesflow.errors import DatabaseError
from invdesflow.settings import one_line

__all__ = ["Collection", "UpsertCounts"]

D = TypeVar("D", bound=Document)

_BATCH = 500
_DUPLICATE_KEY = 11000


class UpsertCounts(NamedTuple):
    """What an upsert did."""

    inserted: int
    updated: int


class Collection(Generic[D]):
    """Typed access to one collection; every read is validated, every write is a whole document.

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
                cursor = cursor.max_time_ms(int(1000 * time_limit_s))
            for data in cursor:
                yield self._decode(data)

    def values(self, criteria: Mapping[str, Any], fields: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Stream chosen fields of the documents that match, without building the documents."""
        with driver_errors(self.address):
            yield from self.raw.find(dict(criteria), dict.fromkeys(fields, True) | {"_id": False})

    def existing(self, identifiers: Iterable[str]) -> set[str]:
        """Return those of the identifiers that are stored."""
        found: set[str] = set()
        for chunk in grouper(identifiers, _BATCH):
            found.update(row[self.model.key] for row in self.values({self.model.key: {"$in": list(chunk)}}, [self.model.key]))
        return found

    def count(self, criteria: Mapping[str, Any] | None = None) -> int:
        """Count the documents that match."""
        with driver_errors(self.address):
            return self.raw.count_documents(dict(criteria)) if criteria else self.raw.estimated_document_count()

    def upsert(self, documents: Iterable[D]) -> UpsertCounts:
        """Write documents, replacing those with the same key except for their `created_at`."""
        inserted = updated = 0
        for chunk in grouper(documents, _BATCH):
            requests = [self._upsert_request(document) for document in chunk]
            result = self._write(requests)
            inserted += result["nUpserted"]
            updated += result["nMatched"]
        return UpsertCounts(inserted, updated)

    def insert_new(self, documents: Iterable[D]) -> set[str]:
        """Insert the documents whose key is not stored yet.

        Returns
        -------
        set of str
            Keys that were there already; their documents are untouched.
        """
        present: set[str] = set()
        for chunk in grouper(documents, _BATCH):
            rows = list(chunk)
            try:
                with driver_errors(self.address):
                    self.raw.bulk_write([InsertOne(row.to_mongo()) for row in rows], ordered=False)
            except BulkWriteError as error:
                present.update(rows[index].identifier for index in self._duplicates(error))
        return present

    def push_unique(self, identifier: str, field: str, value: Mapping[str, Any]) -> None:
        """Append `value` to an array field unless it is there, atomically."""
        with driver_errors(self.address):
            self.raw.update_one(
                {self.model.key: identifier},
                {"$addToSet": {field: dict(value)}, "$set": {"updated_at": utc_now()}},
            )

    def _decode(self, data: Mapping[str, Any]) -> D:
        try:
            return self.model.from_mongo(data)
        except ValidationError as error:
            raise DatabaseError(
                f"The document {data.get(self.model.key)!r} in {self.raw.name} does not fit its model: {one_line(error)}.",
                "Run invdesflow db validate; if an older version wrote it, invdesflow db migrate.",
            ) from error

    def _upsert_request(self, document: D) -> UpdateOne:
        data = document.to_mongo() | {"updated_at": utc_now()}
        created_at = data.pop("created_at")
        return UpdateOne(
            {self.model.key: document.identifier}, {"$set": data, "$setOnInsert": {"created_at": created_at}}, upsert=True
        )

    def _write(self, requests: list[UpdateOne]) -> dict[str, Any]:
        try:
            with driver_errors(self.address):
                return dict(self.raw.bulk_write(requests, ordered=False).bulk_api_result)
        except BulkWriteError as error:
            # Two writers inserted the same key at once: now it exists, and the update applies.
            again = [requests[index] for index in self._duplicates(error)]
            with driver_errors(self.address):
                result = self.raw.bulk_write(again, ordered=False).bulk_api_result
            return {name: error.details[name] + result[name] for name in ("nUpserted", "nMatched")}

    def _duplicates(self, error: BulkWriteError) -> list[int]:
        """Return the positions that failed on a key already present; raise for any other failure."""
        failures = error.details["writeErrors"]
        for failure in failures:
            if failure["code"] != _DUPLICATE_KEY:
                raise DatabaseError(
                    f"The database at {self.address} refused a document of {self.raw.name}: {failure['errmsg'][:200]}"
                ) from None
        return [failure["index"] for failure in failures]
