"""`RetrainingDocument`: one attempt to better a model with one training set, claimed by one process at a time."""

from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from invdesflow.database.documents import Document, UtcDatetime, content_hash
from invdesflow.learning.training_set_documents import Kind

__all__ = ["Comparison", "RetrainingDocument", "Status", "retraining_id"]

Status = Literal["submitted", "running", "completed", "failed"]


class Comparison(BaseModel):
    """Parent and child on the same held-out rows; the loss is one number for each row, and less of it is better."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    loss: str = Field(description="what is compared, such as 'absolute error of Tc (K)'")
    rows: int = Field(ge=0, description="held-out rows that both models know")
    formulas: int | None = Field(
        None, ge=0, description="different formulas among them; none where they were not counted"
    )
    formulas_digest: str = Field(description="which formulas they have")
    parent: float | None = Field(description="mean loss of the parent; none without rows")
    child: float | None = Field(description="mean loss of the child")
    gain: float | None = Field(description="parent minus child: positive is better")
    gain_low: float | None = Field(
        description="lower end of the paired bootstrap interval of the gain; none for a single formula"
    )
    gain_high: float | None = Field(description="upper end")
    confidence: float = Field(gt=0, lt=1, description="of the interval, which is two-sided")
    earlier: int = Field(
        0, ge=0, description="models fine-tuned from the same parent before, for which the confidence is raised"
    )


def retraining_id(kind: Kind, training_set_id: str, parent_digest: str) -> str:
    """Identify a retraining: what kind of model, from which set, from which weights."""
    return content_hash("rtr", {"kind": kind, "training_set": training_set_id, "parent": parent_digest})


class RetrainingDocument(Document):
    """One retraining: there is one for each kind, training set and parent."""

    collection: ClassVar[str] = "retrainings"
    key: ClassVar[str] = "retraining_id"

    retraining_id: str = Field(description="hash of kind, training set and parent")
    kind: Kind
    training_set_id: str
    parent_id: str = Field(description="model that it starts from")
    parent_digest: str = Field(description="SHA-256 of its weights")

    status: Status
    owner: str = Field(description="host, process and a random part of who submitted or runs it")
    queued: bool = Field(True, description="it waits for a worker, so that who submitted it may go")
    heartbeat: UtcDatetime = Field(description="when the owner last said that it lives")
    attempts: int = Field(1, ge=1, description="times that somebody took it up")

    model_id: str | None = Field(None, description="model that came of it; none: nothing was trained")
    promoted: bool = False
    reason: str = Field("", description="why it failed, or why what came of it is not asked; empty: it is asked")
    comparison: Comparison | None = None
    new_rows: int | None = Field(None, description="rows learned from that the parent had not seen")
    replayed_rows: int | None = Field(None, description="rows that were shown again so that they are not forgotten")
    settings: dict[str, Any] = Field(default_factory=dict, description="how it was trained")
    seconds: float | None = Field(None, ge=0, description="wall time of the training")

    @model_validator(mode="after")
    def _end_has_grounds(self) -> Self:
        ended = self.status in ("completed", "failed")
        if ended and not self.promoted and not self.reason:
            raise ValueError("a retraining that ended without a promotion needs a reason")
        if self.promoted and (self.model_id is None or self.reason):
            raise ValueError("only a model is promoted, and then there is no reason against it")
        return self
