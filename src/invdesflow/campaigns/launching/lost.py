"""What a rocket or a submission that was killed leaves in the queue, and mending it.

FireWorks changes a queue in several steps: a firework is taken, its launch is written, the fireworks of its workflow
are written one by one, the workflow last. Whoever is killed in between leaves one of the things that `Kind` names.
None of them is an acknowledged result, because results are documents in collections of their own.
"""

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from fireworks import LaunchPad, fw_config

from invdesflow.database.failures import driver_errors

__all__ = ["Kind", "Lost", "find_lost", "mend", "queue_time", "release_locks", "usual_silence"]

Kind = Literal["lock", "submission", "update", "reservation", "run", "outage"]
"""What was lost.

- *lock*: a workflow that a process locked and never released;
- *submission*: fireworks without their workflow, or a workflow without its fireworks;
- *update*: fireworks that are further than their workflow says;
- *reservation*: a firework that was taken and never started;
- *run*: a firework that is said to run, and has not been heard of, or whose launch has ended;
- *outage*: a firework that failed because the database was gone while it ran.
"""

_LOOKS = 10
_AHEAD = timedelta(days=1)
_FINISHED = ("COMPLETED", "FIZZLED")
_ENDED = [*_FINISHED, "DEFUSED", "ARCHIVED"]
_TRACE = "action.stored_data._exception._stacktrace"
_OUTAGE = (
    r"^(pymongo\.errors\.(ServerSelectionTimeoutError|AutoReconnect|NetworkTimeout|NotPrimaryError|ConnectionFailure)"
    r"|invdesflow\.errors\.DatabaseError: (No MongoDB server answers|The connection to the database))"
)


@dataclass(frozen=True, order=True)
class Lost:
    """Something that nobody works on any more.

    Attributes
    ----------
    kind
        What it is.
    firework_id
        The firework; of a workflow its first one.
    state
        Where it stands.
    """

    kind: Kind
    firework_id: int
    state: str


def find_lost(launchpad: LaunchPad, address: str, silence: timedelta, patience: timedelta) -> list[Lost]:
    """Find what nobody works on any more.

    Parameters
    ----------
    launchpad
        The queue.
    address
        The server without credentials, for error messages.
    silence
        A run, or the taking of a firework, is lost when nothing was heard of it for so long by our clock. A rocket
        pings once an hour unless its FW_config says otherwise, and its clock may differ. Zero takes for lost whatever
        is said to run, also by a clock that is ahead of ours.
    patience
        What is only half written is lost when it stays as it is for so long; a process that lives takes milliseconds.
    """
    with driver_errors(address):
        half_written = set(_half_written(launchpad))
        for _ in range(_LOOKS):
            if not half_written:
                break
            time.sleep(patience.total_seconds() / _LOOKS)
            half_written &= set(_half_written(launchpad))
        silent = _silent(launchpad, silence or -_AHEAD)
        return [*sorted(half_written), *sorted(silent), *sorted(_failed_in_an_outage(launchpad))]


def usual_silence() -> timedelta:
    """Return after how much silence FireWorks' settings (``FW_CONFIG_FILE``) call a run lost."""
    return timedelta(seconds=fw_config.RUN_EXPIRATION_SECS)


def mend(launchpad: LaunchPad, address: str, lost: Sequence[Lost]) -> None:
    """Bring what was lost into a state from which rockets, or the same submission, finish the work.

    A run is run again; its job finds the steps that are done. A submission that was never acknowledged is taken back.
    """
    with driver_errors(address):
        release_locks(launchpad, [one.firework_id for one in lost if one.kind == "lock"])
        _take_back(launchpad, [one.firework_id for one in lost if one.kind == "submission"])
        for one in lost:
            if one.kind == "update":
                _repeat_update(launchpad, one.firework_id)
            elif one.kind in ("reservation", "run"):
                _run_again(launchpad, one.firework_id)
            elif one.kind == "outage":
                launchpad.rerun_fw(one.firework_id)


def release_locks(launchpad: LaunchPad, firework_ids: Sequence[int]) -> None:
    """Take the locks off the workflows of these fireworks."""
    if firework_ids:
        launchpad.workflows.update_many({"nodes": {"$in": list(firework_ids)}}, {"$unset": {"locked": ""}})


def _half_written(launchpad: LaunchPad) -> Iterator[Lost]:
    states = {row["fw_id"]: row["state"] for row in launchpad.fireworks.find({}, {"fw_id": 1, "state": 1})}
    unattached = set(states)
    for workflow in launchpad.workflows.find({}, {"nodes": 1, "fw_states": 1, "state": 1, "locked": 1}):
        nodes = workflow["nodes"]
        unattached.difference_update(nodes)
        if "locked" in workflow:
            yield Lost("lock", min(nodes), workflow["state"])
        if any(node not in states for node in nodes):
            yield Lost("submission", min(nodes), workflow["state"])
        elif "locked" in workflow or workflow["state"] not in _ENDED:
            # A firework is taken before its workflow hears of it; that is a reservation, not an update.
            yield from (
                Lost("update", node, states[node])
                for node in nodes
                if states[node] not in ("RESERVED", workflow["fw_states"].get(str(node)))
            )
    yield from (Lost("submission", node, states[node]) for node in unattached)
    yield from _ended_unheard(launchpad)


