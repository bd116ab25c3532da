"""The campaign that finds candidates."""

from dataclasses import dataclass, field

from jobflow import Flow, Job

from invdesflow.campaigns.campaign_maker import CampaignMaker
from invdesflow.campaigns.jobs import FinishRoundMaker, LoadSuperconductorsMaker
from invdesflow.errors import ConfigurationError
from invdesflow.generation.diffusion.jobs import GenerateMaker
from invdesflow.generation.jobs import SubstituteMaker
from invdesflow.relaxation.jobs import RelaxMaker
from invdesflow.screening.jobs import ScreenMaker
from invdesflow.screening.phonon_jobs import DynamicalStabilityMaker

__all__ = ["DiscoveryMaker"]


@dataclass
class DiscoveryMaker(CampaignMaker):
    """Find candidates: known superconductors in, ranked new crystals out.

    1. Load the literature catalogue of known superconductors.
    2. Draw new crystals from the diffusion model, then make others by substitution; gates, duplicates, novelty. Each
       source counts its own, and a crystal that both propose belongs to the first.
    3. Relax them with an interatomic potential, together with what competes on their hulls.
    4. Screen: superconductor or not, formation energy, energy above the hull, Tc.
    5. Compute harmonic phonons of the best with the potential; what is unstable is marked, not rejected.
    6. Build the summaries and close the round.

    Parameters
    ----------
    name
        Name of the flow.
    generate, substitute
        Makers of the candidates; none switches a source off.
    relax, screen
        Makers of the steps after them, for the candidates of all sources together.
    phonons
        Maker of the phonons; none switches them off.

    Raises
    ------
    ConfigurationError
        If every source is switched off.
    """

    name: str = "discovery"
    generate: GenerateMaker | None = field(default_factory=GenerateMaker)
    substitute: SubstituteMaker | None = field(default_factory=SubstituteMaker)
    relax: RelaxMaker = field(default_factory=RelaxMaker)
    screen: ScreenMaker = field(default_factory=ScreenMaker)
    phonons: DynamicalStabilityMaker | None = field(default_factory=DynamicalStabilityMaker)

    def __post_init__(self) -> None:
        if self.generate is None and self.substitute is None:
            raise ConfigurationError(
                "Nothing proposes candidates: generate and substitute are both switched off.",
                "Leave one of them out of the recipe, or give its parameters.",
            )

    def make(self, campaign: str, campaign_round: int) -> Flow:
        """Return the flow of one round."""
        load, stages = self.stages(campaign, campaign_round)
        finish = FinishRoundMaker().make(campaign, campaign_round, [stage.output.record for stage in stages])
        # The proposals depend on what is known, and which source was first, though on no output of the jobs before.
        return Flow([load, *stages, finish], name=f"{campaign} round {campaign_round}", order="linear")

    def stages(self, campaign: str, campaign_round: int) -> tuple[Job, list[Job]]:
        """Return the job that loads what is known, and the jobs that find candidates, each with a record."""
        load = LoadSuperconductorsMaker().make()
        sources = [maker for maker in (self.generate, self.substitute) if maker is not None]
        proposed = [maker.make(campaign, campaign_round) for maker in sources]
        candidate_ids = [source.output.candidate_ids for source in proposed]
        relaxed = self.relax.make(candidate_ids, campaign, campaign_round)
        screened = self.screen.make(candidate_ids, relaxed.output.relaxation_ids, campaign, campaign_round)
        stages = [*proposed, relaxed, screened]
        if self.phonons is not None:
            shortlist = screened.output.passed_ids
            stages.append(self.phonons.make(shortlist, relaxed.output.relaxation_ids, campaign, campaign_round))
        return load, stages
