"""Candidates that a user selects for a campaign: by identifiers, by the filters of a query, by what they are worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from invdesflow.campaigns.acquisition import best_first
from invdesflow.campaigns.campaign_maker import CampaignMaker
from invdesflow.campaigns.verification import VerificationMaker
from invdesflow.database.database import Database
from invdesflow.database.queries import CandidateFilter
from invdesflow.errors import ConfigurationError
from invdesflow.generation.documents import CandidateDocument

__all__ = ["Selection", "selected"]

_LISTS = ("elements", "exclude")


@dataclass(frozen=True)
class Selection:
    """Which candidates to calculate, in place of those that a recipe chooses.

    Parameters
    ----------
    words
        Identifiers, or their first characters; or ``FILTER=VALUE`` with filters of `invdesflow.Database.candidates`,
        which all hold. None takes the candidates that the recipe lets through.
    top
        Only so many, those that are worth most.
    """

    words: Sequence[str] = ()
    top: int | None = None


def selected(database: Database, maker: CampaignMaker, selection: Selection) -> list[str]:
    """Return the candidates that are selected, the best first where the number is limited.

    Raises
    ------
    ConfigurationError
        If the campaign takes no candidates, a filter cannot be used, or an identifier is not that of one candidate.
    """
    if not isinstance(maker, VerificationMaker):
        raise ConfigurationError(
            f"{type(maker).__name__} proposes its candidates itself; none can be selected.",
            "Select candidates for a VerificationMaker, as in flows/verification.yaml.",
        )
    found = _found(database, selection.words) if selection.words else maker.eligible(database)
    return found if selection.top is None else best_first(database, found, maker.mu_star)[: selection.top]


def _found(database: Database, words: Sequence[str]) -> list[str]:
    filters = [word for word in words if "=" in word]
    if not filters:
        return list(dict.fromkeys(_identifier(database, word) for word in words))
    if len(filters) < len(words):
        raise ConfigurationError("Identifiers and filters are mixed.", "Give the one or the other.")
    wishes: dict[str, Any] = {"rejected": False}  # to calculate what a gate rejected has to be asked for
    for name, value in (word.split("=", 1) for word in filters):
        key = name.replace("-", "_")
        wishes[key] = [part for part in value.split(",") if part] if key in _LISTS else value
    asked = CandidateFilter.checked(**wishes).model_dump(exclude_unset=True)
    return [candidate.candidate_id for candidate in database.candidates(**asked)]


def _identifier(database: Database, beginning: str) -> str:
    identifier = database.collection(CandidateDocument).unique_key(beginning)
    if identifier is None:
        raise ConfigurationError(f"No candidate is called {beginning!r}.", "List them with: invdesflow query.")
    return identifier
