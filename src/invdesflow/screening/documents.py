"""What the screening stores."""

from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from invdesflow.database.documents import Document, content_hash
from invdesflow.screening.gates import GateResult, Thresholds, passes

__all__ = ["ModelReference", "ScreeningDocument", "screening_identifier"]


class ModelReference(BaseModel):
    """Which weights gave a number."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model_id: str
    digest: str = Field(description="SHA-256 of the weights")


def screening_identifier(
    candidate_id: str,
    relaxation_id: str | None,
    models: dict[str, ModelReference],
    thresholds: Thresholds,
    mu_star: float,
    *,
    distinct: bool = True,
) -> str:
    """Identify a screening by the structure, the models, the thresholds, mu* and whether duplicates are refused."""
    return content_hash(
        "scr",
        {
            "candidate_id": candidate_id,
            "relaxation_id": relaxation_id,
            "models": {kind: model.digest for kind, model in models.items()},
            "thresholds": thresholds.model_dump(),
            "mu_star": mu_star,
            "distinct": distinct,
        },
    )


class ScreeningDocument(Document):
    """One candidate before the gates, with one set of models."""

    collection: ClassVar[str] = "screenings"
    key: ClassVar[str] = "screening_id"

    screening_id: str
    candidate_id: str
    relaxation_id: str | None = Field(description="the relaxation that was screened; none for the unrelaxed candidate")
    reduced_formula: str
    models: dict[str, ModelReference] = Field(description="kind of model, such as 'tc' -> weights")
    thresholds: Thresholds
    gates: list[GateResult]
    passed: bool = Field(description="every rejecting gate was passed")
    mu_star: float = Field(ge=0, description="Coulomb pseudopotential of tc_k")
    tc_k: float | None = Field(None, ge=0, description="predicted Tc, K")
    tc_std_k: float | None = Field(None, ge=0, description="standard deviation of the prediction, K")
    tc_members_k: list[float] | None = Field(
        None, description="predicted Tc by each member of the ensemble, K; none: the model is not one"
    )
    lambda_: float | None = Field(None, ge=0, description="predicted electron-phonon coupling strength")
    omega_log_mev: float | None = Field(None, gt=0, description="predicted logarithmic average frequency, meV")
    superconductor_probability: float | None = Field(
        None, ge=0, le=1, description="predicted probability of the class of superconductors"
    )
    superconductor_probability_std: float | None = Field(None, ge=0, description="spread among the ensemble")
    predicted_formation_energy_ev_per_atom: float | None = Field(None, description="of the formation-energy model")
    predicted_formation_energy_std_ev_per_atom: float | None = Field(None, ge=0)
    core_hours: float | None = Field(
        None, ge=0, description="estimate for the electron-phonon calculation with the paper's settings"
    )
    core_hours_factor: float | None = Field(
        None, ge=1, description="the estimate is right within this factor in 68 % of the cases"
    )
    domain_distance: float | None = Field(None, ge=0, description="distance to the training set; above 1 is outside")
    in_domain: bool | None = None
    formation_energy_ev_per_atom: float | None = Field(None, description="from the potential and its relaxed elements")
    e_above_hull_ev_per_atom: float | None = None
    hull_systems_present: list[str] = Field(
        default_factory=list, description="chemical systems with a competitor on the hull"
    )
    hull_systems_missing: list[str] = Field(default_factory=list, description="chemical systems without one")

    @model_validator(mode="after")
    def _decision_follows_from_gates(self) -> Self:
        if self.passed != passes(self.gates):
            raise ValueError("passed does not follow from the gates")
        if (self.tc_k is None) != (self.tc_std_k is None):
            raise ValueError("a Tc and its standard deviation come together")
        return self
