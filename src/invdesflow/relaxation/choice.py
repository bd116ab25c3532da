"""Which of its relaxations speaks for a crystal."""

from collections.abc import Sequence

from invdesflow.relaxation.documents import RelaxationDocument

__all__ = ["chosen_relaxation"]


def chosen_relaxation(relaxations: Sequence[RelaxationDocument]) -> RelaxationDocument | None:
    """Return the relaxation that speaks for a candidate: a converged one before others, then the latest."""
    return max(
        relaxations,
        key=lambda relaxation: (relaxation.converged, relaxation.created_at, relaxation.relaxation_id),
        default=None,
    )
