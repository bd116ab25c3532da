"""Campaign makers: what a recipe in ``flows/`` may name."""

from invdesflow.campaigns.campaign_maker import CampaignMaker
from invdesflow.campaigns.discovery import DiscoveryMaker
from invdesflow.campaigns.verification import VerificationMaker

__all__ = ["CAMPAIGN_MAKERS", "CampaignMaker", "DiscoveryMaker", "VerificationMaker"]

CAMPAIGN_MAKERS: dict[str, type[CampaignMaker]] = {
    "DiscoveryMaker": DiscoveryMaker,
    "VerificationMaker": VerificationMaker,
}
