"""A share with the counts that it is made of."""

from collections.abc import Iterable
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, computed_field

__all__ = ["Metrics", "Share"]


class Metrics(BaseModel):
    """Base of the results: their JSON holds null, never NaN, where there was nothing to measure."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Share(Metrics):
    """How many of how many."""

    count: int = Field(ge=0)
    total: int = Field(ge=0)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def share(self) -> float | None:
        """Return count over total; None of nothing."""
        return self.count / self.total if self.total else None

    @classmethod
    def of(cls, answers: Iterable[bool]) -> Self:
        """Count the true ones of a sequence of answers."""
        given = [bool(answer) for answer in answers]
        return cls(count=sum(given), total=len(given))
