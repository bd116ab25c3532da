"""Which of its relaxations speaks for a crystal."""

from collections.abc import Iterable

from invdesflow.database import Database
from invdesflow.relaxation.documents import RelaxationDocument
from invdesflow.relaxation.potentials import is_default

__all__ = ["chosen_relaxation", "relaxation_of"]


def chosen_relaxation(
    relaxations: Iterable[RelaxationDocument], pressure_gpa: float = 0.0
) -> RelaxationDocument | None:
    """Return the relaxation that speaks for a candidate at a pressure.

    One at this pressure comes first, or the nearest to it; then a converged one, then one with the default potential,
    whose energies most others can be compared with; then the latest.

    Parameters
    ----------
    relaxations
        Relaxations of the candidate.
    pressure_gpa
        The pressure (GPa).
    """
    return max(
        relaxations,
        key=lambda relaxation: (
            -abs(relaxation.settings.pressure_gpa - pressure_gpa),
            relaxation.converged,
            is_default(relaxation.potential.kind, relaxation.potential.model),
            relaxation.updated_at,
            relaxation.relaxation_id,
        ),
        default=None,
    )


def relaxation_of(database: Database, candidate_id: str, pressure_gpa: float = 0.0) -> RelaxationDocument | None:
    """Return the converged relaxation that speaks for a stored candidate at a pressure (GPa); None if there is none."""
    converged = {"subject.id": candidate_id, "converged": True}
    return chosen_relaxation(database.collection(RelaxationDocument).find(converged), pressure_gpa)
