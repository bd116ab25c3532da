"""What the jobs of this room tell the jobs after them."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from invdesflow.espresso.outputs import PwOutput

__all__ = ["CoarseOutput", "FineOutput", "GapOutput", "MeshStep", "WannierOutput", "WannierTrial"]

_CONFIG = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


class WannierTrial(BaseModel):
    """One try to make Wannier functions."""

    model_config = _CONFIG

    choice: str = Field(description="what it started from")
    task_id: str | None = Field(description="none of a failed one that an older version tried")
    rms_mev: float | None = Field(
        description="deviation from pw.x where either is near the Fermi level; none if it failed"
    )
    max_mev: float | None = Field(description="largest such deviation")
    spreads_a2: list[float] | None = Field(description="spread of each function (A^2)")
    problem: str = Field(description="why it was not taken; empty if it was")


class WannierOutput(BaseModel):
    """Wannier functions whose bands agree with those of pw.x."""

    model_config = _CONFIG

    task_id: str
    projections_task_id: str
    nscf: PwOutput
    bands: PwOutput
    n_wannier: int
    skipped: int = Field(description="lowest bands that were left out")
    kept: dict[str, Any] = Field(description="parameters that every later run of EPW repeats")
    trials: list[WannierTrial] = Field(description="in order; the last one was taken")


class CoarseOutput(BaseModel):
    """The coupling in the Wannier basis."""

    model_config = _CONFIG

    task_id: str
    wannier: WannierOutput


class MeshStep(BaseModel):
    """The coupling on one pair of interpolated meshes."""

    model_config = _CONFIG

    task_id: str
    k_mesh: tuple[int, int, int]
    q_mesh: tuple[int, int, int]
    lambda_: float
    omega_log_mev: float
    dos_per_ev: float | None = Field(
        description="N(E_F), states per eV and cell, both spins; none where an older version did not store it"
    )
    tc_k: float | None = Field(
        description="isotropic Migdal-Eliashberg, with the first mu* of the protocol; none: no superconductivity found"
    )


class FineOutput(BaseModel):
    """The coupling on ever finer meshes."""

    model_config = _CONFIG

    coarse: CoarseOutput
    series: list[MeshStep] = Field(description="the coarsest first")
    reason: str = Field(description="what still changes with the mesh; empty if nothing does")
    fermi_energy_ev: float


class GapOutput(BaseModel):
    """The gap at one temperature, at the Fermi level and continued to the real axis.

    An older version took that of the anisotropic equations at the first Matsubara frequency, a few percent lower; the
    name of its distribution begins with ``crystal.imag``.
    """

    model_config = _CONFIG

    task_id: str
    temperature_k: float
    converged: bool
    vanished: bool = Field(description="the only solution is zero: it is above Tc")
    gap_min_mev: float | None
    gap_max_mev: float | None
    gap_mean_mev: float | None
    distribution_file: str | None = Field(None, description="in the run folder; none for the isotropic equations")
    reason: str = Field(description="why there is no gap, or none that is known; empty if there is one")
