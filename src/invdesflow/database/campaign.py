"""What the `campaigns` collection stores: a recipe and the rounds it went through."""

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from invdesflow.database.documents import Document, UtcDatetime, utc_now
from invdesflow.database.stages import StageRecord

__all__ = ["WAITING", "CampaignDocument", "RoundRecord"]

WAITING = "waiting"
"""Outcome of a candidate whose calculation has not ended."""


class RoundRecord(BaseModel):
    """One round of a campaign."""

    model_config = ConfigDict(extra="forbid")

    number: int = Field(ge=0)
    status: Literal["running", "completed", "abandoned"] = "running"
    maker: dict[str, Any] = Field(description="the recipe's parameters in this round")
    started_at: UtcDatetime = Field(default_factory=utc_now)
    finished_at: UtcDatetime | None = None
    chosen: list[str] | None = Field(None, description="candidates that it chose to calculate; none: it has not chosen")
    outcomes: dict[str, str] = Field(
        default_factory=dict, description="candidate -> how its calculation ended; 'waiting': it has not"
    )
    stages: list[StageRecord] = Field(default_factory=list)


class CampaignDocument(Document):
    """One campaign, under the name that its recipe gives."""

    collection: ClassVar[str] = "campaigns"
    key: ClassVar[str] = "campaign_id"

    campaign_id: str
    name: str
    maker: str = Field(description="campaign maker from the allow-list")
    rounds: list[RoundRecord] = Field(default_factory=list)
