"""The job that draws candidates from the diffusion model."""

from dataclasses import dataclass, field
from functools import partial

from jobflow import job

from invdesflow.database import Database
from invdesflow.errors import CampaignError
from invdesflow.generation.diffusion.conditions import Conditions
from invdesflow.generation.diffusion.model import KIND, SHIPPED, GeneratorModel
from invdesflow.generation.diffusion.proposals import DrawnCrystal, draw_crystals
from invdesflow.generation.diffusion.sampling import Sampler, SamplerSettings
from invdesflow.generation.documents import Generator, Origin
from invdesflow.generation.gates import GateSettings
from invdesflow.generation.jobs import round_seed
from invdesflow.generation.rounds import GenerationOutput, GenerationRound
from invdesflow.makers import SettingsMaker
from invdesflow.registry.registry import Registry

__all__ = ["GenerateMaker"]

_DRAWINGS_PER_CANDIDATE = 50
"""So many drawings for one accepted candidate mean that the conditions, not chance, stand in the way."""


@dataclass
class GenerateMaker(SettingsMaker):
    """Draw new crystals from the symmetry-constrained diffusion model.

    1. Draw crystals in batches from a sequence that depends on the model, the conditions, the seed and the round.
    2. Refuse what a gate refuses and what is known already; the refused crystal is stored with gate and reason.
    3. A crystal that another round or source found gains an origin and does not count.
    4. Stop at `n_candidates` accepted ones. Run again, the job finds what it stored and goes on from there.

    Parameters
    ----------
    name
        Name of the job.
    n_candidates
        Number of accepted candidates.
    seed
        Seed of the campaign; every round draws from a sequence of its own.
    model
        Name of a model of the registry, or file of one; none is the promoted one.
    conditions
        What is asked of the crystals.
    sampler
        How they are drawn.
    gates
        Thresholds of the gates.
    """

    name: str = "generate"
    n_candidates: int = 80
    seed: int = 0
    model: str | None = None
    conditions: Conditions = field(default_factory=Conditions)
    sampler: SamplerSettings = field(default_factory=SamplerSettings)
    gates: GateSettings = field(default_factory=GateSettings)

    @job
    def make(self, campaign: str, campaign_round: int) -> GenerationOutput:
        """Draw the candidates of one round.

        Raises
        ------
        CampaignError
            If `n_candidates` is not positive, or hardly any drawing is accepted.
        ConfigurationError
            If the conditions cannot be met.
        ModelError
            If the model cannot be read.
        """
        if self.n_candidates < 1:
            raise CampaignError(f"{self.n_candidates} candidates cannot be drawn.", "Set n_candidates to 1 or more.")
        seed = round_seed(self.seed, campaign_round)
        most = self.n_candidates * _DRAWINGS_PER_CANDIDATE
        with Database() as database:
            model = GeneratorModel.load(Registry(database, {KIND: SHIPPED}).find(KIND, self.model))
            sampler = Sampler(model, self.conditions, self.sampler)
            drawn = draw_crystals(sampler, seed, most)
            origin = partial(_origin, model=model, seed=seed, conditions=self.conditions, sampler=self.sampler)
            generation = GenerationRound(database, campaign, campaign_round, self.gates, origin)
            output = generation.run(self.name, drawn, self.n_candidates)
        if len(output.candidate_ids) < self.n_candidates:
            raise CampaignError(
                f"Only {len(output.candidate_ids)} of {self.n_candidates} candidates were accepted in {most} drawings.",
                "Look at the rejections (invdesflow query --rejected), and loosen the conditions or the gates.",
            )
        return output


def _origin(
    drawn: DrawnCrystal, model: GeneratorModel, seed: int, conditions: Conditions, sampler: SamplerSettings
) -> Origin:
    return Origin(
        kind="diffusion",
        generator=Generator(name=model.name, version=str(model.card["version"]), digest=model.digest),
        conditions=conditions.model_dump(mode="json", exclude_defaults=True),
        sampler=sampler.model_dump(mode="json"),
        seed=seed,
        index=drawn.index,
    )
