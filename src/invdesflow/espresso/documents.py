"""`EspressoTaskDocument`: one run of a program of Quantum ESPRESSO, as it is stored."""

from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from invdesflow.crystals.field import CrystalField
from invdesflow.database.documents import Document
from invdesflow.espresso.failures import Failure
from invdesflow.espresso.running import Correction

__all__ = ["EspressoTaskDocument", "PseudopotentialReference"]


class PseudopotentialReference(BaseModel):
    """The pseudopotential of one element."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str = Field(description="name of the file")
    sha256: str
    functional: str


class EspressoTaskDocument(Document):
    """One run of pw.x, ph.x, q2r.x, matdyn.x, projwfc.x or epw.x, with everything that its answer depends on."""

    collection: ClassVar[str] = "espresso_tasks"
    key: ClassVar[str] = "task_id"

    task_id: str = Field(description="hash of the program, its input, the pseudopotentials and the tasks before it")
    step: str = Field(description="what it is for, such as 'scf' or 'phonons of q-point 2'")
    program: str
    program_version: str | None = Field(description="as the program printed it; none if it printed none")
    reduced_formula: str
    structure: CrystalField = Field(description="the crystal that went in")
    pseudopotentials: dict[str, PseudopotentialReference] = Field(description="by element")
    parents: list[str] = Field(description="task_ids of the runs whose files it read")
    input: str = Field(description="the input that was asked for")
    final_input: str = Field(description="the input of the last attempt, after what error handlers changed")

    status: Literal["completed", "failed"]
    failure: Failure | None = Field(description="none if it completed")
    corrections: list[Correction] = Field(description="what error handlers did, in order")
    attempts: int = Field(ge=1)
    results: dict[str, Any] = Field(description="scalars that were read from its files; units are in the names")
    folder: str = Field(description="the run folder")
    wall_time_s: float = Field(ge=0)
    core_hours: float = Field(ge=0)
    lost_core_hours: float = Field(0.0, ge=0, description="of runs of it that failed or were stopped before this one")

    @model_validator(mode="after")
    def _failure_has_grounds(self) -> Self:
        if (self.status == "failed") != (self.failure is not None):
            raise ValueError("a failed task needs a failure, and no other has one")
        return self
