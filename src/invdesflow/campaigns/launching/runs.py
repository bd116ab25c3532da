"""What is where: fireworks of the queue, rounds and programs of this machine, calculations of the database."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, get_args

from fireworks import Firework

from invdesflow.campaigns.launching.local_runs import interrupted, owned_folders, rounds_begun
from invdesflow.campaigns.launching.lost import queue_time
from invdesflow.database.campaign import CampaignDocument
from invdesflow.database.database import Database
from invdesflow.database.failures import driver_errors
from invdesflow.epw.documents import ElectronPhononDocument, Status
from invdesflow.errors import ConfigurationError

__all__ = ["Run", "RunFilter", "list_runs"]

_QUEUE_ENDED = ["COMPLETED", "ARCHIVED"]
_STATES = {*map(str.lower, Firework.STATE_RANKS), *get_args(Status), "interrupted"}
_FIREWORK_FIELDS = ["fw_id", "name", "state", "updated_on", "launches", "spec._category", "spec.candidate_id"]


@dataclass(frozen=True)
class Run:
    """Something that runs, waits, or ended.

    Attributes
    ----------
    identifier
        Number of a firework, name of a campaign, identifier of a task or of a calculation.
    kind
        ``firework``, ``round``, ``program`` or ``calculation``.
    name
        What it does.
    state
        State of the firework in small letters, status of the document; ``interrupted`` where the process is gone.
    campaign, candidate_id, category
        What it belongs to, where that is known.
    host, folder
        Where it runs or ran.
    updated_at
        When it was last heard of.
    """

    identifier: str
    kind: str
    name: str
    state: str
    campaign: str | None = None
    candidate_id: str | None = None
    category: str | None = None
    host: str | None = None
    folder: str | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True)
class RunFilter:
    """Which runs are asked for; none asks for all.

    Attributes
    ----------
    campaign, candidate_id, category, state
        What has to be equal; the state in small letters.
    finished
        Whether to list what has completed, too.

    Raises
    ------
    ConfigurationError
        If nothing can be in this state.
    """

    campaign: str | None = None
    candidate_id: str | None = None
    category: str | None = None
    state: str | None = None
    finished: bool = False

    def __post_init__(self) -> None:
        if self.state is not None and self.state not in _STATES:
            raise ConfigurationError(
                f"Nothing is ever in the state {self.state!r}.", f"States are: {', '.join(sorted(_STATES))}."
            )

    def wants(self, run: Run) -> bool:
        """Tell whether a run is asked for."""
        asked = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "finished"}
        unfinished = self.finished or self.state is not None or run.state != "completed"
        return unfinished and all(value is None or getattr(run, name) == value for name, value in asked.items())


def list_runs(database: Database, wanted: RunFilter) -> Iterator[Run]:
    """Yield the runs that are asked for: the queue, then this machine, then the calculations of the database."""
    with driver_errors(database.address):
        yield from filter(wanted.wants, _fireworks(database, wanted))
    if wanted.category is None:
        yield from filter(wanted.wants, _of_this_machine(database))
        yield from filter(wanted.wants, _calculations(database, wanted))


def _fireworks(database: Database, wanted: RunFilter) -> Iterator[Run]:
    raw = database.raw
    criteria: dict[str, Any] = {}
    if wanted.state is not None:
        criteria["state"] = wanted.state.upper()
    elif not wanted.finished:
        criteria["state"] = {"$nin": _QUEUE_ENDED}
    if wanted.category is not None:
        criteria["spec._category"] = wanted.category
    if wanted.candidate_id is not None:
        criteria["spec.candidate_id"] = wanted.candidate_id
    workflows = list(
        raw["workflows"].find(
            {} if wanted.campaign is None else {"metadata.campaign": wanted.campaign}, {"nodes": 1, "metadata": 1}
        )
    )
    metadata = {node: workflow.get("metadata") or {} for workflow in workflows for node in workflow["nodes"]}
    rows = [
        row
        for row in raw["fireworks"].find(criteria, dict.fromkeys(_FIREWORK_FIELDS, True)).sort("fw_id", 1)
        if wanted.campaign is None or row["fw_id"] in metadata
    ]
    launches = _last_launches(database, rows)
    for row in rows:
        yield _firework(row, metadata.get(row["fw_id"], {}), launches.get(row["fw_id"], {}))


def _last_launches(database: Database, rows: Sequence[Mapping[str, Any]]) -> dict[int, dict[str, Any]]:
    last = {row["launches"][-1]: row["fw_id"] for row in rows if row["launches"]}
    found = database.raw["launches"].find(
        {"launch_id": {"$in": list(last)}}, {"launch_id": 1, "host": 1, "launch_dir": 1}
    )
    return {last[launch["launch_id"]]: launch for launch in found}


def _firework(row: Mapping[str, Any], metadata: Mapping[str, Any], launch: Mapping[str, Any]) -> Run:
    return Run(
        identifier=str(row["fw_id"]),
        kind="firework",
        name=row["name"],
        state=row["state"].lower(),
        campaign=metadata.get("campaign"),
        candidate_id=row["spec"].get("candidate_id"),
        category=row["spec"].get("_category"),
        host=launch.get("host"),
        folder=launch.get("launch_dir"),
        updated_at=queue_time(row["updated_on"]),
    )


def _of_this_machine(database: Database) -> Iterator[Run]:
    for campaign, number, started_at in rounds_begun(database):
        folder = database.settings.data_dir / "runs" / campaign / f"round-{number:03d}"
        state = "interrupted" if interrupted(database, campaign) else "running"
        if folder.is_dir():  # else it is in the queue, or runs elsewhere
            yield Run(campaign, "round", f"round {number}", state, campaign, folder=str(folder), updated_at=started_at)
    for owned in owned_folders(database):
        state = "running" if owned.held else "interrupted"
        yield Run(owned.path.name, "program", owned.program, state, host=owned.host, folder=str(owned.path))


def _calculations(database: Database, wanted: RunFilter) -> Iterator[Run]:
    chosen = _chosen(database)
    fields_ = ["elph_id", "candidate_id", "reduced_formula", "protocol", "status", "updated_at"]
    criteria: dict[str, Any] = {} if wanted.finished or wanted.state else {"status": {"$in": ["running", "failed"]}}
    if wanted.candidate_id is not None:
        criteria["candidate_id"] = wanted.candidate_id
    for row in database.collection(ElectronPhononDocument).values(criteria, fields_):
        yield Run(
            identifier=row["elph_id"],
            kind="calculation",
            name=f"{row['reduced_formula']}, protocol {row['protocol']}",
            state=row["status"],
            campaign=chosen.get(row["candidate_id"]),
            candidate_id=row["candidate_id"],
            updated_at=row["updated_at"],
        )


def _chosen(database: Database) -> dict[str, str]:
    """Return, for every candidate that a round chose to calculate, the campaign."""
    rows: Iterable[dict[str, Any]] = database.collection(CampaignDocument).values({}, ["name", "rounds.chosen"])
    return {
        candidate: row["name"] for row in rows for one in row.get("rounds", []) for candidate in one.get("chosen") or []
    }