def _silent(launchpad: LaunchPad, silence: timedelta) -> set[Lost]:
    _, unheard, _ = launchpad.detect_lostruns(expiration_secs=silence.total_seconds())
    return {Lost("run", node, "RUNNING") for node in unheard} | set(_never_started(launchpad, silence))


def _ended_unheard(launchpad: LaunchPad) -> Iterator[Lost]:
    """Yield the fireworks that are said to run and whose launch is not.

    FireWorks' own look at this takes a firework that runs again for one that has ended.
    """
    for row in launchpad.fireworks.find({"state": "RUNNING"}, {"fw_id": 1, "launches": 1}):
        if not _has_launch(launchpad, row["launches"], "RUNNING"):
            yield Lost("run", row["fw_id"], "RUNNING")


def _has_launch(launchpad: LaunchPad, launch_ids: Sequence[int], *states: str) -> bool:
    criteria = {"launch_id": {"$in": list(launch_ids)}, "state": {"$in": list(states)}}
    return launchpad.launches.find_one(criteria, {"_id": 1}) is not None


def _never_started(launchpad: LaunchPad, silence: timedelta) -> Iterator[Lost]:
    """Yield the fireworks that were taken by a process that wrote no launch; FireWorks looks at launches only."""
    limit = datetime.now(UTC) - silence
    for row in launchpad.fireworks.find({"state": "RESERVED"}, {"fw_id": 1, "launches": 1, "updated_on": 1}):
        if queue_time(row["updated_on"]) <= limit and not _has_launch(
            launchpad, row["launches"], "RESERVED", "RUNNING"
        ):
            yield Lost("reservation", row["fw_id"], "RESERVED")


def _failed_in_an_outage(launchpad: LaunchPad) -> Iterator[Lost]:
    for row in launchpad.fireworks.find({"state": "FIZZLED"}, {"fw_id": 1, "launches": 1}):
        launch = launchpad.launches.find_one({"launch_id": {"$in": row["launches"][-1:]}}, {_TRACE: 1}) or {}
        trace = ((launch.get("action") or {}).get("stored_data") or {}).get("_exception", {}).get("_stacktrace") or ""
        if re.search(_OUTAGE, trace, re.MULTILINE):
            yield Lost("outage", row["fw_id"], "FIZZLED")


def queue_time(value: datetime | str) -> datetime:
    """Read a time as FireWorks writes it: as a date, or as text, in UTC."""
    time_ = datetime.fromisoformat(value) if isinstance(value, str) else value
    return time_ if time_.tzinfo is not None else time_.replace(tzinfo=UTC)


def _take_back(launchpad: LaunchPad, firework_ids: Sequence[int]) -> None:
    """Remove what a submission, or the extension of a workflow, wrote before it could tell anybody of it."""
    for workflow in launchpad.workflows.find({"nodes": {"$in": list(firework_ids)}}, {"nodes": 1}):
        # The workflow goes last, so that who is killed here leaves something that is found again.
        _remove_fireworks(launchpad, workflow["nodes"])
        launchpad.workflows.delete_one({"_id": workflow["_id"]})
    _remove_fireworks(launchpad, firework_ids)


def _remove_fireworks(launchpad: LaunchPad, firework_ids: Sequence[int]) -> None:
    launchpad.launches.delete_many({"fw_id": {"$in": list(firework_ids)}})
    launchpad.fireworks.delete_many({"fw_id": {"$in": list(firework_ids)}})


def _repeat_update(launchpad: LaunchPad, firework_id: int) -> None:
    """Let a workflow take in again what its firework did, unless it has done so meanwhile.

    FireWorks does so only when the state of the firework changes. What the first update wrote is not attached to any
    workflow, and is removed as such.
    """
    workflow = launchpad.workflows.find_one({"nodes": firework_id}, {"fw_states": 1}) or {"fw_states": {}}
    known = workflow["fw_states"].get(str(firework_id))
    ahead = {"fw_id": firework_id, "state": {"$in": list(_FINISHED), "$ne": known}}
    launchpad.fireworks.update_one(ahead, {"$set": {"state": "RUNNING"}})
    launchpad._refresh_wf(firework_id)


def _run_again(launchpad: LaunchPad, firework_id: int) -> None:
    row: dict[str, Any] = launchpad.fireworks.find_one({"fw_id": firework_id}, {"launches": 1}) or {"launches": []}
    if row["launches"] and not _has_launch(launchpad, row["launches"], "RUNNING"):
        launchpad._refresh_wf(firework_id)  # its launch has ended, and its workflow has not heard of it
        return
    launchpad.rerun_fw(firework_id)
    launchpad.launches.update_many({"fw_id": firework_id, "state": "RUNNING"}, {"$set": {"state": "FIZZLED"}})
