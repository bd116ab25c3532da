"""The account that every stage of a campaign gives of itself."""

import time
from collections import Counter
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["StageRecord", "Stopwatch"]


class StageRecord(BaseModel):
    """What one stage of a round did."""

    model_config = ConfigDict(extra="forbid")

    stage: str = Field(description="such as 'substitute', 'relax', 'screen'")
    entered: int = Field(description="documents that the stage looked at")
    passed: int
    rejected: dict[str, int] = Field(default_factory=dict, description="gate or reason -> number of rejections")
    reused: int = Field(0, description="results that were in the database already")
    seconds: float = Field(description="wall time of the stage")
    note: str | None = None


class Stopwatch:
    """Wall time and rejections of a stage while it runs."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self.rejected: Counter[str] = Counter()

    def record(self, stage: str, *, entered: int, passed: int, reused: int = 0, note: str | None = None) -> StageRecord:
        """Close the account."""
        return StageRecord(
            stage=stage,
            entered=entered,
            passed=passed,
            rejected=dict(sorted(self.rejected.items())),
            reused=reused,
            seconds=round(time.monotonic() - self._start, 3),
            note=note,
        )

    def reject(self, gates: Iterable[str]) -> None:
        """Count one rejected document under the first gate that it failed."""
        self.rejected[next(iter(gates))] += 1
