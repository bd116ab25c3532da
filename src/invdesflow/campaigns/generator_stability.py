"""What becomes of drawn crystals when they are relaxed: stability, with a hull of their own, and the files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field
from pymatgen.core import Structure

from invdesflow.campaigns.competitors import (
    HullSummary,
    find_competitors,
    relax_kept,
    stabilities,
    summarise_hull,
)
from invdesflow.crystals.writing import structure_to_text
from invdesflow.generation.evaluation.shares import Metrics
from invdesflow.generation.evaluation.stability import Relaxed, StabilityMetrics, assess_stability_metrics
from invdesflow.generation.evaluation.uniqueness import Newness
from invdesflow.progress import track
from invdesflow.relaxation.documents import RelaxationDocument, Subject
from invdesflow.relaxation.hull import Stability
from invdesflow.relaxation.potentials import Potential

__all__ = ["Drawn", "RelaxationEvaluation", "relax_drawn"]


@dataclass(frozen=True, eq=False)
class Drawn:
    """A crystal that was drawn.

    Attributes
    ----------
    index
        Position in the sequence of the sampler.
    structure
        Primitive cell.
    intended_space_group
        International number that it was drawn in.
    """

    index: int
    structure: Structure
    intended_space_group: int


class RelaxationEvaluation(Metrics):
    """Stability of the first crystals that were drawn."""

    potential: str = Field(description="kind and name of the potential")
    potential_digest: str = Field(description="SHA-256 of its weights")
    stability: StabilityMetrics
    hull: HullSummary


def relax_drawn(
    drawn: Sequence[Drawn],
    output: Path,
    *,
    potential: Potential,
    materials_project: Path | None,
    most_competitors: int,
    newness_of: Callable[[Sequence[Structure]], Sequence[Newness | None]],
    workers: int | None = None,
) -> RelaxationEvaluation:
    """Relax crystals and what competes with them, and write the relaxed crystals to ``relaxed.extxyz``.

    Parameters
    ----------
    drawn
        Crystals; their hulls know nothing of each other.
    output
        Folder; relaxations are kept in its ``relaxations.jsonl`` and not done again.
    potential
        Potential of all relaxations.
    materials_project, most_competitors
        See `invdesflow.campaigns.competitors.find_competitors`.
    newness_of
        Tells what is new in crystals; asked of the relaxed ones.
    workers
        Processes that relax.

    Raises
    ------
    ConfigurationError
        If the file of competitors cannot be read, or the folder belongs to other relaxations.
    PotentialError
        If the potential cannot be loaded.
    """
    subjects = {Subject(kind="candidate", id=f"drawing {one.index}"): one.structure for one in drawn}
    systems = {frozenset(element.symbol for element in one.structure.composition) for one in drawn}
    competitors = find_competitors(systems, potential, materials_project, most_competitors)
    path = output / "relaxations.jsonl"
    documents = relax_kept({**subjects, **competitors.crystals}, potential, path, workers=workers)
    own = [documents[subject] for subject in subjects]
    rivals = [documents[subject] for subject in competitors.crystals]
    found = stabilities(own, rivals)
    _write_relaxed(drawn, own, found, output / "relaxed.extxyz")
    outcomes = [
        Relaxed(
            one.structure,
            document.final_structure if document.converged else None,
            stability.e_above_hull_ev_per_atom if stability else None,
        )
        for one, document, stability in zip(drawn, own, found, strict=True)
    ]
    new = newness_of([outcome.relaxed or outcome.generated for outcome in outcomes])
    return RelaxationEvaluation(
        potential=f"{potential.kind} {potential.model}",
        potential_digest=potential.digest,
        stability=assess_stability_metrics(track(outcomes, "matching"), new),
        hull=summarise_hull(found, rivals, competitors.left_out),
    )


def _write_relaxed(
    drawn: Sequence[Drawn], documents: Sequence[RelaxationDocument], found: Sequence[Stability | None], path: Path
) -> None:
    """Write where the relaxations ended, converged or not."""
    frames = []
    for one, document, stability in zip(drawn, documents, found, strict=True):
        info: dict[str, object] = {
            "index": one.index,
            "intended_space_group": one.intended_space_group,
            "converged": document.converged,
            "reason": document.reason,
            "energy_ev": document.energy_ev,
            "e_above_hull_ev_per_atom": stability.e_above_hull_ev_per_atom if stability else None,
            "missing_systems": " ".join(stability.coverage.missing) if stability else None,
        }
        known = {name: value for name, value in info.items() if value is not None}
        frames.append(structure_to_text(document.final_structure, "extxyz", known))
    path.write_text("".join(frames), encoding="utf-8")
