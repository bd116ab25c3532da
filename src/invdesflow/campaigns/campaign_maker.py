"""What every campaign maker is."""

from abc import ABC, abstractmethod
from typing import ClassVar

from jobflow import Flow

from invdesflow.makers import SettingsMaker

__all__ = ["CampaignMaker"]


class CampaignMaker(SettingsMaker, ABC):
    """A maker of one round of a campaign.

    Attributes
    ----------
    parallel
        Whether several of its jobs may run on one machine at a time: yes where each is a program of its own, no where a
        job uses all cores by itself.
    """

    parallel: ClassVar[bool] = False

    @abstractmethod
    def make(self, campaign: str, campaign_round: int) -> Flow:
        """Return the flow of one round; its last job closes the round."""
