"""Campaign makers: what a recipe in ``flows/`` may name."""

from invdesflow.campaigns.active_learning import ActiveLearningMaker
from invdesflow.campaigns.campaign_maker import CampaignMaker
from invdesflow.campaigns.discovery import DiscoveryMaker
from invdesflow.campaigns.intercalation import IntercalationCampaignMaker
from invdesflow.campaigns.potential_learning import PotentialLearningMaker
from invdesflow.campaigns.verification import VerificationMaker

__all__ = [
    "CAMPAIGN_MAKERS",
    "ActiveLearningMaker",
    "CampaignMaker",
    "DiscoveryMaker",
    "IntercalationCampaignMaker",
    "PotentialLearningMaker",
    "VerificationMaker",
]

CAMPAIGN_MAKERS: dict[str, type[CampaignMaker]] = {
    "ActiveLearningMaker": ActiveLearningMaker,
    "DiscoveryMaker": DiscoveryMaker,
    "IntercalationCampaignMaker": IntercalationCampaignMaker,
    "PotentialLearningMaker": PotentialLearningMaker,
    "VerificationMaker": VerificationMaker,
}
