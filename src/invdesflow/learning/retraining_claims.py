"""Who retrains what: one document for each question, which one process holds at a time."""

import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import psutil

from invdesflow.database import Database
from invdesflow.database.documents import utc_now
from invdesflow.database.failures import driver_errors
from invdesflow.errors import DatabaseError, LearningError
from invdesflow.learning.retraining_documents import RetrainingDocument
from invdesflow.learning.training_set_documents import Kind

__all__ = ["Claims", "this_owner"]

HEARTBEAT_S = 20.0
DEAD_AFTER = timedelta(minutes=10)
"""A heartbeat that is older belongs to a process that has gone, or that nobody can reach."""
QUEUED_FOR = timedelta(days=3)
"""A submission that no worker has taken up by then is lost."""


def this_owner() -> str:
    """Name this process: host, process and when it began, so that no later process of that number is taken for it."""
    process = psutil.Process()
    return f"{socket.gethostname()}:{process.pid}:{process.create_time():.2f}:{secrets.token_hex(4)}"


class Claims:
    """The retrainings of a database.

    Parameters
    ----------
    database
        Where they are stored.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._collection = database.collection(RetrainingDocument)

    def find(self, retraining_id: str) -> RetrainingDocument | None:
        """Return a retraining, if there is one."""
        return self._collection.get(retraining_id)

    def completed(self, kind: Kind, parent_digest: str) -> list[RetrainingDocument]:
        """Return the retrainings of a model that came to their end, the latest first."""
        criteria = {"kind": kind, "parent_digest": parent_digest, "status": "completed"}
        return list(self._collection.find(criteria, sort=[("updated_at", -1)]))

    def submit(self, asked: RetrainingDocument) -> bool:
        """Announce a retraining that somebody will run; only one of several at once succeeds.

        What failed before stays failed: whoever wants it again says so (`invdesflow retrain`).
        """
        if not self._collection.insert_new([asked]):
            return True
        there = self.find(asked.retraining_id)
        return there is not None and is_dead(there) and self._take(there, asked.owner, "submitted")

    def withdraw(self, asked: RetrainingDocument, reason: str) -> None:
        """Say that a retraining could not be started."""
        self._update(asked.retraining_id, asked.owner, {"status": "failed", "reason": reason})

    @contextmanager
    def held(self, asked: RetrainingDocument, *, again: bool = False) -> Iterator[RetrainingDocument]:
        """Hold a retraining while it runs; what is raised meanwhile is its reason to have failed.

        Parameters
        ----------
        asked
            The retraining, with this process as its owner.
        again
            Also if it was completed before.

        Yields
        ------
        RetrainingDocument
            As it is stored now.

        Raises
        ------
        LearningError
            If a living process holds it.
        """
        held = self._claim(asked, again=again)
        stopped = threading.Event()
        beating = threading.Thread(target=self._beat, args=(held, stopped), daemon=True, name="heartbeat")
        beating.start()
        try:
            yield held
        except Exception as error:
            reason = str(error) or type(error).__name__
            with suppress(DatabaseError):
                self._update(held.retraining_id, held.owner, {"status": "failed", "reason": reason})
            raise
        finally:
            stopped.set()
            beating.join()

    def finish(self, held: RetrainingDocument, **found: Any) -> RetrainingDocument:
        """Write what came of a retraining.

        Raises
        ------
        LearningError
            If another process has taken it over meanwhile; what came of this one is then not said.
        """
        done = RetrainingDocument.model_validate(held.model_dump() | found | {"status": "completed"})
        if not self._update(held.retraining_id, held.owner, done.to_mongo() | {"heartbeat": utc_now()}):
            raise LearningError(
                f"Another process has taken over {held.retraining_id} meanwhile.", "See `invdesflow learn status`."
            )
        return done

    def _claim(self, asked: RetrainingDocument, *, again: bool) -> RetrainingDocument:
        running = asked.model_copy(update={"status": "running"})
        if not self._collection.insert_new([running]):
            return running
        there = self.find(asked.retraining_id)
        if there is not None:
            free = there.status in ("submitted", "failed") or is_dead(there) or (again and there.status == "completed")
            if free and self._take(there, asked.owner, "running"):
                taken = self.find(asked.retraining_id)
                if taken is not None and taken.owner == asked.owner:
                    return taken
        raise LearningError(
            f"{asked.retraining_id} is being run by {asked.owner if there is None else there.owner}.",
            "Wait for it; it is taken over when that process has gone.",
        )

    def _take(self, there: RetrainingDocument, owner: str, status: str) -> bool:
        """Take over a retraining if nobody else has touched it since it was read."""
        changes = {"owner": owner, "status": status, "heartbeat": utc_now(), "reason": "", "promoted": False}
        ended = {"model_id": None, "comparison": None, "attempts": there.attempts + 1}
        return self._update(there.retraining_id, there.owner, changes | ended, status=there.status)

    def _update(self, identifier: str, owner: str, changes: dict[str, Any], **criteria: Any) -> bool:
        criteria |= {"retraining_id": identifier, "owner": owner}
        changes = {name: value for name, value in changes.items() if name != "created_at"} | {"updated_at": utc_now()}
        with driver_errors(self._database.address):
            return self._collection.raw.update_one(criteria, {"$set": changes}).matched_count == 1

    def _beat(self, held: RetrainingDocument, stopped: threading.Event) -> None:
        while not stopped.wait(HEARTBEAT_S):
            with suppress(DatabaseError):  # the next beat may come through
                self._update(held.retraining_id, held.owner, {"heartbeat": utc_now()}, status="running")


def is_dead(there: RetrainingDocument) -> bool:
    """Tell whether whoever holds a retraining has gone."""
    age = utc_now() - there.heartbeat
    if there.status == "submitted":
        return age > QUEUED_FOR
    if there.status != "running":
        return False
    return age > DEAD_AFTER or _has_gone(there.owner)


def _has_gone(owner: str) -> bool:
    host, process, began, _ = owner.split(":")
    if host != socket.gethostname():
        return False
    try:
        found = psutil.Process(int(process))
        return abs(found.create_time() - float(began)) > 1.0 or found.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
