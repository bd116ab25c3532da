"""What a crash can leave beside the database: half-written files, folders without their owner, a queue half changed."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from pydantic_core import from_json

from invdesflow.campaigns.launching.launchpad import launchpad_of
from invdesflow.campaigns.launching.local_runs import owned_folders
from invdesflow.campaigns.launching.lost import find_lost, mend
from invdesflow.database.database import Database
from invdesflow.database.failures import driver_errors
from invdesflow.database.findings import Finding
from invdesflow.espresso.run_folder import FINISHED, RAN
from invdesflow.espresso.tasks import run_root
from invdesflow.learning.retraining_claims import Claims, is_dead
from invdesflow.learning.retraining_documents import RetrainingDocument

__all__ = ["claim_findings", "file_findings", "queue_findings"]

# What our files are called until they are complete.
_DRAFTS = (".part", ".new", ".partial")


def file_findings(database: Database, before: datetime) -> Iterator[Finding]:
    """Yield drafts of files, marks that cannot be read, and owners who are gone.

    Parameters
    ----------
    database
        The database, for its data folder.
    before
        Younger drafts may be somebody's who writes just now.
    """
    root = run_root(database.settings)
    for file in _files(database.settings.data_dir, root):
        if file.suffix in _DRAFTS and file.stat().st_mtime < before.timestamp():
            yield _file("half-written file", file, "who wrote it did not end")
    for mark in (*root.glob(f"*/{FINISHED}"), *root.glob(f"*/{RAN}")):
        if not _is_json(mark):
            yield _file("half-written file", mark, "its step is run again")
    for owned in owned_folders(database):
        if not owned.held:
            owner = owned.path.with_name(f"{owned.path.name}.owner")
            yield _file("stale lock", owner, f"{owned.owner} is gone; the step is run again when it is asked for")


def claim_findings(database: Database) -> Iterator[Finding]:
    """Yield the retrainings whose process has gone; the next one takes them over, repaired or not."""
    claims = Claims(database)
    for held in database.collection(RetrainingDocument).find({"status": {"$in": ["submitted", "running"]}}):
        if is_dead(held):
            yield Finding(
                "stale lock",
                RetrainingDocument.collection,
                held.retraining_id,
                "its process has gone",
                partial(claims.withdraw, held, "its process has gone"),
            )


def queue_findings(database: Database, silence: timedelta, patience: timedelta) -> Iterator[Finding]:
    """Yield what was lost in the queue (`invdesflow.campaigns.launching.lost`), if there is a queue.

    Parameters
    ----------
    database
        The database.
    silence
        When a run counts as lost.
    patience
        How long to look at what may be just being written.
    """
    with driver_errors(database.address):
        if database.raw["fw_id_assigner"].find_one({}) is None:
            return
        launchpad = launchpad_of(database)
        indexes = launchpad.fireworks.index_information().values()
        if not any(index["key"] == [("fw_id", 1)] and index.get("unique") for index in indexes):
            yield Finding("missing index", "fireworks", "fw_id", "its making was interrupted", launchpad.tuneup)
    for lost in find_lost(launchpad, database.address, silence, patience):
        yield Finding(
            "stale lock" if lost.kind == "lock" else f"lost {lost.kind}",
            "workflows" if lost.kind == "lock" else "fireworks",
            str(lost.firework_id),
            f"its state is {lost.state.lower()}",
            partial(mend, launchpad, database.address, [lost]),
        )


def _files(folder: Path, run_folders: Path) -> Iterator[Path]:
    """Yield the files of the data folder that are ours: not the server's, not those deep in run folders."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_file():
            yield path
        elif path == run_folders:
            yield from (file for file in path.glob("*/*") if file.is_file())
        elif path.name != "database" and not path.is_symlink():
            yield from (file for file in path.rglob("*") if file.is_file())


def _is_json(file: Path) -> bool:
    with suppress(ValueError, OSError):
        from_json(file.read_bytes())
        return True
    return False


def _file(kind: str, file: Path, remark: str) -> Finding:
    return Finding(kind, str(file.parent), file.name, remark, partial(file.unlink, missing_ok=True))
