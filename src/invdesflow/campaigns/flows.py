"""Campaign makers: what a recipe in ``flows/`` may name."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from jobflow import Flow

from invdesflow.campaigns.jobs import FinishRoundMaker, LoadSuperconductorsMaker
from invdesflow.generation.jobs import SubstituteMaker
from invdesflow.makers import SettingsMaker
from invdesflow.relaxation.jobs import RelaxMaker
from invdesflow.screening.jobs import ScreenMaker

__all__ = ["CAMPAIGN_MAKERS", "CampaignMaker", "DiscoveryMaker"]


class CampaignMaker(SettingsMaker, ABC):
    """A maker of one round of a campaign."""

    @abstractmethod
    def make(self, campaign: str, campaign_round: int) -> Flow:
        """Return the flow of one round; its last job closes the round."""


@dataclass
class DiscoveryMaker(CampaignMaker):
    """Find candidates: known superconductors in, ranked new crystals out.

    1. Load the literature catalogue of known superconductors.
    2. Propose new crystals by substitution; gates, duplicates, novelty.
    3. Relax them with an interatomic potential, together with what competes on their hulls.
    4. Screen: formation energy, energy above the hull, predicted Tc.
    5. Build the summaries and close the round.

    Parameters
    ----------
    name
        Name of the flow.
    substitute, relax, screen
        Makers of the steps.
    """

    name: str = "discovery"
    substitute: SubstituteMaker = field(default_factory=SubstituteMaker)
    relax: RelaxMaker = field(default_factory=RelaxMaker)
    screen: ScreenMaker = field(default_factory=ScreenMaker)

    def make(self, campaign: str, campaign_round: int) -> Flow:
        """Return the flow of one round."""
        load = LoadSuperconductorsMaker().make()
        generated = self.substitute.make(campaign, campaign_round)
        relaxed = self.relax.make(generated.output.candidate_ids, campaign, campaign_round)
        screened = self.screen.make(
            generated.output.candidate_ids, relaxed.output.relaxation_ids, campaign, campaign_round
        )
        records = [generated.output.record, relaxed.output.record, screened.output.record]
        finish = FinishRoundMaker().make(campaign, campaign_round, records)
        # The proposals depend on what is known, though on no output of the loading job.
        return Flow(
            [load, generated, relaxed, screened, finish], name=f"{campaign} round {campaign_round}", order="linear"
        )


CAMPAIGN_MAKERS: dict[str, type[CampaignMaker]] = {"DiscoveryMaker": DiscoveryMaker}
