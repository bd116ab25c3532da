"""Checks of the database: reachable, writable, of this version, in time, with its queue."""

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

from invdesflow.campaigns.doctor.findings import Finding
from invdesflow.campaigns.launching.launchpad import launchpad_of
from invdesflow.database.database import Database
from invdesflow.database.failures import driver_errors
from invdesflow.database.models import COLLECTION_MODELS, document_model

__all__ = ["clock", "indexes", "job_store", "queue", "schema_versions", "writing"]

_PROBE = "doctor"
_LATE_S = 5.0
_STATES = ("READY", "WAITING", "RESERVED", "RUNNING", "FIZZLED")


def writing(database: Database) -> Iterator[Finding]:
    """Write a document, read it and remove it."""
    probe = database.raw[_PROBE]
    document = {"_id": uuid4().hex}
    with driver_errors(database.address):
        probe.insert_one(document)
        found = probe.find_one(document)
        probe.delete_one(document)
    if found is None:
        yield Finding("writing", "missing", "what was written is not found", "Read from the primary server.")
    else:
        yield Finding("writing", "ok", "a document was written, read and removed")


def indexes(database: Database) -> Iterator[Finding]:
    """Create what is missing, as every command does."""
    created = sum(map(len, database.ensure_indexes().values()))
    n_collections = len(database.store_file.collections)
    yield Finding("indexes", "ok", f"of {n_collections} collections, {created} created now")


def schema_versions(database: Database) -> Iterator[Finding]:
    """Count the documents of other schema versions, which are not read."""
    others = {}
    for name in COLLECTION_MODELS:
        version = document_model(name).current_schema_version
        with driver_errors(database.address):
            others[name] = database.raw[name].count_documents({"schema_version": {"$ne": version}})
    foreign = ", ".join(f"{count} {name}" for name, count in others.items() if count)
    if foreign:
        yield Finding("schema versions", "missing", f"{foreign} of another version", "Run: invdesflow db migrate")
    else:
        yield Finding("schema versions", "ok", "every document is current")


def clock(database: Database) -> Iterator[Finding]:
    """Compare the clocks of this machine and of the server."""
    with driver_errors(database.address):
        theirs = database.raw.command("hello").get("localTime")
    if theirs is None:
        return
    late = (datetime.now(UTC) - theirs.replace(tzinfo=UTC)).total_seconds()  # commands answer without a zone
    if abs(late) > _LATE_S:
        problem = f"{abs(late):.0f} s {'ahead of' if late > 0 else 'behind'} the server's"
        yield Finding("clock", "warning", problem, "Let both follow a time server.")
    else:
        yield Finding("clock", "ok", f"within {_LATE_S:.0f} s of the server's")


def job_store(database: Database) -> Iterator[Finding]:
    """Open jobflow's store."""
    store = database.job_store()
    with driver_errors(database.address):
        store.connect()
        count = store.count()
        store.close()
    yield Finding("job store", "ok", f"{count} outputs of jobs")


def queue(database: Database) -> Iterator[Finding]:
    """Count the fireworks of the queue by their state."""
    launchpad = launchpad_of(database)
    with driver_errors(database.address):
        counts = {state: launchpad.fireworks.count_documents({"state": state}) for state in _STATES}
    told = ", ".join(f"{count} {state.lower()}" for state, count in counts.items() if count)
    yield Finding("queue", "ok", told or "no fireworks are waiting")
