"""Which of its electron-phonon calculations speaks for a crystal."""

from collections.abc import Iterable

from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.espresso.protocols import protocol_names

__all__ = ["most_accurate"]


def most_accurate(couplings: Iterable[ElectronPhononDocument]) -> ElectronPhononDocument | None:
    """Return the most accurate calculation that ended, with whatever result, and of these the latest; none without."""
    accuracy = {name: rank for rank, name in enumerate(reversed(protocol_names()))}
    return max(
        (coupling for coupling in couplings if coupling.status not in ("running", "failed")),
        key=lambda found: (accuracy.get(found.protocol_label, -1), found.updated_at, found.elph_id),
        default=None,
    )
