"""The crystals that guests are put into: by name, by prototype and lists of elements, or by a query."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import product
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Element, Structure

from invdesflow.crystals.symmetry import primitive
from invdesflow.database import Database
from invdesflow.errors import ConfigurationError, InvDesFlowError, StructureError
from invdesflow.generation.documents import CandidateDocument
from invdesflow.generation.similarity import dissimilarity
from invdesflow.generation.substitution import substitute
from invdesflow.relaxation.named_crystals import find_crystal
from invdesflow.superconductors.catalogue import Entry, load_entries, make_document
from invdesflow.superconductors.prototypes import load_prototypes

__all__ = ["ALIASES", "Host", "HostSettings", "LostHost", "find_host", "find_hosts", "prototype_hosts"]

ALIASES = {"A2BH6": "K2PtCl6", "216": "K2PtCl6"}
"""Names of the literature -> prototype. "216-type" counts the atoms of A2BH6; its space group is Fm-3m (225)."""
_AMBIENT_GPA = 1.0


class HostSettings(BaseModel):
    """Which hosts are looked at: the named ones, then those of the prototype, then those of the query."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    names: list[str] = Field([], description="candidate ids, known superconductors by id or formula, structure files")
    prototype: str | None = Field(None, description="prototype of a whole family, such as A2BH6")
    elements: dict[str, list[str]] = Field({}, description="role of the prototype, such as A -> elements")
    query: dict[str, Any] | None = Field(None, description="every candidate of this query, as of Database.candidates")


@dataclass(frozen=True, eq=False)
class Host:
    """A crystal to put guests into.

    Attributes
    ----------
    name
        How it was asked for.
    structure
        Standardised primitive cell.
    candidate_id
        The candidate that it is, if it is one.
    parents
        Identifiers of the documents that it was made from.
    replacements
        Element of the parent -> element here, where it was made by substitution.
    """

    name: str
    structure: Structure
    candidate_id: str | None = None
    parents: tuple[str, ...] = ()
    replacements: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class LostHost:
    """A host that was asked for and is none.

    Attributes
    ----------
    name
        How it was asked for.
    error
        Why it is none: the name stands for nothing or for several crystals, or its crystal is disordered or damaged.
    """

    name: str
    error: InvDesFlowError


def find_hosts(database: Database, settings: HostSettings) -> Iterator[Host | LostHost]:
    """Yield the hosts, each when it is asked for, and in their place those that cannot be had.

    Raises
    ------
    ConfigurationError
        If none is asked for, or prototype, elements or query are wrong.
    """
    if not (settings.names or settings.prototype or settings.query is not None):
        raise ConfigurationError("There is no host.", "Name a host, a prototype or a query.")
    for name in settings.names:
        yield _host_or_error(name, partial(find_host, database, name))
    if settings.prototype is not None:
        entries = _catalogued(ALIASES.get(settings.prototype, settings.prototype))
        for chosen in _combinations(settings.prototype, settings.elements, entries):
            name = f"{settings.prototype} of {', '.join(chosen.values())}"
            yield _host_or_error(name, partial(_prototype_host, chosen, entries))
    if settings.query is not None:
        for row in database.candidates(**settings.query):
            yield _host_or_error(row.candidate_id, partial(find_host, database, row.candidate_id))


def _host_or_error(name: str, find: Callable[[], Host]) -> Host | LostHost:
    try:
        return find()
    except (ConfigurationError, StructureError) as error:
        return LostHost(name, error)


def find_host(database: Database, name: str) -> Host:
    """Find the host that a name stands for.

    Parameters
    ----------
    database
        The database.
    name
        As of `invdesflow.relaxation.named_crystals.find_crystal`. A candidate is taken as it was proposed, relaxed or
        not: a relaxation that came in between would make other crystals of the same host and guests.

    Raises
    ------
    ConfigurationError
        If nothing, or more than one thing, has that name.
    StructureError
        If a file holds no ordered crystal.
    """
    found = find_crystal(database, name)
    parents = () if found.superconductor_id is None else (found.superconductor_id,)
    candidate = found.candidate_id and database.collection(CandidateDocument).get(found.candidate_id)
    structure = candidate.structure if candidate else found.structure
    return Host(name, primitive(structure), found.candidate_id, parents)


