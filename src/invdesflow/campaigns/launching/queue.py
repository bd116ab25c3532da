"""Workflows on the launchpad: each piece of work once, whoever submits it, from however many machines."""

import io
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from typing import Any

from fireworks import LaunchPad, Workflow
from jobflow import Flow
from maggma.utils import grouper
from pymongo.errors import BulkWriteError

from invdesflow.campaigns.launching.launchpad import CLAIM
from invdesflow.campaigns.launching.resources import Assignment, assign
from invdesflow.campaigns.launching.tasks import to_workflow

__all__ = ["Queued", "add_once", "queued", "set_free", "workflow_of"]

_ALTERNATIVES = 100  # secantusd takes a time for ``$in`` that grows with the square of its length
_DUPLICATE_KEY = 11000
_ADDING_S = 10.0
"""So long another process may take between the workflows and their fireworks, which FireWorks adds after them."""


@dataclass(frozen=True)
class Queued:
    """A workflow that is on the launchpad.

    Parameters
    ----------
    state
        As FireWorks calls it, in small letters; fizzled also where a job that always runs came after the failure.
    firework_ids
        All its fireworks.
    campaign, campaign_round, candidate_id
        What it is a part of; a round that is one workflow has no candidate.
    """

    state: str
    firework_ids: list[int]
    campaign: str
    campaign_round: int
    candidate_id: str | None

    def notes(self, campaign: str, campaign_round: int, candidate_id: str) -> bool:
        """Tell whether its end is noted as the outcome of this candidate in this round."""
        own = (self.campaign, self.campaign_round, self.candidate_id)
        return own == (campaign, campaign_round, candidate_id)


def workflow_of(flow: Flow, metadata: Mapping[str, Any], assignment: Assignment) -> Workflow:
    """Make the workflow of a flow, every job of which says who takes it and what it asks of the queue."""
    assign(flow, assignment)
    return to_workflow(flow, metadata=dict(metadata))


def queued(launchpad: LaunchPad, claims: Iterable[str]) -> dict[str, Queued]:
    """Return the workflows that hold these claims, whatever came of them; archived ones hold none."""
    return {row["metadata"]["claim"]: _queued(row) for row in _rows(launchpad, claims)}


def add_once(launchpad: LaunchPad, workflows: Mapping[str, Workflow]) -> set[str]:
    """Add the workflows whose claims nobody holds.

    A unique index decides between two processes that add the same at the same time.

    Parameters
    ----------
    launchpad
        The launchpad.
    workflows
        Claim, as in the workflow's metadata, -> workflow.

    Returns
    -------
    set of str
        Claims of the workflows that were added now.
    """
    waiting = dict(workflows)
    while True:
        for row in _rows(launchpad, workflows):
            waiting.pop(row["metadata"]["claim"], None)
        if not waiting:
            return set()
        try:
            with redirect_stderr(io.StringIO()):  # FireWorks draws a bar
                launchpad.bulk_add_wfs(list(waiting.values()))
        except BulkWriteError as error:
            # None of ours has its fireworks yet, so that nobody runs them.
            _delete(launchpad, (workflow.fws[0].fw_id for workflow in waiting.values()))
            if any(problem["code"] != _DUPLICATE_KEY for problem in error.details["writeErrors"]):
                raise
        else:
            return set(waiting)


def _rows(launchpad: LaunchPad, claims: Iterable[str]) -> list[dict[str, Any]]:
    return [
        row
        for chunk in grouper(claims, _ALTERNATIVES)
        for row in launchpad.workflows.find({CLAIM: {"$in": list(chunk)}, "state": {"$ne": "ARCHIVED"}})
    ]


def _queued(row: Mapping[str, Any]) -> Queued:
    # Where a job always runs at the end, FireWorks calls the workflow completed, whatever fizzled before.
    fizzled = row["state"] == "COMPLETED" and "FIZZLED" in row["fw_states"].values()
    state = "FIZZLED" if fizzled else row["state"]
    return Queued(
        state=state.lower(),
        firework_ids=sorted(row["nodes"]),
        campaign=row["metadata"]["campaign"],
        campaign_round=row["metadata"]["campaign_round"],
        candidate_id=row["metadata"].get("candidate_id"),
    )


def set_free(launchpad: LaunchPad, claims: Sequence[str]) -> None:
    """Take claims from archived workflows, and remove what a process left that was killed while it added them."""
    for chunk in grouper(claims, _ALTERNATIVES):
        launchpad.workflows.update_many({CLAIM: {"$in": list(chunk)}, "state": "ARCHIVED"}, {"$unset": {CLAIM: True}})
    deadline = time.monotonic() + _ADDING_S
    while half_added := _without_fireworks(launchpad, claims):
        if time.monotonic() > deadline:
            _delete(launchpad, half_added)
            return
        time.sleep(0.5)


def _without_fireworks(launchpad: LaunchPad, claims: Iterable[str]) -> set[int]:
    """Return the first node of each workflow whose fireworks are not there."""
    first = {min(row["nodes"]) for row in _rows(launchpad, claims)}
    for chunk in grouper(sorted(first), _ALTERNATIVES):
        first -= {row["fw_id"] for row in launchpad.fireworks.find({"fw_id": {"$in": list(chunk)}}, {"fw_id": True})}
    return first


def _delete(launchpad: LaunchPad, nodes: Iterable[int]) -> None:
    for chunk in grouper(nodes, _ALTERNATIVES):
        launchpad.workflows.delete_many({"nodes": {"$in": list(chunk)}})
