"""The hull entries that the database holds."""

from collections.abc import Iterable, Iterator
from itertools import chain, combinations

from invdesflow.database import Database
from invdesflow.relaxation.documents import RelaxationDocument
from invdesflow.relaxation.hull import HullEntry, hull_entries

__all__ = ["stored_entries", "subsystem_names"]


def stored_entries(database: Database, chemical_systems: Iterable[str], potential_digest: str) -> Iterator[HullEntry]:
    """Yield the converged relaxations that compete in chemical systems, their subsystems included.

    Parameters
    ----------
    database
        Where to look.
    chemical_systems
        Such as ``B-Mg``.
    potential_digest
        SHA-256 of the weights that the energies must come from.
    """
    systems = sorted({part for system in chemical_systems for part in subsystem_names(system)})
    criteria = {"chemical_system": {"$in": systems}, "potential.digest": potential_digest, "converged": True}
    yield from hull_entries(database.collection(RelaxationDocument).find(criteria))


def subsystem_names(chemical_system: str) -> list[str]:
    """Return a chemical system and all within it, such as B, Mg and B-Mg for B-Mg."""
    elements = chemical_system.split("-")
    sizes = range(1, len(elements) + 1)
    return ["-".join(part) for part in chain.from_iterable(combinations(elements, size) for size in sizes)]
