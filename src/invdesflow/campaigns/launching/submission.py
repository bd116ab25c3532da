"""Putting a campaign on the launchpad."""

from fireworks import LaunchPad

from invdesflow.campaigns.launching.candidate_submission import CandidateSubmission
from invdesflow.campaigns.launching.entries import ADDED, Entry, Submission
from invdesflow.campaigns.launching.launchpad import launchpad_of
from invdesflow.campaigns.launching.queue import add_once, queued, set_free, workflow_of
from invdesflow.campaigns.launching.resources import Assignment
from invdesflow.campaigns.recipes import Recipe
from invdesflow.campaigns.rounds import only_one
from invdesflow.campaigns.selection import Selection, selected
from invdesflow.campaigns.verification import VerificationMaker
from invdesflow.database.database import Database
from invdesflow.database.failures import driver_errors

__all__ = ["submit_campaign"]


def submit_campaign(database: Database, recipe: Recipe, selection: Selection | None = None) -> Submission:
    """Add a campaign's unfinished or next round to the launchpad, each piece of it once.

    A verification becomes one workflow for each candidate. Of other campaigns a round is one workflow.

    Parameters
    ----------
    database
        The database, which holds the launchpad, too.
    recipe
        The campaign.
    selection
        Candidates, in place of those that the recipe chooses.

    Raises
    ------
    CampaignError
        If another process of this machine is running or submitting this campaign.
    ConfigurationError
        If candidates are selected and the campaign takes none, or the selection cannot be understood.
    """
    with only_one(database, recipe.campaign):
        chosen = None if selection is None else selected(database, recipe.maker, selection)
        launchpad = launchpad_of(database)
        with driver_errors(database.address):
            if isinstance(recipe.maker, VerificationMaker):
                candidates = CandidateSubmission(database, launchpad, recipe, recipe.maker)
                return candidates.of_the_round() if chosen is None else candidates.of(chosen)
            return _submit_round(database, launchpad, recipe)


def _submit_round(database: Database, launchpad: LaunchPad, recipe: Recipe) -> Submission:
    number = recipe.open_round(database).number
    claim = f"{recipe.campaign}/{number}"
    metadata = {"campaign": recipe.campaign, "campaign_round": number, "claim": claim}
    assignment = Assignment(recipe.launching, database.settings.espresso_ranks)
    workflow = workflow_of(recipe.maker.make(recipe.campaign, number), metadata, assignment)
    set_free(launchpad, [claim])
    added = add_once(launchpad, {claim: workflow})
    there = queued(launchpad, [claim])[claim]
    entry = Entry(ADDED, firework_ids=there.firework_ids)
    return Submission(recipe.campaign, number, [entry if added else entry.of_queued(there, recipe.campaign)])
