"""Bringing known superconductors and reference crystals into their collections, nothing twice."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from maggma.utils import grouper
from pydantic import BaseModel, ConfigDict, Field

from invdesflow.database import Database
from invdesflow.errors import ConfigurationError
from invdesflow.progress import track
from invdesflow.superconductors.catalogue import load_catalogue, load_sources
from invdesflow.superconductors.corrections import take_back
from invdesflow.superconductors.documents import SuperconductorDocument, merge
from invdesflow.superconductors.importers import (
    Refusal,
    read_alexandria,
    read_folder,
    read_htsc,
    read_jarvis,
    read_materials_project,
)
from invdesflow.superconductors.importers.refusal import attempt
from invdesflow.superconductors.references import ReferenceDocument

__all__ = ["SOURCES", "LoadCounts", "RefusedEntry", "load_catalogue_into", "load_documents", "load_from"]

T = TypeVar("T")

_BATCH = 200
_SUPERCONDUCTORS: dict[str, Callable[[Path | None], Iterator[SuperconductorDocument | Refusal]]] = {
    "alexandria": read_alexandria,
    "folder": read_folder,
    "htsc": read_htsc,
    "jarvis": read_jarvis,
}
SOURCES = ("catalogue", *_SUPERCONDUCTORS, "materials-project")


class RefusedEntry(BaseModel):
    """An entry that was not imported."""

    name: str
    reason: str


class LoadCounts(BaseModel):
    """What an import did."""

    model_config = ConfigDict(extra="forbid")

    added: int = 0
    merged: int = Field(0, description="known crystals that gained a value")
    unchanged: int = 0
    corrected: int = Field(0, description="known crystals of which the catalogue said something else before")
    refused: list[RefusedEntry] = Field(default_factory=list)


def load_catalogue_into(database: Database) -> LoadCounts:
    """Load the literature catalogue that ships with InvDesFlow, and take back what only an older one said."""
    catalogue = load_catalogue()
    citations = frozenset(source.citation for source in load_sources().values())
    corrected = take_back(database, {document.superconductor_id: document for document in catalogue}, citations)
    return load_documents(database, catalogue).model_copy(update={"corrected": corrected})


def load_from(database: Database, source: str, path: Path | None) -> LoadCounts:
    """Import one source.

    Parameters
    ----------
    database
        Where to.
    source
        One of `SOURCES`. ``materials-project`` fills `references`, the others fill `superconductors`.
    path
        Local file or folder; None means the public source.

    Raises
    ------
    ConfigurationError
        If the source is unknown, or cannot be read.
    """
    if source == "catalogue":
        return load_catalogue_into(database)
    if source == "materials-project":
        return _load_references(database, path)
    if source not in _SUPERCONDUCTORS:
        raise ConfigurationError(f"Nothing can be imported from {source!r}.", f"Use one of {', '.join(SOURCES)}.")
    return load_documents(database, track(_SUPERCONDUCTORS[source](path), "importing"))


def load_documents(database: Database, entries: Iterable[SuperconductorDocument | Refusal]) -> LoadCounts:
    """Bring known superconductors into `superconductors`: new ones are added, values of known crystals merged."""
    collection = database.collection(SuperconductorDocument)
    counts = LoadCounts()
    for batch in grouper(_accepted(entries, counts), _BATCH):
        offered: dict[str, SuperconductorDocument] = {}
        for document in batch:
            known = offered.get(document.superconductor_id)
            offered[document.superconductor_id] = document if known is None else merge(known, document)
        criteria = {"superconductor_id": {"$in": list(offered)}}
        stored = {document.superconductor_id: document for document in collection.find(criteria)}
        merged = {key: merge(document, offered[key]) for key, document in stored.items()}
        changed = [document for key, document in merged.items() if document is not stored[key]]
        new = [document for key, document in offered.items() if key not in stored]
        collection.upsert([*new, *changed])
        counts.added += len(new)
        counts.merged += len(changed)
        counts.unchanged += len(stored) - len(changed)
    return counts


def _load_references(database: Database, path: Path | None) -> LoadCounts:
    counts = LoadCounts()
    crystals = _accepted(track(read_materials_project(path), "importing"), counts)
    documents = (
        attempt(crystal.dataset_id, lambda crystal=crystal: ReferenceDocument.from_crystal(crystal))  # type: ignore[misc]
        for crystal in crystals
    )
    for batch in grouper(_accepted(documents, counts), _BATCH):
        distinct = {document.reference_id: document for document in batch}
        present = database.collection(ReferenceDocument).insert_new(distinct.values())
        counts.added += len(distinct) - len(present)
        counts.unchanged += len(batch) - len(distinct) + len(present)
    return counts


def _accepted(entries: Iterable[T | Refusal], counts: LoadCounts) -> Iterator[T]:
    """Pass on what was read; count what was refused."""
    for entry in entries:
        if isinstance(entry, Refusal):
            counts.refused.append(RefusedEntry(name=entry.name, reason=entry.reason))
        else:
            yield entry
