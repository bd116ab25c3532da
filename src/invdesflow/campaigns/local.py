"""Running a campaign on this machine with jobflow's local manager."""

import os
import warnings

from jobflow import Flow, run_locally

from invdesflow.campaigns.parallel import run_parallel
from invdesflow.campaigns.recipes import Recipe
from invdesflow.campaigns.round_candidates import wait_for
from invdesflow.campaigns.rounds import get_campaign, only_one
from invdesflow.campaigns.selection import Selection, selected
from invdesflow.database.database import Database
from invdesflow.database.failures import driver_errors
from invdesflow.errors import CampaignError, InvDesFlowError
from invdesflow.progress import tell

__all__ = ["run_campaign"]


def run_campaign(database: Database, recipe: Recipe, selection: Selection | None = None) -> int:
    """Run the unfinished round of a campaign, or its next one.

    Every stage stores its documents as they come and skips what is stored, so that after Ctrl-C or a kill the same
    call continues where it was.

    Parameters
    ----------
    database
        The database.
    recipe
        The campaign.
    selection
        Candidates, in place of those that the recipe chooses.

    Returns
    -------
    int
        Number of the round that was completed.

    Raises
    ------
    CampaignError
        If this campaign is being run by another process of this machine, or a step failed without which the round
        cannot be completed.
    ConfigurationError
        If candidates are selected and the campaign takes none, or the selection cannot be understood.
    InvDesFlowError
        What a stage raised.
    """
    with only_one(database, recipe.campaign):
        chosen = None if selection is None else selected(database, recipe.maker, selection)
        number = recipe.open_round(database).number
        if chosen is not None:
            wait_for(database, recipe.campaign, number, chosen)
        directory = database.settings.data_dir / "runs" / recipe.campaign / f"round-{number:03d}"
        directory.mkdir(parents=True, exist_ok=True)
        # The jobs find the database through the settings of their process, here as on a cluster's worker.
        os.environ["INVDESFLOW_STORES"] = str(database.path.resolve())
        flow = recipe.maker.make(recipe.campaign, number)
        if recipe.maker.parallel:
            _run_at_once(flow, database, recipe.campaign, number)
            return number
        store = database.job_store()
        with driver_errors(database.address), warnings.catch_warnings():  # jobflow's store lets the driver's through
            warnings.filterwarnings("ignore", category=FutureWarning, module="jobflow")  # jobflow's own use of monty
            run_locally(
                flow,
                store=store,
                log=False,
                create_folders=True,
                root_dir=directory,
                ensure_success=True,
                raise_immediately=True,
            )
        store.close()
    return number


def _run_at_once(flow: Flow, database: Database, campaign: str, number: int) -> None:
    """Run a flow whose candidates may fail one by one; what failed is in their documents, and is told."""
    settings = database.settings
    workers = max(1, settings.workers // settings.espresso_ranks)
    failures = run_parallel(flow, database.path.resolve(), workers, tell)
    completed = get_campaign(database, campaign).rounds[number].status == "completed"
    if len(failures) == 1 and not completed and isinstance(failures[0].error, InvDesFlowError):
        raise failures[0].error
    for failed in failures:
        tell(f"{failed.name}: {failed.error}")
    if failures and not completed:
        raise CampaignError(
            f"Round {number} of {campaign} is not complete: {failures[-1].name} failed.", "The same command continues."
        )
