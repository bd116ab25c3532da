"""The report of a campaign, made from the database."""

from pathlib import Path

from invdesflow.campaigns.exporting import best_structure
from invdesflow.campaigns.rounds import get_campaign
from invdesflow.database.database import Database
from invdesflow.plotting.ranking import top_candidates
from invdesflow.plotting.report import campaign_report, write_report

__all__ = ["write_campaign_report"]


def write_campaign_report(database: Database, name: str, path: Path, *, top: int = 12) -> None:
    """Write the report of a campaign as one HTML file.

    Parameters
    ----------
    database
        Where the campaign is.
    name
        Its name.
    path
        File to write.
    top
        Number of candidates that are drawn.

    Raises
    ------
    CampaignError
        If there is no campaign of this name.
    """
    campaign = get_campaign(database, name)
    summaries = list(database.candidates(campaign=name))
    found = {
        summary.candidate_id: best_structure(database, summary.candidate_id)
        for summary in top_candidates(summaries, top)
    }
    structures = {identifier: structure for identifier, structure in found.items() if structure is not None}
    write_report(path, campaign_report(campaign, summaries, structures, top=top))
