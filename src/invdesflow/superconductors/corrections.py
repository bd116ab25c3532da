"""Taking back from stored superconductors what the catalogue once said of them and says no more."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from invdesflow.database import Database
from invdesflow.database.documents import content_hash, utc_now
from invdesflow.superconductors.documents import Calculation, Measurement, SuperconductorDocument

__all__ = ["correct", "statements", "take_back"]

_VALUES = ("experiment", "theory")
_TEXTS = ("name", "lattice_source")
_ID = "catalogue:"


def statements(document: SuperconductorDocument) -> list[str]:
    """Return a hash of every value and text of a document that a source states."""
    said: list[BaseModel | str] = [*document.experiment, *document.theory, document.name, document.lattice_source]
    return [_hash(one) for one in said]


def correct(
    stored: SuperconductorDocument, current: SuperconductorDocument | None, citations: frozenset[str]
) -> SuperconductorDocument | None:
    """Take back from one document what the catalogue says no more; what it says now is merged afterwards.

    Parameters
    ----------
    stored
        A document that the catalogue has a part in. What other sources added stays.
    current
        What the catalogue says of this crystal now; none if nothing.
    citations
        Sources of the catalogue. Their values count as its own where a document does not tell, as older ones.

    Returns
    -------
    SuperconductorDocument or None
        `stored` itself if nothing changes; none if nothing of it remains.
    """
    values: list[Measurement | Calculation] = [*stored.experiment, *stored.theory]
    said = set(stored.catalogued) or {_hash(value) for value in values if value.source in citations}
    says = set() if current is None else set(current.catalogued)
    stale = said - says
    others = [name for name in stored.dataset_ids if not name.startswith(_ID)]
    if current is None and not others:
        return None
    changes: dict[str, Any] = {
        name: [value for value in getattr(stored, name) if _hash(value) not in stale] for name in _VALUES
    }
    if current is not None:
        changes |= {name: getattr(current, name) for name in _TEXTS if _hash(getattr(stored, name)) in stale}
    changes["dataset_ids"] = others if current is None else [*current.dataset_ids, *others]
    changes["catalogued"] = [one for one in stored.catalogued if one not in stale]
    if all(getattr(stored, name) == value for name, value in changes.items() if name != "dataset_ids") and set(
        stored.dataset_ids
    ) == set(changes["dataset_ids"]):
        return stored
    return stored.model_copy(update=changes | {"updated_at": utc_now()})


def take_back(database: Database, catalogue: Mapping[str, SuperconductorDocument], citations: frozenset[str]) -> int:
    """Correct every stored document that the catalogue has a part in; return how many changed or are gone.

    Parameters
    ----------
    database
        Whose `superconductors` are corrected.
    catalogue
        superconductor_id -> what the catalogue says now.
    citations
        As of `correct`.
    """
    collection = database.collection(SuperconductorDocument)
    changed = 0
    for stored in list(collection.find({"dataset_ids": {"$regex": f"^{_ID}"}})):
        corrected = correct(stored, catalogue.get(stored.superconductor_id), citations)
        if corrected is None:
            database.raw[SuperconductorDocument.collection].delete_one({"superconductor_id": stored.superconductor_id})
        elif corrected is not stored:
            collection.upsert([corrected])
        changed += corrected is not stored
    return changed


def _hash(said: BaseModel | str) -> str:
    return content_hash("said", {"text": said} if isinstance(said, str) else said.model_dump())
