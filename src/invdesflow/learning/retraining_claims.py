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

__all__ = ["Claims", "is_dead", "this_owner"]

HEARTBEAT_S = 20.0
DEAD_AFTER = timedelta(minutes=10)
"""A heartbeat that is older, of another machine, belongs to a process that has gone, or that nobody can reach."""
QUEUED_FOR = timedelta(days=3)
"""A submission that no worker has taken up by then is lost."""
_SAME_BEGINNING_S = 2.0


def this_owner() -> str:
    """Name this process: host, process and when it began, so that no later process of that number is taken for it."""
    process = psutil.Process()
    return f"{socket.gethostname()}:{process.pid}:{_began(process):.2f}:{secrets.token_hex(4)}"


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
        return there is not None and is_dead(there) and self._take(there, asked)

    def give_up(self, retraining_id: str, reason: str) -> None:
        """Say that a retraining that was submitted will not be run."""
        there = self.find(retraining_id)
        if there is not None:
            self._update(retraining_id, there.owner, {"status": "failed", "reason": reason}, status="submitted")

    def confirm(self, held: RetrainingDocument) -> None:
        """Make sure that a retraining is still held, and that nobody takes it over for a while.

        Raises
        ------
        LearningError
            If another process has taken it over.
        """
        if not self._update(held.retraining_id, held.owner, {"heartbeat": utc_now()}, status="running"):
            raise _taken_over(held)

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
            raise _taken_over(held)
        return done

    def _claim(self, asked: RetrainingDocument, *, again: bool) -> RetrainingDocument:
        running = asked.model_copy(update={"status": "running"})
        if not self._collection.insert_new([running]):
            return running
        there = self.find(asked.retraining_id)
        if there is not None:
            free = there.status in ("submitted", "failed") or is_dead(there) or (again and there.status == "completed")
            if free and self._take(there, running):
                taken = self.find(asked.retraining_id)
                if taken is not None and taken.owner == asked.owner:
                    return taken
        raise LearningError(
            f"{asked.retraining_id} is being run by {asked.owner if there is None else there.owner}.",
            "Wait for it; it is taken over when that process has gone.",
        )

    def _take(self, there: RetrainingDocument, taker: RetrainingDocument) -> bool:
        """Take over a retraining if nobody else has touched it since it was read."""
        changes: dict[str, Any] = {"owner": taker.owner, "status": taker.status, "queued": taker.queued}
        changes |= {"heartbeat": utc_now(), "reason": "", "promoted": False}
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


def _taken_over(held: RetrainingDocument) -> LearningError:
    return LearningError(
        f"Another process has taken over {held.retraining_id} meanwhile.", "See `invdesflow learn status`."
    )


def is_dead(there: RetrainingDocument) -> bool:
    """Tell whether whoever holds a retraining has gone; of a process of this machine its heartbeat says nothing."""
    age = utc_now() - there.heartbeat
    if there.status == "submitted" and there.queued:
        return age > QUEUED_FOR
    if there.status not in ("submitted", "running"):
        return False
    host, process, began, _ = there.owner.split(":")
    return _has_gone(int(process), float(began)) if host == socket.gethostname() else age > DEAD_AFTER


def _has_gone(number: int, began: float) -> bool:
    try:
        found = psutil.Process(number)
        return abs(_began(found) - began) > _SAME_BEGINNING_S or found.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _began(process: psutil.Process) -> float:
    """Return when a process began, in seconds after the machine did: a clock that is set changes nothing."""
    booted = psutil.boot_time()  # before the other, so that both are told by the same clock
    return float(process.create_time() - booted)
