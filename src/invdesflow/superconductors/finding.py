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
    found = _stored(database, name)
    if not found:
        load_catalogue_into(database)
        found = _stored(database, name)
    if not found:
        raise ConfigurationError(
            f"No known superconductor is called {name!r}.", "List them with: invdesflow superconductors list."
        )
    return found


def _stored(database: Database, name: str) -> list[SuperconductorDocument]:
    collection = database.collection(SuperconductorDocument)
    by_id = collection.get(name)
    if by_id is not None:
        return [by_id]
    return list(collection.find(CandidateFilter.checked(formula=name).to_mongo(), sort=[("pressure_gpa", 1)]))
