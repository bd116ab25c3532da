"""Jobs that begin and end a round."""

from dataclasses import dataclass

from jobflow import job

from invdesflow.campaigns.builders import SummaryBuilder
from invdesflow.campaigns.rounds import finish_round
from invdesflow.database import Database
from invdesflow.database.stages import StageRecord
from invdesflow.errors import CampaignError
from invdesflow.makers import SettingsMaker
from invdesflow.superconductors.loading import LoadCounts, load_catalogue_into

__all__ = ["FinishRoundMaker", "LoadSuperconductorsMaker", "summarise"]


@dataclass
class LoadSuperconductorsMaker(SettingsMaker):
    """Bring the literature catalogue into `superconductors`; what only an older one said is taken back.

    Parameters
    ----------
    name
        Name of the job.
    """

    name: str = "load superconductors"

    @job
    def make(self) -> LoadCounts:
        """Load the catalogue."""
        with Database() as database:
            return load_catalogue_into(database)


@dataclass
class FinishRoundMaker(SettingsMaker):
    """Build the summaries and close the round.

    Parameters
    ----------
    name
        Name of the job.
    """

    name: str = "summarise"

    @job
    def make(self, campaign: str, campaign_round: int, stages: list[StageRecord]) -> int:
        """Build the summaries of what changed and record the stages of the round.

        Returns
        -------
        int
            Number of summaries written.

        Raises
        ------
        CampaignError
            If a summary cannot be built.
        """
        with Database() as database:
            written = summarise(database)
            finish_round(database, campaign, campaign_round, stages)
        return written


def summarise(database: Database) -> int:
    """Build the summaries of what changed; return their number.

    Raises
    ------
    CampaignError
        If one cannot be built.
    """
    builder = SummaryBuilder()
    builder.run_here(database)
    if builder.failures:
        first = builder.failures[0]
        raise CampaignError(
            f"{len(builder.failures)} summaries cannot be built, the first of {first.key}: {first.reason}.",
            "Run invdesflow db validate.",
        )
    return builder.written
