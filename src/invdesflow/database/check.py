"""What a crash can leave in the database: blobs and documents without each other, indexes that nobody asked for."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from invdesflow.database.check_blobs import blob_findings
from invdesflow.database.check_jobs import job_findings
from invdesflow.database.database import Database
from invdesflow.database.failures import driver_errors
from invdesflow.database.findings import Finding

__all__ = ["check"]


def check(database: Database, before: datetime) -> Iterator[Finding]:
    """Yield what a crash has left; nothing is changed.

    Indexes that are missing are made whenever a database is opened.

    Parameters
    ----------
    database
        The database.
    before
        What is younger may be half written because somebody is just writing it, and is left alone.
    """
    with driver_errors(database.address):
        yield from blob_findings(database, before)
        yield from job_findings(database, before)
        yield from _stale_indexes(database)


def _stale_indexes(database: Database) -> Iterator[Finding]:
    for name, spec in database.store_file.collections.items():
        wanted = {tuple(index.document["key"].items()) for index in (spec.unique_index(), *spec.secondary_indexes())}
        collection = database.raw[name]
        for index, information in sorted(collection.index_information().items()):
            if index != "_id_" and tuple(information["key"]) not in wanted:
                yield Finding(
                    "stale index",
                    name,
                    index,
                    "not in the store file",
                    partial(collection.drop_index, index),
                )
