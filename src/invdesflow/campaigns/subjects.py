"""What a user may name to be calculated: a relaxed candidate, a known superconductor, or a file."""

from typing import NamedTuple

from pymatgen.core import Structure

from invdesflow.campaigns.verify_candidates import not_relaxed
from invdesflow.database import Database
from invdesflow.relaxation.named_crystals import find_crystal

__all__ = ["Subject", "find_subject"]


class Subject(NamedTuple):
    """A crystal, the candidate that it is, if it is one, and the pressure (GPa) of its known Tc, if there is one."""

    structure: Structure
    candidate_id: str | None
    tc_pressure_gpa: float | None = None


def find_subject(database: Database, name: str, pressure_gpa: float = 0.0) -> Subject:
    """Find the crystal that a name stands for; a candidate has to be relaxed.

    Parameters
    ----------
    database
        The database.
    name, pressure_gpa
        As of `find_crystal`.

    Raises
    ------
    ConfigurationError
        If nothing, or more than one thing, has that name.
    CampaignError
        If a candidate has no converged relaxation.
    StructureError
        If a file cannot be read as a crystal.
    """
    found = find_crystal(database, name, pressure_gpa)
    if found.candidate_id is not None and not found.relaxed:
        raise not_relaxed(found.candidate_id)
    return Subject(found.structure, found.candidate_id, found.tc_pressure_gpa)
