"""The campaign that trains a potential where it is needed: label, train a committee, label what it disputes."""

from dataclasses import dataclass, field

from jobflow import Flow

from invdesflow.campaigns.campaign_maker import CampaignMaker
from invdesflow.campaigns.jobs import FinishRoundMaker, LoadSuperconductorsMaker
from invdesflow.errors import ConfigurationError
from invdesflow.learning.potential.jobs import LabelMaker, TrainCommitteeMaker

__all__ = ["PotentialLearningMaker"]


@dataclass
class PotentialLearningMaker(CampaignMaker):
    """Train a committee of DPA models on a family of crystals, round by round where its members disagree.

    1. Load the literature catalogue, whose crystals may be named.
    2. Distort the crystals, and label those that the last committee disputes; at first there is none.
    3. Train a committee on the labels of all rounds, and measure it on compositions that it never sees.
    4. Close the round.

    Parameters
    ----------
    name
        Name of the flow.
    crystals
        Structure files, candidates, known superconductors: the family that is trained on.
    held_out
        Members of the family that are only measured on.
    label
        How crystals are distorted, chosen and labelled.
    train
        The models.
    """

    name: str = "potential learning"
    crystals: list[str] = field(default_factory=list)
    held_out: list[str] = field(default_factory=list)
    label: LabelMaker = field(default_factory=LabelMaker)
    train: TrainCommitteeMaker = field(default_factory=TrainCommitteeMaker)

    def __post_init__(self) -> None:
        if not self.crystals:
            raise ConfigurationError("A potential needs crystals to learn from.", "Name some under crystals.")
        if self.train.members < 2:
            raise ConfigurationError("One model alone disputes nothing.", "Set members of train to 2 or more.")

    def make(self, campaign: str, campaign_round: int) -> Flow:
        """Return the flow of one round."""
        load = LoadSuperconductorsMaker().make()
        labelled = self.label.make(self.crystals, self.held_out, campaign, campaign_round)
        trained = self.train.make(campaign, campaign_round)
        finish = FinishRoundMaker().make(campaign, campaign_round, [labelled.output, trained.output])
        return Flow([load, labelled, trained, finish], name=f"{campaign} round {campaign_round}", order="linear")
