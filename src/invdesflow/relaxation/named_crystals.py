"""The crystal that a user means by a name: a file, a candidate or a known superconductor."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pymatgen.core import Structure

from invdesflow.crystals.reading import read_structure
from invdesflow.database import Database
from invdesflow.errors import ConfigurationError
from invdesflow.generation.documents import CandidateDocument
from invdesflow.relaxation.choice import relaxation_of
from invdesflow.superconductors.documents import SuperconductorDocument
from invdesflow.superconductors.finding import known_superconductors

__all__ = ["NamedCrystal", "find_crystal"]

_TOLD = 10  # of the crystals that share a name


@dataclass(frozen=True, eq=False)
class NamedCrystal:
    """A crystal and what it is in the database.

    Attributes
    ----------
    structure
        As the file, the catalogue or the relaxation has it.
    candidate_id
        The candidate that it is, if it is one.
    superconductor_id
        The known superconductor that it is, if it is one.
    relaxed
        Whether it is what a converged relaxation of the candidate ended in; else a candidate is as it was proposed.
    tc_pressure_gpa
        Pressure (GPa) at which a known superconductor has its Tc; none of what is no known superconductor.
    """

    structure: Structure
    candidate_id: str | None = None
    superconductor_id: str | None = None
    relaxed: bool = False
    tc_pressure_gpa: float | None = None


def find_crystal(database: Database, name: str, pressure_gpa: float = 0.0) -> NamedCrystal:
    """Find the crystal that a name stands for.

    Parameters
    ----------
    database
        The database.
    name
        What is looked for in this order: path of a structure file; identifier of a candidate, or its first characters;
        identifier or formula of a known superconductor; formula of a candidate that no gate rejected.
    pressure_gpa
        Pressure at which a candidate is asked for (GPa); of its relaxations the nearest to it counts.

    Raises
    ------
    ConfigurationError
        If nothing, or more than one thing, has that name.
    StructureError
        If a file cannot be read as a crystal.
    """
    if _is_file(name):
        return NamedCrystal(read_structure(Path(name)))
    identifier = database.collection(CandidateDocument).unique_key(name)
    if identifier is not None:
        return _candidate(database, identifier, pressure_gpa)
    known = _known(database, name)
    if known:
        only = _only(name, "known superconductors", [(k.superconductor_id, f"{k.pressure_gpa:g} GPa") for k in known])
        found = next(k for k in known if k.superconductor_id == only)
        return NamedCrystal(found.structure, superconductor_id=only, tc_pressure_gpa=found.tc_pressure_gpa)
    return _candidate(database, _candidate_of_formula(database, name), pressure_gpa)


def _candidate(database: Database, identifier: str, pressure_gpa: float) -> NamedCrystal:
    relaxation = relaxation_of(database, identifier, pressure_gpa)
    if relaxation is not None:
        return NamedCrystal(relaxation.final_structure, identifier, relaxed=True)
    candidate = database.collection(CandidateDocument).get(identifier)
    if candidate is None:
        raise ConfigurationError(f"The candidate {identifier} was removed just now.", "Ask again.")
    return NamedCrystal(candidate.structure, identifier)


def _known(database: Database, name: str) -> list[SuperconductorDocument]:
    try:
        return known_superconductors(database, name)
    except ConfigurationError:
        return []


def _candidate_of_formula(database: Database, name: str) -> str:
    """Return the one candidate of a formula.

    Raises
    ------
    ConfigurationError
        If nothing, or more than one candidate, has that name.
    """
    try:
        rows = list(database.candidates(formula=name, rejected=False))
    except ConfigurationError:  # no formula
        rows = []
    if not rows:
        raise ConfigurationError(
            f"{name} is no file, no candidate and no known superconductor.",
            "List candidates with invdesflow query, known ones with invdesflow superconductors list.",
        )
    return _only(name, "candidates", [(row.candidate_id, row.space_group_symbol) for row in rows])


def _only(name: str, what: str, choices: Sequence[tuple[str, str]]) -> str:
    if len(choices) > 1:
        told = ", ".join(f"{identifier} ({detail})" for identifier, detail in choices[:_TOLD])
        raise ConfigurationError(f"{len(choices)} {what} are {name}.", f"Name one of them: {told}.")
    return choices[0][0]


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except OSError:  # longer than any name of a file
        return False
