"""The catalogue: known superconductors written from the literature, one YAML file per family."""

from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from invdesflow.errors import ConfigurationError, StructureError
from invdesflow.settings import one_line
from invdesflow.superconductors.corrections import statements
from invdesflow.superconductors.documents import Calculation, Measurement, SuperconductorDocument, merge
from invdesflow.superconductors.prototypes import build_crystal, load_prototypes

__all__ = ["Entry", "Source", "load_catalogue", "load_entries", "load_sources"]

_FOLDER = files("invdesflow.superconductors").joinpath("catalogue")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Strict):
    """A publication."""

    citation: str = Field(min_length=1, description="authors, journal, volume, page (year)")
    doi: str | None = None


class Entry(_Strict):
    """One superconductor as the catalogue states it; sources are keys of ``sources.yaml``."""

    name: str
    family: str
    prototype: str
    elements: dict[str, str] = Field(description="element of every role of the prototype")
    space_group: str = Field(description="what the built crystal must have")
    lattice: dict[str, float] = Field(description="free lattice parameters of the conventional cell, A and degrees")
    coordinates: dict[str, dict[str, float]] = Field(default_factory=dict, description="free coordinates by site")
    pressure_gpa: float = Field(0.0, ge=0)
    lattice_source: str
    lattice_note: str | None = Field(None, description="what the reader must know of the lattice or coordinates")
    deviation: str | None = Field(None, description="why data sets or the default potential give another crystal")
    experiment: tuple[dict[str, Any], ...] = ()
    theory: tuple[dict[str, Any], ...] = ()

    @model_validator(mode="after")
    def _says_something(self) -> "Entry":
        if not self.experiment and not self.theory:
            raise ValueError("an entry needs a measurement or a calculation")
        return self


@lru_cache(maxsize=1)
def load_sources() -> dict[str, Source]:
    """Read the publications that the catalogue cites, by key."""
    content = yaml.safe_load(_FOLDER.joinpath("sources.yaml").read_text(encoding="utf-8"))
    return {key: Source.model_validate(value) for key, value in content.items()}


def load_entries() -> Iterator[Entry]:
    """Read the entries of every family as they are written.

    Raises
    ------
    ConfigurationError
        If an entry has an unknown key or lacks a needed one.
    """
    for file in sorted(_FOLDER.iterdir(), key=lambda item: item.name):
        if not file.name.endswith(".yaml") or file.name == "sources.yaml":
            continue
        for content in yaml.safe_load(file.read_text(encoding="utf-8")):
            try:
                yield Entry.model_validate({"family": file.name.removesuffix(".yaml"), **content})
            except ValidationError as error:
                name = content.get("name", "an entry")
                raise ConfigurationError(f"{file.name}: {name}: {one_line(error)}.", "Correct the entry.") from error


@lru_cache(maxsize=1)
def _documents() -> tuple[SuperconductorDocument, ...]:
    known: dict[str, SuperconductorDocument] = {}
    for entry in load_entries():
        document = make_document(entry)
        identifier = document.superconductor_id
        known[identifier] = merge(known[identifier], document) if identifier in known else document
    return tuple(known.values())


def load_catalogue() -> list[SuperconductorDocument]:
    """Build the documents of the whole catalogue.

    Raises
    ------
    ConfigurationError
        If an entry cannot be read, names an unknown prototype or source, or is not the crystal that it states.
    """
    return list(_documents())


def make_document(entry: Entry) -> SuperconductorDocument:
    """Build the crystal of one entry and cite its sources.

    Raises
    ------
    ConfigurationError
        As `load_catalogue`.
    """
    prototypes = load_prototypes()
    if entry.prototype not in prototypes:
        raise ConfigurationError(
            f"{entry.name}: prototype {entry.prototype!r} is unknown.", "Add it to prototypes.yaml."
        )
    try:
        structure = build_crystal(prototypes[entry.prototype], entry.elements, entry.lattice, entry.coordinates)
        document = SuperconductorDocument.from_structure(
            structure,
            name=entry.name,
            family=entry.family,
            prototype=entry.prototype,
            pressure_gpa=entry.pressure_gpa,
            lattice_source="; ".join(filter(None, [_cited(entry, entry.lattice_source).citation, entry.lattice_note])),
            dataset_ids=[f"catalogue:{entry.name}"],
            experiment=[Measurement(**_value(entry, value)) for value in entry.experiment],
            theory=[Calculation(**_value(entry, value)) for value in entry.theory],
        )
    except ValidationError as error:
        raise ConfigurationError(f"{entry.name}: {one_line(error)}.", "Correct the entry.") from error
    except StructureError as error:
        raise ConfigurationError(f"{entry.name}: {error.problem}", error.remedy) from error
    if document.space_group_symbol != entry.space_group:
        raise ConfigurationError(
            f"{entry.name}: the crystal is {document.space_group_symbol}, the entry says {entry.space_group}.",
            "Correct the coordinates.",
        )
    return document.model_copy(update={"catalogued": statements(document)})


def _cited(entry: Entry, key: str) -> Source:
    sources = load_sources()
    if key not in sources:
        raise ConfigurationError(f"{entry.name}: source {key!r} is unknown.", "Add it to sources.yaml.")
    return sources[key]


def _value(entry: Entry, content: dict[str, Any]) -> dict[str, Any]:
    """Put the citation in place of its key; a value is at the pressure of the crystal unless it says another."""
    source = _cited(entry, content.get("source", ""))
    return {"pressure_gpa": entry.pressure_gpa} | content | {"source": source.citation, "doi": source.doi}
