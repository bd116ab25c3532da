"""Why something failed: what the program wrote, what the error handlers did, where the exception came from."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from invdesflow.database.database import Database
from invdesflow.database.failures import driver_errors
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.errors import CampaignError
from invdesflow.espresso.documents import EspressoTaskDocument
from invdesflow.espresso.tasks import run_root

__all__ = ["explain"]

_TASK = re.compile(r"\bqe-[0-9a-f]{16}\b")
_LINES = 15
_TAIL_BYTES = 16384


def explain(database: Database, identifier: str) -> dict[str, Any]:
    """Tell what is known of a firework, a task or a calculation, above all why it failed.

    Parameters
    ----------
    database
        The database.
    identifier
        Number of a firework, or identifier of a task (``qe-``) or of a calculation (``elph-``).

    Returns
    -------
    dict
        Plain values; ``tasks`` holds the runs of programs that failed, ``output`` the last lines of real files.

    Raises
    ------
    CampaignError
        If there is no such thing.
    """
    if identifier.isdecimal():
        with driver_errors(database.address):
            return _firework(database, int(identifier))
    if _TASK.fullmatch(identifier):
        return _task(database, identifier)
    document = database.collection(ElectronPhononDocument).get(identifier)
    if document is None:
        raise CampaignError(
            f"There is no firework, task or calculation {identifier!r}.", "invdesflow runs list --all names them."
        )
    return _calculation(database, document)


def _firework(database: Database, number: int) -> dict[str, Any]:
    row = database.raw["fireworks"].find_one({"fw_id": number})
    if row is None:
        raise CampaignError(f"The queue has no firework {number}.", "invdesflow runs list --all names them.")
    workflow = database.raw["workflows"].find_one({"nodes": number}, {"metadata": 1}) or {}
    ids = [*row["archived_launches"], *row["launches"]]
    launches = list(database.raw["launches"].find({"launch_id": {"$in": ids}}).sort("launch_id", 1))
    last = launches[-1] if launches else {}
    exception = _exception(row, last)
    folder = last.get("launch_dir")
    return {
        "identifier": str(number),
        "kind": "firework",
        "name": row["name"],
        "state": row["state"].lower(),
        "campaign": (workflow.get("metadata") or {}).get("campaign"),
        "candidate_id": row["spec"].get("candidate_id"),
        "launches": [_launch(launch) for launch in launches],
        "exception": exception[-_LINES:],
        "output": _last_lines(Path(folder)) if folder else {},
        "tasks": [_task(database, task) for task in dict.fromkeys(_TASK.findall("\n".join(exception)))],
    }


def _launch(launch: Mapping[str, Any]) -> dict[str, Any]:
    return {key: launch.get(key) for key in ("launch_id", "state", "host", "launch_dir", "time_start", "time_end")}


def _exception(row: Mapping[str, Any], launch: Mapping[str, Any]) -> list[str]:
    """Return the lines of the trace that FireWorks keeps: in the launch, or where none could be made, in the spec."""
    stored = ((launch.get("action") or {}).get("stored_data") or {}).get("_exception") or {}
    trace = stored.get("_stacktrace") or (row["spec"].get("_exception_details") or {}).get("_stacktrace") or ""
    return [line for line in str(trace).splitlines() if line.strip()]


def _task(database: Database, task_id: str) -> dict[str, Any]:
    document = database.collection(EspressoTaskDocument).get(task_id)
    folder = run_root(database.settings) / task_id if document is None else Path(document.folder)
    if document is None and not folder.is_dir():
        raise CampaignError(f"There is no task {task_id}, nor its folder {folder}.")
    known: dict[str, Any] = {"identifier": task_id, "kind": "task", "state": "not ended"}
    if document is not None:
        known |= {
            "name": f"{document.step} of {document.reduced_formula}",
            "state": document.status,
            "failure": None if document.failure is None else document.failure.model_dump(),
            "attempts": document.attempts,
            "corrections": [correction.model_dump(mode="json") for correction in document.corrections],
        }
    return known | {"folder": str(folder), "output": _last_lines(folder)}


def _calculation(database: Database, document: ElectronPhononDocument) -> dict[str, Any]:
    return {
        "identifier": document.elph_id,
        "kind": "calculation",
        "name": f"{document.reduced_formula}, protocol {document.protocol_label}",
        "state": document.status,
        "candidate_id": document.candidate_id,
        "reason": document.reason,
        "tasks": [_task(database, task) for task in _failed_tasks(database, document)],
    }


def _failed_tasks(database: Database, document: ElectronPhononDocument) -> Iterator[str]:
    """Yield the tasks whose failure ended a calculation, by the words that it noted."""
    if document.status != "failed":
        return
    criteria = {"status": "failed", "reduced_formula": document.reduced_formula}
    for row in database.collection(EspressoTaskDocument).values(criteria, ["task_id", "step"]):
        if document.reason.startswith(f"{row['step']} of {document.reduced_formula} failed"):
            yield row["task_id"]


def _last_lines(folder: Path) -> dict[str, list[str]]:
    """Read the ends of what programs wrote into a folder, where this machine can see it."""
    files = [*folder.glob("*.out"), *folder.glob("*.err"), *folder.glob("*.error"), *folder.glob("CRASH")]
    ends = {file.name: _tail(file) for file in sorted(files) if file.is_file()}
    return {name: lines for name, lines in ends.items() if lines}


def _tail(file: Path) -> list[str]:
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - _TAIL_BYTES))
        lines = stream.read().decode(errors="replace").splitlines()
    return [line for line in lines if line.strip()][-_LINES:]
