"""Which worker takes which job, and what the job asks of the queue."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import ceil
from typing import Any

from jobflow import Flow
from jobflow.core.job import store_inputs
from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Structure

from invdesflow.campaigns.launching.categories import Category
from invdesflow.epw.coupling_jobs import EpwCoarseMaker, EpwFineMaker
from invdesflow.epw.flows import ElectronPhononMaker
from invdesflow.epw.gap_jobs import EliashbergMaker
from invdesflow.epw.path_jobs import PathCouplingMaker
from invdesflow.epw.wannier_jobs import WannierMaker
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.meshes import Meshes
from invdesflow.espresso.ph_jobs import ForceConstantsMaker, PhMaker, PhononMaker, QPointsMaker
from invdesflow.espresso.pw_jobs import PwNscfMaker, PwRelaxMaker, PwStaticMaker
from invdesflow.learning.potential.jobs import LabelMaker
from invdesflow.screening.cost import CostModel
from invdesflow.screening.workload import Protocol as CountedSettings

__all__ = ["Assignment", "Launching", "Resources", "WallTimes", "assign", "wall_times"]

Body = Callable[..., Any]

_PROGRAMS: dict[Category, tuple[Body, ...]] = {
    "dft": (
        PwRelaxMaker.make,
        PwStaticMaker.make,
        PwNscfMaker.make,
        QPointsMaker.make,
        PhMaker.make,
        ForceConstantsMaker.make,
        LabelMaker.make,
    ),
    "epw": (WannierMaker.make, EpwCoarseMaker.make, EpwFineMaker.make, PathCouplingMaker.make, EliashbergMaker.make),
}
"""Jobs that run programs. All others are Python alone: models, decisions between the steps, summaries."""

_DECISIONS: tuple[Body, ...] = (
    ElectronPhononMaker.begin,
    ElectronPhononMaker.after_static,
    ElectronPhononMaker.after_spin,
    ElectronPhononMaker.after_phonons,
    ElectronPhononMaker.after_coupling,
    ElectronPhononMaker.conclude,
    PhononMaker.of_q_points,
    store_inputs,  # jobflow's own, behind what replaced a job
)
"""Steps of a calculation that run no program."""

_SHORTEST_S = 1800
"""Starting Python, reading the density, and waiting for file systems are not in the cost model."""
_ROUNDED_TO_S = 600
_DEVIATIONS = 2
"""Of the logarithm of the time: 98 % of the runs take less."""

WallTimes = Mapping[Body, float]
"""Job -> wall time (s) that it is given in the queue."""


class Resources(BaseModel):
    """What jobs of one category ask of the queue; what is not given is estimated, or left to the queue adapter."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    nodes: int | None = Field(None, ge=1)
    ntasks: int | None = Field(None, ge=1, description="MPI ranks; for dft by default the setting espresso_ranks")
    cpus_per_task: int | None = Field(None, ge=1, description="cores of each rank")
    walltime: str | None = Field(
        None, pattern=r"^(\d+-)?\d{1,3}:\d{2}:\d{2}$", description="[DAYS-]HOURS:MINUTES:SECONDS, in quotes"
    )


class Launching(BaseModel):
    """How the jobs of a campaign are launched on a cluster, by worker category."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ml: Resources = Field(Resources(), description="models, decisions, summaries: Python alone")
    dft: Resources = Field(Resources(), description="pw.x, ph.x and what collects their output")
    epw: Resources = Field(Resources(), description="Wannier functions and epw.x")

    def of(self, category: Category) -> dict[str, Any]:
        """Return what a recipe asks for one category."""
        resources: Resources = getattr(self, category)
        return resources.model_dump(exclude_none=True)


@dataclass(frozen=True)
class Assignment:
    """What the jobs of a workflow are told.

    Parameters
    ----------
    launching
        What the recipe asks.
    ranks
        MPI ranks of pw.x and ph.x where the recipe says nothing.
    times
        Wall times where the recipe says nothing.
    priority
        Jobs of the higher one run first; none comes after all that have one.
    """

    launching: Launching = field(default_factory=Launching)
    ranks: int = 1
    times: WallTimes = field(default_factory=dict)
    priority: float | None = None


def assign(flow: Flow, assignment: Assignment) -> None:
    """Tell every job of a flow, also those that it will be replaced by, who takes it and what it asks of the queue.

    Jobs of a calculation also run where one before them failed: they fail in turn, because its output is missing, and
    so the job behind them that always runs has its turn. Without that it would wait for ever.

    Parameters
    ----------
    flow
        Changed in place.
    assignment
        What they are told.
    """
    _tell(flow, "ml", assignment)
    for body in _DECISIONS:
        _tell(flow, "ml", assignment, body, of_calculation=True)
    for category, bodies in _PROGRAMS.items():
        for body in bodies:
            _tell(flow, category, assignment, body, of_calculation=body is not LabelMaker.make)


def _tell(
    flow: Flow,
    category: Category,
    assignment: Assignment,
    body: Body | None = None,
    *,
    of_calculation: bool = False,
) -> None:
    """Set what FireWorks is to know of the jobs with this body, or of all; jobflow passes it on to later ones."""
    # The wall times hold for these ranks; how many epw.x gets, the queue adapter of its workers says.
    resources: dict[str, Any] = {"ntasks": assignment.ranks} if category == "dft" else {}
    if body is not None and body in assignment.times:
        resources["walltime"] = _clock(assignment.times[body])
    resources |= assignment.launching.of(category)
    spec: dict[str, Any] = {"_category": category}
    if resources:
        spec["_queueadapter"] = resources
    if assignment.priority is not None:
        spec["_priority"] = assignment.priority
    if of_calculation:
        spec["_allow_fizzled_parents"] = True
    # Each job has its own: what jobflow would pass on is that of the job before.
    flow.update_config({"manager_config": spec, "pass_manager_config": False}, function_filter=body, dynamic=True)


def wall_times(structure: Structure, calculation: Calculation, ranks: int) -> WallTimes:
    """Estimate the wall times that the steps of a calculation need in the queue.

    The cost model knows the self-consistent run and ph.x at a q-point; for the other steps there is no estimate. The
    time is that of the longest q-point, multiplied so by the model's factor that the true one is shorter in 98 %
    of the cases, and divided by the ranks, as if they all helped.

    Parameters
    ----------
    structure
        Primitive cell.
    calculation
        Protocol and pressure.
    ranks
        MPI ranks of a run.

    Returns
    -------
    dict
        Job -> seconds; empty where the model gives no answer.
    """
    model, protocol = _cost_model(), calculation.protocol
    meshes = Meshes.of(structure, protocol)
    counted = CountedSettings(protocol.name, protocol.ecutwfc_ry, protocol.q_spacing, k_per_q=1)
    [found] = model.predict([structure], counted, meshes=(meshes.k_scf, meshes.q))
    if found.workload is None or found.factor is None:
        return {}
    workload = found.workload
    at_q_points = [model.vector_seconds(vector, workload) for vector in workload.wave_vectors]
    seconds = {
        PwStaticMaker.make: model.seconds("scf", 1, workload.k_points, workload),
        PhMaker.make: max(at_q_points),
    }
    return {body: value * found.factor**_DEVIATIONS / ranks for body, value in seconds.items()}


@lru_cache(maxsize=1)
def _cost_model() -> CostModel:
    return CostModel.load()


def _clock(seconds: float) -> str:
    """Write a wall time as queues read it, rounded up."""
    rounded = max(_SHORTEST_S, ceil(seconds / _ROUNDED_TO_S) * _ROUNDED_TO_S)
    minutes, _ = divmod(rounded, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:00"
