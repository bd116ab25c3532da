"""Holding every stored document against its model."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from invdesflow.database.database import Database
from invdesflow.database.failures import driver_errors
from invdesflow.database.models import COLLECTION_MODELS, document_model
from invdesflow.settings import one_line

__all__ = ["InvalidDocument", "count_documents", "find_invalid_documents"]


@dataclass(frozen=True)
class InvalidDocument:
    """A stored document that does not fit its model."""

    collection: str
    identifier: str
    reason: str


def count_documents(database: Database) -> dict[str, int]:
    """Return the number of documents in each collection."""
    return {name: database.named_collection(name).count() for name in COLLECTION_MODELS}


def find_invalid_documents(database: Database, collection: str) -> Iterator[InvalidDocument]:
    """Yield the documents of one collection that do not fit their model or have another schema version."""
    model = document_model(collection)
    with driver_errors(database.address):
        for data in database.raw[collection].find():
            identifier = str(data.get(model.key))
            if data.get("schema_version") != model.current_schema_version:
                version = data.get("schema_version")
                yield InvalidDocument(
                    collection, identifier, f"schema version {version}, not {model.current_schema_version}"
                )
                continue
            try:
                model.from_mongo(data)
            except ValidationError as error:
                yield InvalidDocument(collection, identifier, one_line(error))
