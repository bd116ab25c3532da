"""`TrainingSetDocument`: what a model was, or can be, trained on, frozen."""

from typing import ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from invdesflow.database.documents import Document

__all__ = ["KINDS", "Kind", "RowReference", "TrainingSetDocument"]

Kind = Literal["tc", "classifier", "formation-energy", "generator", "potential"]
"""Kinds of model that learn from the database, as the registry names them."""
KINDS: tuple[Kind, ...] = get_args(Kind)


class RowReference(BaseModel):
    """One row: where it came from, and what it said when the set was frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = Field(description="collection and identifier, such as electron_phonon:elph-...")
    digest: str = Field(description="hash of crystal, labels, pressure and mu*")


class TrainingSetDocument(Document):
    """The rows that a kind of model may learn from and those that it is measured on; the same sources give the same."""

    collection: ClassVar[str] = "training_sets"
    key: ClassVar[str] = "training_set_id"

    training_set_id: str = Field(description="hash of kind, mu*, rule of the split and content of every row")
    kind: Kind
    mu_star: float | None = Field(description="Coulomb pseudopotential of every Tc; none where no Tc is learned")
    split_rule: str = Field(description="which formulas are held out")
    rows: list[RowReference] = Field(description="in the order of their sources")
    content: str = Field(description="SHA-256 of the rows in GridFS (invdesflow.learning.training_sets)")
    taught: int = Field(ge=1, description="rows to learn from")
    held_out: int = Field(ge=0, description="rows to measure on")
    from_collection: dict[str, int] = Field(description="collection -> rows that came from it")
    taught_formulas_digest: str = Field(description="which formulas may be learned from")
    held_out_formulas_digest: str = Field(description="which formulas are measured on")
    left_out: dict[str, int] = Field(description="reason -> documents that were left out for it")
