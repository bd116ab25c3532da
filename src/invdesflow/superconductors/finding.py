"""Known superconductors by name."""

from invdesflow.database import Database
from invdesflow.database.queries import CandidateFilter
from invdesflow.errors import ConfigurationError
from invdesflow.superconductors.documents import SuperconductorDocument
from invdesflow.superconductors.loading import load_catalogue_into

__all__ = ["known_superconductors"]


def known_superconductors(database: Database, name: str) -> list[SuperconductorDocument]:
    """Return the known superconductors with this identifier or formula.

    Raises
    ------
    ConfigurationError
        If there is none.
    """
    collection = database.collection(SuperconductorDocument)
    if collection.count() == 0:
        load_catalogue_into(database)
    by_id = collection.get(name)
    if by_id is not None:
        return [by_id]
    filters = CandidateFilter.checked(formula=name).to_mongo()
    found = list(collection.find(filters, sort=[("pressure_gpa", 1)]))
    if not found:
        raise ConfigurationError(
            f"No known superconductor is called {name!r}.", "List them with: invdesflow superconductors list."
        )
    return found