def prototype_hosts(prototype: str, elements: Mapping[str, Sequence[str]]) -> Iterator[Host]:
    """Yield the crystals of a prototype, one for every choice of elements.

    A crystal that the catalogue has is taken from there. Any other is the most similar one of the catalogue with its
    elements replaced and its lattice scaled to them (`invdesflow.generation.substitution.substitute`).

    Parameters
    ----------
    prototype
        Name in ``prototypes.yaml``, or ``A2BH6``.
    elements
        Role -> elements. A role may be left out where all known crystals have the same element, as H in A2BH6. Choices
        that put one element in two roles are left out: they are crystals of another type.

    Raises
    ------
    ConfigurationError
        If the prototype is unknown, no crystal of it is in the catalogue, or the elements do not suit its roles.
    StructureError
        If no usual volume is known for an element.
    """
    entries = _catalogued(ALIASES.get(prototype, prototype))
    for chosen in _combinations(prototype, elements, entries):
        yield _prototype_host(chosen, entries)


def _combinations(
    prototype: str, elements: Mapping[str, Sequence[str]], entries: Sequence[Entry]
) -> Iterator[dict[str, str]]:
    """Yield role -> element for every choice of elements."""
    roles = sorted(entries[0].elements)
    unknown = sorted(set(elements) - set(roles))
    if unknown:
        raise ConfigurationError(f"{prototype} has no {', '.join(unknown)}.", f"Its roles are {', '.join(roles)}.")
    choices = [_choice(prototype, role, elements.get(role), entries) for role in roles]
    for combination in product(*choices):
        if len(set(combination)) == len(roles):
            yield dict(zip(roles, combination, strict=True))


@cache
def _catalogued(prototype: str) -> tuple[Entry, ...]:
    """Return the crystals of a prototype in the catalogue, at ambient pressure if there are such."""
    if prototype not in load_prototypes():
        raise ConfigurationError(
            f"There is no prototype {prototype!r}.", f"Name one of prototypes.yaml, or {', '.join(ALIASES)}."
        )
    entries = tuple(
        entry
        for entry in load_entries()
        if entry.prototype == prototype and len(set(entry.elements.values())) == len(entry.elements)
    )
    if not entries:
        raise ConfigurationError(f"The catalogue has no crystal of the prototype {prototype}.", "Give hosts as files.")
    return tuple(entry for entry in entries if entry.pressure_gpa <= _AMBIENT_GPA) or entries


def _choice(prototype: str, role: str, given: Sequence[str] | None, entries: Sequence[Entry]) -> Sequence[str]:
    if given is None:
        known = sorted({entry.elements[role] for entry in entries})
        if len(known) == 1:
            return known
        raise ConfigurationError(f"{prototype} needs elements for {role}.", f"Known ones are {', '.join(known)}.")
    wrong = [symbol for symbol in given if not Element.is_valid_symbol(symbol)]
    if wrong or not given:
        raise ConfigurationError(
            f"{', '.join(wrong) or 'Nothing'} is no list of elements for {role} of {prototype}.", "Give symbols."
        )
    return given


def _prototype_host(elements: Mapping[str, str], entries: Sequence[Entry]) -> Host:
    nearest = min(
        entries, key=lambda entry: sum(dissimilarity(entry.elements[role], elements[role]) for role in elements)
    )
    known = make_document(nearest)
    replacements = {nearest.elements[r]: elements[r] for r in elements if nearest.elements[r] != elements[r]}
    structure = primitive(substitute(known.structure, replacements))
    return Host(
        structure.composition.reduced_formula,
        structure,
        parents=(known.superconductor_id,),
        replacements=replacements,
    )
