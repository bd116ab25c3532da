"""What runs of a task cost that failed or were stopped: kept in its folder while it is begun anew."""

import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["begin_account", "lost_before", "lost_so_far"]

_FILE = "account.json"
_SECONDS_PER_HOUR = 3600.0


class _Account(BaseModel):
    """The run in a folder, and those before it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    started_at: float = Field(description="seconds since 1970")
    ranks: int = Field(ge=1)
    lost_core_hours: float = Field(ge=0, description="of the runs before")


def begin_account(folder: Path, ranks: int, lost_core_hours: float) -> None:
    """Note that a run begins now.

    Parameters
    ----------
    folder
        Its folder.
    ranks
        MPI ranks.
    lost_core_hours
        What runs before it took, all of which failed or were stopped.
    """
    account = _Account(started_at=time.time(), ranks=ranks, lost_core_hours=lost_core_hours)
    (folder / _FILE).write_text(account.model_dump_json(indent=1))


def lost_before(folder: Path) -> float:
    """Return the core-hours of the runs before the one that is in a folder."""
    account = _read(folder)
    return 0.0 if account is None else account.lost_core_hours


def lost_so_far(folder: Path) -> float:
    """Return the core-hours of all runs that a folder has seen, none of which can be used.

    The last one counts until its last sign of life, which is the time of the newest file: of a run that was killed,
    nothing else tells when it ended.
    """
    account = _read(folder)
    if account is None:
        return 0.0
    last = max(path.lstat().st_mtime for path in folder.rglob("*"))
    return account.lost_core_hours + account.ranks * max(0.0, last - account.started_at) / _SECONDS_PER_HOUR


def _read(folder: Path) -> _Account | None:
    path = folder / _FILE
    return _Account.model_validate_json(path.read_text()) if path.is_file() else None
