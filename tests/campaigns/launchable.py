"""Candidates that can be put on the launchpad: aluminium in cells of many sizes, with made-up pseudopotentials."""

from pathlib import Path

import yaml
from documents import candidate, relaxation, screening
from pymatgen.core import Lattice, Structure

from invdesflow.campaigns.recipes import Recipe
from invdesflow.campaigns.verification import VerificationMaker
from invdesflow.database import Database
from invdesflow.generation.documents import CandidateDocument
from invdesflow.relaxation.documents import RelaxationDocument, Subject
from invdesflow.screening.documents import ScreeningDocument

PSEUDOPOTENTIALS = Path(__file__).parents[1] / "data" / "pseudo"
PARAMETERS = {
    "protocol": "smoke",
    "family": str(PSEUDOPOTENTIALS),
    "overrides": {"q_spacing": 1.2, "k_spacing": 0.4, "fine_q_spacings": [1.2]},
}
PREDICTED = {
    "superconductor_probability": 0.9,
    "e_above_hull_ev_per_atom": 0.0,
    "predicted_formation_energy_std_ev_per_atom": 0.05,
}


def aluminium(a: float) -> Structure:
    half = a / 2
    return Structure(Lattice([[0, half, half], [half, 0, half], [half, half, 0]]), ["Al"], [[0, 0, 0]])


def stored_candidates(database: Database, count: int, tc_k: float | None = None) -> list[str]:
    """Store candidates with converged relaxations; with a Tc also with all that the acquisition asks, rising."""
    identifiers = []
    for number in range(count):
        crystal = candidate(aluminium(3.9 + 0.05 * number))
        found = relaxation(Subject(kind="candidate", id=crystal.candidate_id), crystal.structure, -3.7)
        database.collection(CandidateDocument).upsert([crystal])
        database.collection(RelaxationDocument).upsert([found])
        if tc_k is not None:
            told = PREDICTED | {"core_hours": 10.0, "core_hours_factor": 2.0}
            judged = screening(found, "tc-1", tc_k + number).model_copy(update=told)
            database.collection(ScreeningDocument).upsert([judged])
        identifiers.append(crystal.candidate_id)
    return identifiers


def verification(campaign: str = "verified", **parameters: object) -> Recipe:
    return Recipe(campaign, VerificationMaker(**(PARAMETERS | parameters)))


def recipe_file(folder: Path, campaign: str = "verified", **parameters: object) -> Path:
    file = folder / f"{campaign}.yaml"
    content = {"campaign": campaign, "maker": "VerificationMaker", "parameters": PARAMETERS | parameters}
    file.write_text(yaml.safe_dump(content))
    return file
