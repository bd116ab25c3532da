"""What the tasks of a calculation took."""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field

from invdesflow.database import Database
from invdesflow.espresso.documents import EspressoTaskDocument

__all__ = ["StepCost", "charge_failed", "costs_of", "count_task", "tasks_behind", "total_core_hours"]

_CALCULATIONS = "electron_phonon"  # the collection of a room after this one


class StepCost(BaseModel):
    """What one task took."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    step: str
    task_id: str
    program: str
    wall_time_s: float
    core_hours: float
    lost_core_hours: float = Field(0.0, description="of runs of it that failed or were stopped before")
    corrections: int = Field(description="times that an error handler acted")
    used: bool = Field(True, description="whether the result rests on it; else it failed, or another took its place")


def costs_of(tasks: Iterable[EspressoTaskDocument], used: frozenset[str]) -> list[StepCost]:
    """List what tasks took, the first one first.

    Parameters
    ----------
    tasks
        In any order.
    used
        Identifiers of those that the result rests on.
    """
    return [
        StepCost(
            step=task.step,
            task_id=task.task_id,
            program=task.program,
            wall_time_s=task.wall_time_s,
            core_hours=task.core_hours,
            lost_core_hours=task.lost_core_hours,
            corrections=len(task.corrections),
            used=task.task_id in used,
        )
        for task in sorted(tasks, key=lambda task: (task.created_at, task.task_id))
    ]


def total_core_hours(cost: Iterable[StepCost]) -> float:
    """Sum up what steps took, with the runs that failed or were stopped."""
    return sum(step.core_hours + step.lost_core_hours for step in cost)


def tasks_behind(database: Database, ends: Iterable[str]) -> dict[str, EspressoTaskDocument]:
    """Return the tasks with these identifiers and all whose files they rest on."""
    collection = database.collection(EspressoTaskDocument)
    found: dict[str, EspressoTaskDocument] = {}
    wanted = set(ends)
    while wanted:
        documents = list(collection.find({"task_id": {"$in": sorted(wanted)}}))
        found |= {document.task_id: document for document in documents}
        wanted = {parent for document in documents for parent in document.parents} - found.keys()
    return found


def count_task(database: Database, elph_id: str | None, task_id: str) -> None:
    """Note in the document of a calculation, if there is one, that a task was a part of it, however it ended."""
    if elph_id is None:
        return
    database.raw[_CALCULATIONS].update_one({"elph_id": elph_id}, {"$addToSet": {"task_ids": task_id}})
    charge_failed(database, elph_id)  # steps beside the one that failed end later, and cost too


def charge_failed(database: Database, elph_id: str) -> None:
    """Write into the document of a calculation that failed what all its tasks took; others are left alone."""
    failed = {"elph_id": elph_id, "status": "failed"}
    begun = database.raw[_CALCULATIONS].find_one(failed, {"task_ids": 1})
    if begun is None:
        return
    cost = costs_of(tasks_behind(database, begun.get("task_ids", [])).values(), used=frozenset())
    values = {"cost": [step.model_dump() for step in cost], "core_hours": total_core_hours(cost)}
    database.raw[_CALCULATIONS].update_one(failed, {"$set": values})
