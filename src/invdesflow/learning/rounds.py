"""The document of a round while it goes on: what came of the chosen, which models it left behind."""

from collections.abc import Mapping, Sequence

from invdesflow.database import Database
from invdesflow.database.documents import utc_now
from invdesflow.errors import LearningError
from invdesflow.learning.round_documents import LearningRoundDocument, ModelChange, Outcome, learning_round_id
from invdesflow.superconductors.documents import SuperconductorDocument

__all__ = ["finish_learning_round", "note_outcomes", "revealed_sources", "stored_round"]


def stored_round(database: Database, campaign: str, number: int) -> LearningRoundDocument:
    """Return a round.

    Raises
    ------
    LearningError
        If nothing was chosen in it yet.
    """
    found = database.collection(LearningRoundDocument).get(learning_round_id(campaign, number))
    if found is None:
        raise LearningError(f"Round {number} of {campaign} has chosen nothing yet.", "Run it: invdesflow learn round.")
    return found


def note_outcomes(database: Database, campaign: str, number: int, outcomes: Mapping[str, Outcome]) -> None:
    """Note what the oracle said of the chosen candidates; candidate_id -> outcome.

    Raises
    ------
    LearningError
        If there is no such round.
    """
    found = stored_round(database, campaign, number)
    chosen = [row.model_copy(update={"outcome": outcomes.get(row.candidate_id, row.outcome)}) for row in found.chosen]
    database.collection(LearningRoundDocument).upsert([found.model_copy(update={"chosen": chosen})])


def finish_learning_round(database: Database, campaign: str, number: int, models: Sequence[ModelChange]) -> None:
    """Note that a round is complete, and which models it left behind.

    Raises
    ------
    LearningError
        If there is no such round, or a candidate has no outcome.
    """
    found = stored_round(database, campaign, number)
    if any(row.outcome is None for row in found.chosen):
        raise LearningError(f"Round {number} of {campaign} has candidates without an outcome.", "Repeat the command.")
    changes = {"status": "completed", "models": list(models), "finished_at": utc_now()}
    database.collection(LearningRoundDocument).upsert([found.model_copy(update=changes)])


def revealed_sources(database: Database) -> set[str]:
    """Return the known superconductors that a labelled set revealed to a round, as ``superconductors:ID``."""
    rows = database.collection(LearningRoundDocument).values({}, ["chosen.outcome"])
    outcomes = [chosen.get("outcome") or {} for row in rows for chosen in row["chosen"]]
    return {f"{SuperconductorDocument.collection}:{found['source_id']}" for found in outcomes if found.get("source_id")}
