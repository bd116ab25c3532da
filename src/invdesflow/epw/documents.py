"""`ElectronPhononDocument`: the coupling of one crystal at one pressure with one protocol, as it is stored."""

from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from invdesflow.crystals.field import CrystalField
from invdesflow.database.documents import Document
from invdesflow.database.migrations import migration
from invdesflow.epw.gap_closing import gap_closing_tc
from invdesflow.epw.outputs import GapOutput, MeshStep, WannierTrial
from invdesflow.espresso.costs import StepCost
from invdesflow.espresso.documents import PseudopotentialReference
from invdesflow.espresso.failure_table import failure_kind
from invdesflow.espresso.outputs import ImaginaryMode

__all__ = [
    "CriticalTemperature",
    "ElectronPhononDocument",
    "ElectronStructure",
    "Method",
    "PhononSummary",
    "Status",
]

Status = Literal["running", "completed", "not_converged", "dynamically_unstable", "insulating", "magnetic", "failed"]
Method = Literal[
    "mcmillan",
    "allen_dynes",
    "migdal_eliashberg",
    "migdal_eliashberg_epw",
    "anisotropic_epw",
]

_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)


class CriticalTemperature(BaseModel):
    """Tc by one method at one Coulomb pseudopotential."""

    model_config = _CONFIG

    method: Method = Field(
        description="mcmillan (with omega_log, as epw.x prints it), allen_dynes (with f1 and f2), migdal_eliashberg "
        "(mu* carried from the highest phonon to the cutoff), migdal_eliashberg_epw (mu* taken at the cutoff, as epw.x "
        "does), anisotropic_epw (where the anisotropic gap of epw.x closes)"
    )
    mu_star: float
    tc_k: float | None = Field(description="K; none where there is no answer")
    reason: str = Field("", description="why there is none")


class PhononSummary(BaseModel):
    """Phonons, after the acoustic sum rule."""

    model_config = _CONFIG

    q_mesh: tuple[int, int, int]
    irreducible_q_points: int
    min_frequency_cm1: float = Field(description="negative where imaginary")
    max_frequency_cm1: float
    imaginary_modes: list[ImaginaryMode] = Field(description="beyond the threshold of the protocol")


class ElectronStructure(BaseModel):
    """Electrons of the self-consistent run."""

    model_config = _CONFIG

    k_mesh: tuple[int, int, int]
    energy_ev: float = Field(description="total energy (eV per cell)")
    fermi_energy_ev: float | None
    gap_ev: float | None
    pressure_gpa: float | None = Field(description="what the final cell has, beside what was asked for")


class ElectronPhononDocument(Document):
    """Electron-phonon coupling from first principles, and the Tc that follows from it."""

    collection: ClassVar[str] = "electron_phonon"
    key: ClassVar[str] = "elph_id"
    current_schema_version: ClassVar[int] = 3

    elph_id: str = Field(description="hash of crystal, pressure, protocol and pseudopotentials")
    candidate_id: str | None = Field(description="candidate that it verifies; none for a crystal from elsewhere")
    reduced_formula: str
    space_group_number: int
    structure: CrystalField = Field(description="the primitive cell that it began with")
    pressure_gpa: float
    protocol: str = Field(description="name of the protocol")
    changed_settings: dict[str, Any] = Field(
        default_factory=dict, description="values that are not those of the protocol of that name"
    )
    settings: dict[str, Any] = Field(description="all its values")
    pseudopotentials: dict[str, PseudopotentialReference]
    cutoff_note: str = Field(
        "", description="elements for which the cutoff is below the recommended one, or none is recommended"
    )

    status: Status
    reason: str = Field(description="empty while it runs and when it completed; else what was found")

    relaxed_structure: CrystalField | None = Field(None, description="none before the relaxation is done")
    electrons: ElectronStructure | None = None
    phonons: PhononSummary | None = None
    wannier: list[WannierTrial] | None = Field(None, description="tries in order; the last one was taken")
    mesh_convergence: list[MeshStep] | None = Field(None, description="interpolated meshes, the coarsest first")
    dos_per_ev: float | None = Field(None, description="N(E_F), states per eV and cell, both spins")
    lambda_: float | None = Field(None, description="total coupling strength")
    omega_log_mev: float | None = None
    omega_2_mev: float | None = None
    critical_temperatures: list[CriticalTemperature] = Field(default_factory=list)
    gaps: list[GapOutput] = Field(default_factory=list, description="anisotropic or isotropic gap of epw.x against T")
    arrays: str | None = Field(None, description="SHA-256 of the arrays in GridFS (invdesflow.database.arrays)")
    task_ids: list[str] = Field(default_factory=list, description="all tasks that were begun for it, in no order")
    cost: list[StepCost] = Field(default_factory=list, description="of all tasks, the first one first")
    core_hours: float | None = Field(None, description="sum of the cost, runs that failed or were stopped included")

    @model_validator(mode="after")
    def _status_has_grounds(self) -> Self:
        if (self.status in ("running", "completed")) == bool(self.reason):
            raise ValueError("a calculation that did not complete needs a reason, and no other has one")
        if self.status in ("completed", "not_converged") and None in (self.lambda_, self.omega_log_mev, self.arrays):
            raise ValueError("a finished calculation has lambda, omega_log and their arrays")
        return self

    @property
    def protocol_label(self) -> str:
        """Name of the protocol, with a word if its settings were changed."""
        return f"{self.protocol}, changed" if self.changed_settings else self.protocol

    def tc_k(self, method: Method) -> float | None:
        """Return Tc in K by one method, at the smallest mu* of the protocol; none where there is none."""
        smallest = self.smallest_mu_star(method)
        return next((tc.tc_k for tc in self._by(method) if tc.mu_star == smallest), None)

    def smallest_mu_star(self, method: Method) -> float | None:
        """Return the smallest mu* at which Tc was calculated by one method; none where it was at none."""
        return min((tc.mu_star for tc in self._by(method)), default=None)

    def _by(self, method: Method) -> list[CriticalTemperature]:
        return [tc for tc in self.critical_temperatures if tc.method == method]


@migration(ElectronPhononDocument.collection, 1)
def _name_the_states_of_each_mesh(data: dict[str, Any]) -> dict[str, Any]:
    """Give every mesh its N(E_F): the first version held that of the last mesh only, for the whole document."""
    series = data.get("mesh_convergence") or []
    for step in series:
        step.setdefault("dos_per_ev", data["dos_per_ev"] if step is series[-1] else None)
    return data


@migration(ElectronPhononDocument.collection, 2)
def _tell_vanished_gaps_from_unknown_ones(data: dict[str, Any]) -> dict[str, Any]:
    """Say which gaps vanished, and find again where the gap closes: what had not converged was counted as above Tc."""
    for gap in data.get("gaps", []):
        gap.setdefault("vanished", gap["reason"] == failure_kind("gap_vanished").message)
    gaps = [GapOutput.model_validate(gap) for gap in data.get("gaps", [])]
    if any(gap.gap_max_mev is None and not gap.vanished for gap in gaps):
        for tc in data["critical_temperatures"]:
            if tc["method"] == "anisotropic_epw":
                tc["tc_k"], tc["reason"] = gap_closing_tc(gaps)
    return data
