"""Everything that the database knows of one candidate."""

from pydantic import BaseModel, ConfigDict

from invdesflow.database.database import Database
from invdesflow.database.summary import SummaryDocument
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.errors import ConfigurationError
from invdesflow.generation.documents import CandidateDocument
from invdesflow.relaxation.documents import RelaxationDocument
from invdesflow.screening.documents import ScreeningDocument
from invdesflow.screening.phonon_documents import PhononDocument

__all__ = ["CandidateHistory", "candidate_history"]


class CandidateHistory(BaseModel):
    """A candidate with every document that is about it, the one written last at the end."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    summary: SummaryDocument | None
    candidate: CandidateDocument
    relaxations: list[RelaxationDocument]
    screenings: list[ScreeningDocument]
    phonons: list[PhononDocument]
    couplings: list[ElectronPhononDocument]


def candidate_history(database: Database, candidate_id: str) -> CandidateHistory:
    """Collect the documents of one candidate.

    Parameters
    ----------
    database
        Where to look.
    candidate_id
        The identifier, or as many of its first characters as make it unique.

    Raises
    ------
    ConfigurationError
        If no candidate, or more than one, begins like this.
    """
    candidates = database.collection(CandidateDocument)
    identifier = candidates.unique_key(candidate_id)
    if identifier is None:
        raise ConfigurationError(f"No candidate is called {candidate_id!r}.", "List them with: invdesflow query.")
    candidate = candidates.get(identifier)
    if candidate is None:
        raise ConfigurationError(f"The candidate {identifier} was removed just now.", "Ask again.")
    oldest_first = [("updated_at", 1)]
    return CandidateHistory(
        summary=database.summary.get(identifier),
        candidate=candidate,
        relaxations=list(database.collection(RelaxationDocument).find({"subject.id": identifier}, sort=oldest_first)),
        screenings=list(database.collection(ScreeningDocument).find({"candidate_id": identifier}, sort=oldest_first)),
        phonons=list(database.collection(PhononDocument).find({"candidate_id": identifier}, sort=oldest_first)),
        couplings=list(
            database.collection(ElectronPhononDocument).find({"candidate_id": identifier}, sort=oldest_first)
        ),
    )
