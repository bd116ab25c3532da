"""What the jobs of this room tell the jobs after them."""

from pydantic import BaseModel, ConfigDict, Field

from invdesflow.crystals.field import CrystalField

__all__ = ["ImaginaryMode", "PhononOutput", "PwOutput", "QPointOutput", "QPointsOutput"]

_CONFIG = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


class PwOutput(BaseModel):
    """A run of pw.x."""

    model_config = _CONFIG

    task_id: str
    structure: CrystalField = Field(description="the crystal after the run")
    energy_ev: float | None = Field(description="total energy (eV per cell); none of bands at a fixed density")
    fermi_energy_ev: float | None = Field(description="none if pw.x gave none, as for fixed occupations")
    pressure_gpa: float | None
    n_electrons: float
    n_bands: int
    gap_ev: float | None = Field(description="gap on the mesh (eV); 0 for a metal, none without empty bands")
    absolute_magnetisation: float | None = Field(description="Bohr magnetons per cell; none without spin")
    checks: list[str] = Field(default_factory=list, description="task_ids of runs that only judged it, and cost too")


class QPointsOutput(BaseModel):
    """The irreducible q-points of a mesh."""

    model_config = _CONFIG

    task_id: str
    q_points: list[list[float]] = Field(description="Cartesian, 2 pi / alat")


class QPointOutput(BaseModel):
    """Phonons at one q-point."""

    model_config = _CONFIG

    task_id: str
    number: int = Field(ge=1, description="1 for Gamma")
    frequencies_cm1: list[float] = Field(description="before the acoustic sum rule; negative where imaginary")


class ImaginaryMode(BaseModel):
    """A mode with which the crystal lowers its energy."""

    model_config = _CONFIG

    q_point: list[float] = Field(description="crystal coordinates")
    frequency_cm1: float = Field(description="negative: minus the modulus")


class PhononOutput(BaseModel):
    """Phonons of all q-points, after the acoustic sum rule."""

    model_config = _CONFIG

    task_id: str = Field(description="the task that made the force constants")
    bands_task_id: str
    dos_task_id: str
    q_tasks: list[str] = Field(description="task_ids of the q-points in their order")
    stable: bool
    min_frequency_cm1: float
    min_frequency_away_cm1: float | None = Field(
        None, description="the same, of points nearer to another q-point that was calculated than to Gamma"
    )
    max_frequency_cm1: float
    imaginary_modes: list[ImaginaryMode] = Field(description="beyond the threshold, lowest first")
