"""The flat document that people query: one per candidate, scalars and short lists only."""

from typing import ClassVar, Literal

from pydantic import Field

from invdesflow.database.documents import Document

__all__ = ["STAGES", "Stage", "SummaryDocument"]

Stage = Literal["generated", "relaxed", "screened", "verified"]
STAGES: tuple[Stage, ...] = ("generated", "relaxed", "screened", "verified")


class SummaryDocument(Document):
    """Everything that is known of one candidate, in scalars."""

    collection: ClassVar[str] = "summary"
    key: ClassVar[str] = "candidate_id"

    candidate_id: str
    reduced_formula: str
    anonymous_formula: str
    chemical_system: str = Field(description="elements in alphabetical order, joined by '-'")
    elements: list[str]
    nelements: int
    nsites: int = Field(description="atoms in the primitive cell")
    space_group_number: int = Field(description="of the relaxed structure where there is one")
    space_group_symbol: str
    volume_per_atom: float = Field(description="A^3, of the relaxed structure where there is one")
    stage: Stage = Field(description="the last stage that this candidate reached")
    rejected: bool = Field(description="a gate rejected it")
    rejection_gate: str | None = Field(None, description="the first gate that rejected it")
    rejection_reason: str | None = None
    origins: list[str] = Field(description="kinds of its origins, such as 'substitution'")
    campaigns: list[str] = Field(description="campaigns that proposed it")
    new_composition: bool | None = Field(None, description="no known compound has this reduced formula")
    new_structure: bool | None = Field(None, description="no known crystal matches it (StructureMatcher)")
    potential: str | None = Field(None, description="interatomic potential of the energies below")
    relaxation_id: str | None = Field(None, description="the relaxation that speaks for it: nearest to 0 GPa")
    relaxation_converged: bool | None = None
    energy_ev_per_atom: float | None = None
    formation_energy_ev_per_atom: float | None = Field(None, description="from the potential and its relaxed elements")
    e_above_hull_ev_per_atom: float | None = Field(None, description="against every relaxed entry in the database")
    hull_complete: bool | None = Field(None, description="every chemical system within had a competitor on the hull")
    pressure_gpa: float | None = None
    tc_k: float | None = Field(None, description="predicted Tc")
    tc_std_k: float | None = Field(None, description="standard deviation of the prediction")
    tc_mu_star: float | None = Field(None, description="Coulomb pseudopotential of that Tc; none: there is no Tc")
    tc_model: str | None = Field(None, description="model_id of the Tc model")
    in_domain: bool | None = Field(None, description="inside the training domain of the Tc model")
    dynamical_stability: Literal["stable", "unstable", "failed"] | None = Field(
        None, description="harmonic phonons with the interatomic potential; none: not computed, failed: no answer"
    )
    superconductor_probability: float | None = Field(None, description="predicted, of the class of superconductors")
    predicted_formation_energy_ev_per_atom: float | None = Field(None, description="of the formation-energy model")
    core_hours: float | None = Field(None, description="estimate for the electron-phonon calculation")
    elph_status: str | None = Field(None, description="of the electron-phonon calculation that counts; none: no such")
    elph_protocol: str | None = Field(None, description="its protocol, with 'changed' if settings of it were changed")
    elph_pressure_gpa: float | None = Field(None, description="its pressure")
    elph_lambda: float | None = Field(None, description="coupling strength that it found")
    elph_omega_log_mev: float | None = None
    elph_tc_k: float | None = Field(
        None, description="Tc that it found: Migdal-Eliashberg, isotropic, smallest mu*; none also below 0.01 K"
    )
    elph_mu_star: float | None = Field(None, description="that smallest mu*; none: its Tc was not calculated")
    sources_digest: str = Field(description="state of the source documents that this summary was built from")
