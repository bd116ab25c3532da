"""Registered migrations: how a stored document of an older schema version becomes a current one."""

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from invdesflow.database.database import Database
from invdesflow.database.documents import Document
from invdesflow.database.failures import driver_errors
from invdesflow.database.models import COLLECTION_MODELS, document_model
from invdesflow.errors import DatabaseError
from invdesflow.settings import one_line

__all__ = ["Migration", "migrate", "migrate_document", "migration"]

Migration = Callable[[dict[str, Any]], dict[str, Any]]
_MIGRATIONS: dict[tuple[str, int], Migration] = {}


def migration(collection: str, from_version: int) -> Callable[[Migration], Migration]:
    """Register a function that takes a stored document from `from_version` to the next one.

    Raises
    ------
    ValueError
        If that step is registered already.
    """

    def register(function: Migration) -> Migration:
        if (collection, from_version) in _MIGRATIONS:
            raise ValueError(f"the migration of {collection} from version {from_version} is registered twice")
        _MIGRATIONS[collection, from_version] = function
        return function

    return register


def migrate_document(collection: str, data: dict[str, Any], to_version: int) -> dict[str, Any]:
    """Apply the registered steps to one document.

    Raises
    ------
    DatabaseError
        If a step is missing, the version is no number, or the document is newer than this version of InvDesFlow.
    """
    version = data.get("schema_version", 1)
    if not isinstance(version, int):
        raise DatabaseError(f"A document of {collection} has the schema version {version!r}, which is no number.")
    if version > to_version:
        raise DatabaseError(
            f"A document of {collection} has schema version {version}; this InvDesFlow knows up to {to_version}.",
            "Install the newer InvDesFlow that wrote it.",
        )
    while version < to_version:
        step = _MIGRATIONS.get((collection, version))
        if step is None:
            raise DatabaseError(
                f"No migration of {collection} from schema version {version} is registered.",
                "Install the newest InvDesFlow.",
            )
        version += 1
        data = step(data) | {"schema_version": version}
    return data


def migrate(database: Database) -> dict[str, int]:
    """Bring every stored document to its current schema version; it can be run again after an interruption.

    What cannot be migrated stays as it was, and the others are migrated nevertheless.

    Returns
    -------
    dict
        Collection -> number of documents that were migrated.

    Raises
    ------
    DatabaseError
        If documents could not be migrated: as for `migrate_document`, or they would not fit their model.
    """
    counts: dict[str, int] = {}
    failures: list[DatabaseError] = []
    for name in COLLECTION_MODELS:
        model = document_model(name)
        current = model.current_schema_version
        raw = database.raw[name]
        with driver_errors(database.address):
            for data in raw.find({"schema_version": {"$ne": current}}):
                version = data.get("schema_version")
                try:
                    migrated = migrate_document(name, data, current)
                    _check(model, migrated)
                except DatabaseError as error:
                    failures.append(error)
                    continue
                # Nothing happens if somebody else migrated it meanwhile.
                result = raw.replace_one({"_id": data["_id"], "schema_version": version}, migrated)
                counts[name] = counts.get(name, 0) + result.matched_count
    if failures:
        others = f"{len(failures)} documents were not migrated, the others were. The first: "
        raise DatabaseError((others if len(failures) > 1 else "") + failures[0].problem, failures[0].remedy)
    return counts


def _check(model: type[Document], data: dict[str, Any]) -> None:
    try:
        model.from_mongo(data)
    except ValidationError as error:
        raise DatabaseError(
            f"The document {data.get(model.key)!r} of {model.collection} would not fit its model after migration: "
            f"{one_line(error)}.",
            "Mend or remove it (invdesflow db validate).",
        ) from None
