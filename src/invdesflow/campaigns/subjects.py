"""What a user may name to be calculated: a candidate, a known superconductor, or a file."""

from pathlib import Path
from typing import NamedTuple

from pymatgen.core import Structure

from invdesflow.campaigns.verify_candidates import relaxed_structure
from invdesflow.crystals.reading import read_structure
from invdesflow.database import Database
from invdesflow.errors import ConfigurationError
from invdesflow.generation.documents import CandidateDocument
from invdesflow.superconductors.finding import known_superconductors

__all__ = ["Subject", "find_subject"]


class Subject(NamedTuple):
    """A crystal and the candidate that it is, if it is one."""

    structure: Structure
    candidate_id: str | None


def find_subject(database: Database, name: str) -> Subject:
    """Find the crystal that a name stands for.

    Parameters
    ----------
    database
        The database.
    name
        Path of a structure file; identifier of a candidate, or its first characters (its relaxed crystal is taken);
        identifier or formula of a known superconductor.

    Raises
    ------
    ConfigurationError
        If nothing, or more than one thing, has that name.
    CampaignError
        If a candidate has no converged relaxation.
    StructureError
        If a file cannot be read as a crystal.
    """
    if _is_file(name):
        return Subject(read_structure(Path(name)), None)
    candidate_id = database.collection(CandidateDocument).unique_key(name)
    if candidate_id is not None:
        return Subject(relaxed_structure(database, candidate_id), candidate_id)
    try:
        known = known_superconductors(database, name)
    except ConfigurationError:
        raise ConfigurationError(
            f"{name} is no file, no candidate and no known superconductor.",
            "List candidates with invdesflow query, known ones with invdesflow superconductors list.",
        ) from None
    if len(known) > 1:
        choices = ", ".join(f"{one.superconductor_id} ({one.pressure_gpa:g} GPa)" for one in known)
        raise ConfigurationError(f"{len(known)} known superconductors are {name}.", f"Name one of them: {choices}.")
    return Subject(known[0].structure, None)


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except OSError:  # longer than any name of a file
        return False
