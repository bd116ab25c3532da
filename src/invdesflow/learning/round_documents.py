"""What a round of learning stores: whom it chose and why, what came of it, which models it left behind."""

from collections.abc import Iterable
from typing import ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from invdesflow.database.documents import Document, UtcDatetime
from invdesflow.learning.bias import BiasLog

__all__ = ["ChosenCandidate", "LearningRoundDocument", "ModelChange", "Outcome", "best_tc_k", "learning_round_id"]

_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)


class Outcome(BaseModel):
    """What the oracle said of a candidate."""

    model_config = _CONFIG

    status: str = Field(description="completed: there is a Tc; else why there is none, such as dynamically_unstable")
    tc_k: float | None = Field(None, ge=0, description="K")
    mu_star: float | None = Field(None, ge=0, description="Coulomb pseudopotential of this Tc")
    source_id: str | None = Field(None, description="elph_id or superconductor_id of the document that has it")
    core_hours: float | None = Field(None, ge=0, description="what it took; none where nothing was calculated")
    reason: str = Field("", description="why there is no Tc")

    @model_validator(mode="after")
    def _tc_or_reason(self) -> Self:
        if (self.tc_k is None) == (not self.reason):
            raise ValueError("an outcome has either a Tc or a reason")
        return self


class ChosenCandidate(BaseModel):
    """One candidate of the batch: what was expected of it and what came."""

    model_config = _CONFIG

    candidate_id: str
    reduced_formula: str
    rank: int = Field(ge=0, description="0 was chosen first")
    score: float = Field(description="of the acquisition; higher was better")
    terms: dict[str, float] = Field(description="what the score is made of (invdesflow.learning.acquisition.Choice)")
    outcome: Outcome | None = Field(None, description="none while the oracle is at work")


class ModelChange(BaseModel):
    """One model before and after a round."""

    model_config = _CONFIG

    kind: str
    before: str = Field(description="model_id that was asked in this round")
    after: str = Field(description="model_id that the next round asks")
    trained: str | None = Field(None, description="model_id that was trained; none: nothing was trained")
    remark: str = Field("", description="why nothing was trained, or why what was trained is not asked")


class LearningRoundDocument(Document):
    """One round of the learning loop."""

    collection: ClassVar[str] = "learning_rounds"
    key: ClassVar[str] = "learning_round_id"

    learning_round_id: str = Field(description="campaign and number of the round")
    campaign: str
    number: int = Field(ge=0)
    status: Literal["chosen", "completed"] = Field(description="chosen: the oracle or the retraining is at work")
    oracle: str = Field(description="what answers: espresso with its protocol, or the labelled set")
    strategy: str = Field(description="of the acquisition")
    seed: int
    pool: int = Field(ge=0, description="candidates to choose from")
    best_tc_before_k: float = Field(ge=0, description="highest Tc that the oracle had found before (K); 0: none yet")
    mu_star: float | None = Field(
        None,
        ge=0,
        description="Coulomb pseudopotential of the predictions and of the best Tc; none: any that was found",
    )
    chosen: list[ChosenCandidate]
    bias: BiasLog | None = Field(None, description="what the choice leans towards; none: nothing was chosen")
    models: list[ModelChange] = Field(default_factory=list)
    finished_at: UtcDatetime | None = None

    @model_validator(mode="after")
    def _complete_with_outcomes(self) -> Self:
        if self.status == "completed" and any(chosen.outcome is None for chosen in self.chosen):
            raise ValueError("a completed round has an outcome of every candidate")
        return self

    @property
    def core_hours(self) -> float:
        """What the oracle spent in this round."""
        return sum(chosen.outcome.core_hours or 0.0 for chosen in self.chosen if chosen.outcome is not None)

    @property
    def best_tc_k(self) -> float:
        """Highest Tc that the oracle has found up to the end of this round (K); 0 if none."""
        return max(self.best_tc_before_k, best_tc_k([self], self.mu_star))


def best_tc_k(rounds: Iterable[LearningRoundDocument], mu_star: float | None) -> float:
    """Return the highest Tc that the oracle found in some rounds at one mu*, or at any (K); 0 if none."""
    outcomes = (chosen.outcome for found in rounds for chosen in found.chosen if chosen.outcome is not None)
    comparable = (outcome for outcome in outcomes if mu_star is None or outcome.mu_star == mu_star)
    return max((outcome.tc_k or 0.0 for outcome in comparable), default=0.0)


def learning_round_id(campaign: str, number: int) -> str:
    """Return the identifier of a round."""
    return f"{campaign}/{number:03d}"
