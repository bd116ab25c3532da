"""The cost model: core-hours of an electron-phonon calculation, before it starts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure

from invdesflow.errors import StructureError
from invdesflow.screening.shipped_model import ShippedModel
from invdesflow.screening.wave_vectors import Mesh, WaveVector
from invdesflow.screening.workload import PAPER, Protocol, Valence, Workload, count

__all__ = ["KIND", "PARTS", "VERSION", "CostModel", "CostPrediction", "Part", "operations"]

KIND = "cost"
VERSION = 1
WEIGHTS = Path(__file__).parent / "weights" / "cost.safetensors"
SECONDS_PER_HOUR = 3600.0

Part = Literal["scf", "bands", "setup", "response"]
PARTS: tuple[Part, ...] = get_args(Part)
"""Ground state; bands at k and k + q; what is done once at a wave vector; response to the displacements."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class CostPrediction:
    """What a calculation will take; the numbers are None where `reason` says why.

    Parameters
    ----------
    core_hours
        CPU time of pw.x and ph.x: ground state, phonons with the response of the potential, and the bands from which
        EPW starts, core-hours of the reference machine. EPW's own time is not in it.
    factor
        The true cost lies between `core_hours` divided and multiplied by this, in 68 % of the cases.
    largest_job_core_hours
        Of the longest irreducible representation, the piece that is not divided among jobs.
    part_core_hours
        By part; they add up to `core_hours`.
    workload
        The counts.
    reason
        Why there is no estimate.
    """

    core_hours: float | None
    factor: float | None
    largest_job_core_hours: float | None
    part_core_hours: dict[Part, float] | None
    workload: Workload | None
    reason: str | None = None


def operations(plane_waves: float, bands: float, projectors: float) -> FloatArray:
    """Count what one application of the Hamiltonian to all bands at one k-point takes, apart from constants.

    Parameters
    ----------
    plane_waves, bands, projectors
        As in `Workload`.

    Returns
    -------
    ndarray
        Shape (3,): Fourier transforms, nonlocal projectors, orthogonalisation.
    """
    per_band = bands * plane_waves
    return np.array([per_band * math.log2(plane_waves), per_band * projectors, per_band * bands])


class CostModel(ShippedModel):
    """Counted operations times fitted seconds.

    time = sum over parts of (k-points x modes x iterations) x (coefficients . operations) + jobs x overhead, where the
    coefficients, three for each part, the overheads and the mean numbers of iterations come from measured runs of pw.x
    and ph.x. A job is a ground state, a wave vector or an irreducible representation.
    """

    kind, format_version, weights = KIND, VERSION, WEIGHTS

    def _rebuild(self, arrays: Mapping[str, NDArray[Any]], card: Mapping[str, Any]) -> None:
        self.factor = float(card["calibration"]["factor_68"])
        self.coefficients: FloatArray = np.asarray(arrays["coefficients"], dtype=float)
        self.overheads: FloatArray = np.asarray(arrays["overheads"], dtype=float)
        self.iterations: FloatArray = np.asarray(arrays["iterations"], dtype=float)
        self.valences = {
            int(z): Valence(int(electrons), int(projectors))
            for z, electrons, projectors in np.asarray(arrays["pseudopotentials"])
        }

    def predict(
        self,
        structures: Sequence[Structure],
        protocol: Protocol = PAPER,
        *,
        meshes: tuple[Mesh, Mesh] | None = None,
        machine_speed: float = 1.0,
    ) -> list[CostPrediction]:
        """Estimate what electron-phonon calculations take.

        Parameters
        ----------
        structures
            Crystals, in whatever cell.
        protocol
            Settings of the calculations.
        meshes
            Meshes of electrons and phonons for the standardised primitive cell, instead of those of the protocol.
        machine_speed
            How many times faster a core is than the one of the card.

        Returns
        -------
        list of CostPrediction
            One for each structure in order; one that cannot be estimated has a reason.
        """
        return [self._predict(structure, protocol, meshes, machine_speed) for structure in structures]

    def _predict(
        self, structure: Structure, protocol: Protocol, meshes: tuple[Mesh, Mesh] | None, machine_speed: float
    ) -> CostPrediction:
        try:
            workload = count(structure, self.valences, protocol, meshes)
        except StructureError as error:
            return CostPrediction(None, None, None, None, None, str(error))
        hours = {part: s / SECONDS_PER_HOUR / machine_speed for part, s in self.part_seconds(workload).items()}
        longest = max(max(vector.representations) * vector.k_points for vector in workload.wave_vectors)
        job = self.seconds("response", 1, longest, workload) / SECONDS_PER_HOUR / machine_speed
        return CostPrediction(sum(hours.values()), self.factor, job, hours, workload)

    def part_seconds(self, workload: Workload) -> dict[Part, float]:
        """Return the CPU time of each part on the reference machine, s.

        The bands are those at k and k + q for every wave vector but Gamma, where those of the ground state serve, and
        those on the whole mesh of the phonons from which the Wannier functions are made.
        """
        vectors = workload.wave_vectors
        pairs = sum(vector.k_points for vector in vectors)
        away = sum(vector.k_points for vector in vectors if any(vector.q))
        modes = 3 * workload.atoms
        jobs_and_repeats: dict[Part, tuple[int, int]] = {
            "scf": (1, workload.k_points),
            "bands": (len(vectors), 2 * away + math.prod(workload.q_mesh)),
            "setup": (len(vectors), modes * pairs),
            "response": (workload.representations, modes * pairs),
        }
        return {part: self.seconds(part, *times, workload) for part, times in jobs_and_repeats.items()}

    def vector_seconds(self, vector: WaveVector, workload: Workload) -> float:
        """Return the CPU time of ph.x at one wave vector on the reference machine, s."""
        steps = 3 * workload.atoms * vector.k_points
        bands = 2 * vector.k_points if any(vector.q) else 0
        return (
            self.seconds("bands", 1, bands, workload)
            + self.seconds("setup", 1, steps, workload)
            + self.seconds("response", len(vector.representations), steps, workload)
        )

    def seconds(self, part: Part, jobs: int, repeats: int, workload: Workload) -> float:
        """Return the CPU time of a part on the reference machine, s.

        Parameters
        ----------
        part
            Which one.
        jobs
            How many of them.
        repeats
            k-points times modes.
        workload
            Size of the crystal.
        """
        row = PARTS.index(part)
        size = operations(workload.plane_waves, workload.bands, workload.projectors)
        return float(repeats * self.iterations[row] * (self.coefficients[row] @ size) + jobs * self.overheads[row])
