"""What the registry stores of a model."""

from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from invdesflow.database.documents import Document, UtcDatetime

__all__ = ["ModelDocument", "Promotion"]


class Promotion(BaseModel):
    """One time that a model became the one of its kind that is asked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: UtcDatetime
    how: Literal["better", "anyway", "rollback"] = Field(
        description="better: it beat the one before; anyway: somebody wanted it; rollback: the later one was given up"
    )
    instead_of: str = Field(description="model_id of the one that was asked before; its own of the first one")


class ModelDocument(Document):
    """One set of weights of one kind of model."""

    collection: ClassVar[str] = "models"
    key: ClassVar[str] = "model_id"

    model_id: str = Field(description="name of the model, as its card has it")
    kind: str = Field(description="what it predicts, such as 'tc'")
    version: int = Field(description="version of the file format and of the code that reads it")
    parent: str | None = Field(None, description="model that it was trained from")
    digest: str = Field(description="SHA-256 of the weights")
    shipped: bool = Field(description="the weights come with InvDesFlow; otherwise they lie in GridFS under the digest")
    training_sets: list[dict[str, Any]] = Field(
        default_factory=list, description="name, licence, rows and digest of the formulas of each training set"
    )
    held_out_formulas_digest: str | None = Field(None, description="which formulas it was evaluated on")
    held_out_metrics: dict[str, float] = Field(
        default_factory=dict, description="what was measured on formulas that it has not seen"
    )
    compared_with: str | None = Field(
        None, description="digest of the model that it was measured against, row by row on the same held-out rows"
    )
    not_promoted: str = Field("", description="why it was not promoted after that; empty: it beat the other one")
    card: dict[str, Any] = Field(description="everything that is said of it")
    promoted_at: UtcDatetime | None = Field(None, description="since when it is the one of its kind that is asked")
    promotions: list[Promotion] = Field(default_factory=list, description="each time that it was, the first one first")

    @model_validator(mode="after")
    def _card_is_of_this_model(self) -> Self:
        named = {"model_id": self.model_id, "kind": self.kind, "version": self.version, "sha256": self.digest}
        if {name: self.card.get(name) for name in named} != named:
            raise ValueError("the card is of another model")
        return self

    @classmethod
    def from_card(cls, card: dict[str, Any], *, shipped: bool) -> Self:
        """Make the document of a model from its card."""
        held_out = card.get("held_out") or {}
        comparison = card.get("comparison") or {}
        return cls(
            model_id=card["model_id"],
            kind=card["kind"],
            version=card["version"],
            parent=card.get("parent"),
            digest=card["sha256"],
            shipped=shipped,
            training_sets=card.get("training_sets", []),
            held_out_formulas_digest=held_out.get("formulas_digest"),
            held_out_metrics=held_out.get("metrics", {}),
            compared_with=comparison.get("with"),
            not_promoted=comparison.get("not_promoted", ""),
            card=card,
        )
