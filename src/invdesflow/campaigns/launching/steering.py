"""Running failed fireworks again, and taking work back from the queue and from this machine."""

from dataclasses import dataclass
from typing import Any

from invdesflow.campaigns.launching.launchpad import launchpad_of
from invdesflow.campaigns.launching.local_runs import holder, round_lock
from invdesflow.database.database import Database
from invdesflow.database.failures import driver_errors
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.errors import CampaignError

__all__ = ["Steered", "cancel", "rerun"]

_FAILED = ["FIZZLED", "DEFUSED", "PAUSED"]
_WAITS = {"WAITING", "READY"}
_UNFINISHED = ["WAITING", "READY", "RESERVED", "RUNNING", "PAUSED", "FIZZLED"]


@dataclass(frozen=True)
class Steered:
    """What was changed.

    Attributes
    ----------
    firework_ids
        Fireworks that will be run again, or will not be run.
    still_running
        Of those that were cancelled, what runs on: firework, host and folder.
    stopped_process
        Process of this machine that was told to end, as by Ctrl-C.
    """

    firework_ids: list[int]
    still_running: list[dict[str, Any]]
    stopped_process: int | None = None


def rerun(database: Database, identifier: str) -> Steered:
    """Let what failed be run again; steps whose files are there are found and not repeated.

    Parameters
    ----------
    database
        The database.
    identifier
        Number of a firework, or a candidate, a calculation or a campaign: all that failed of it.

    Raises
    ------
    CampaignError
        If nothing of it failed in the queue.
    """
    with driver_errors(database.address):
        # One that is reserved waits in a batch queue, unless the user knows better and names it.
        failed = _fireworks(database, identifier, [*_FAILED, "RESERVED"] if identifier.isdecimal() else _FAILED)
        if not failed:
            raise CampaignError(f"Nothing of {identifier} failed in the queue.", _remedy(database, identifier))
        launchpad = launchpad_of(database)
        for number in failed:
            launchpad.reignite_fw(number)  # which only touches one that was cancelled
            if _state(database, number) not in _WAITS:  # else the rerun of its parent has reset it
                launchpad.rerun_fw(number)
    return Steered(failed, [])


def cancel(database: Database, identifier: str) -> Steered:
    """Take unfinished work back; what is stored stays, and `rerun` brings it back.

    A firework that runs on another machine runs on, and its result is stored, but nothing follows it.

    Parameters
    ----------
    database
        The database.
    identifier
        Number of a firework: the rest of its workflow. A candidate, a calculation or a campaign: all of it, and of a
        campaign that runs on this machine the process, too.

    Raises
    ------
    CampaignError
        If there is nothing to cancel.
    """
    process = holder(round_lock(database, identifier))
    with driver_errors(database.address):
        unfinished = _of_whole_workflows(database, _fireworks(database, identifier, _UNFINISHED))
        running = _running(database, unfinished)
        if not unfinished and process is None:
            raise CampaignError(f"Nothing of {identifier} waits or runs.", "invdesflow runs list names what does.")
        if unfinished:
            launchpad = launchpad_of(database)
            for number in unfinished:
                launchpad.defuse_fw(number)
    if process is not None:
        process.terminate()
    return Steered(unfinished, running, None if process is None else process.pid)


def _fireworks(database: Database, identifier: str, states: list[str]) -> list[int]:
    """Return the fireworks in one of these states that an identifier names, in order."""
    if identifier.isdecimal():
        criteria: dict[str, Any] = {"fw_id": int(identifier)}
    else:
        calculation = database.collection(ElectronPhononDocument).get(identifier)
        candidate = identifier if calculation is None else calculation.candidate_id
        workflows = database.raw["workflows"].find({"metadata.campaign": identifier}, {"nodes": 1})
        nodes = [node for workflow in workflows for node in workflow["nodes"]]
        criteria = {"$or": [{"spec.candidate_id": candidate}, {"fw_id": {"$in": nodes}}]}
    rows = database.raw["fireworks"].find({**criteria, "state": {"$in": states}}, {"fw_id": 1})
    return sorted(row["fw_id"] for row in rows)


def _of_whole_workflows(database: Database, numbers: list[int]) -> list[int]:
    workflows = database.raw["workflows"].find({"nodes": {"$in": numbers}}, {"nodes": 1})
    nodes = [node for workflow in workflows for node in workflow["nodes"]]
    rows = database.raw["fireworks"].find({"fw_id": {"$in": nodes}, "state": {"$in": _UNFINISHED}}, {"fw_id": 1})
    # The last ones first: none becomes ready because the one before it is gone.
    return sorted((row["fw_id"] for row in rows), reverse=True)


def _running(database: Database, numbers: list[int]) -> list[dict[str, Any]]:
    found = database.raw["launches"].find(
        {"fw_id": {"$in": numbers}, "state": "RUNNING"}, {"_id": 0, "fw_id": 1, "host": 1, "launch_dir": 1}
    )
    return list(found)


def _state(database: Database, number: int) -> str | None:
    row = database.raw["fireworks"].find_one({"fw_id": number}, {"state": 1})
    return None if row is None else row["state"]


def _remedy(database: Database, identifier: str) -> str:
    if identifier.isdecimal():
        row = database.raw["fireworks"].find_one({"fw_id": int(identifier)}, {"state": 1})
        if row is None:
            return "invdesflow runs list names the fireworks."
        if row["state"] == "RUNNING":
            return "It runs. If its process is gone: invdesflow runs lost --rerun."
        return f"Its state is {row['state'].lower()}."
    return "What ran without the queue continues with the command that began it, such as invdesflow verify."
