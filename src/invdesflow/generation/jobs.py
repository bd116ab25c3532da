"""Jobs that propose candidates."""

from dataclasses import dataclass, field

import numpy as np
from jobflow import job

import invdesflow
from invdesflow.database import Database
from invdesflow.errors import CampaignError
from invdesflow.generation.documents import Generator, Origin
from invdesflow.generation.gates import GateSettings
from invdesflow.generation.rounds import GenerationOutput, GenerationRound
from invdesflow.generation.substitution import Parent, Proposal, SubstitutionSettings, propose
from invdesflow.makers import SettingsMaker
from invdesflow.superconductors.documents import SuperconductorDocument

__all__ = ["SubstituteMaker", "round_seed"]


@dataclass
class SubstituteMaker(SettingsMaker):
    """Propose new crystals by substitution in the known superconductors.

    1. Draw proposals from a sequence that depends on the seed, the round and the known superconductors.
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
    substitution
        What may replace what.
    gates
        Thresholds of the gates.
    """

    name: str = "substitute"
    n_candidates: int = 80
    seed: int = 0
    substitution: SubstitutionSettings = field(default_factory=SubstitutionSettings)
    gates: GateSettings = field(default_factory=GateSettings)

    @job
    def make(self, campaign: str, campaign_round: int) -> GenerationOutput:
        """Propose the candidates of one round.

        Raises
        ------
        CampaignError
            If `n_candidates` is not positive, or there are not enough substitutions.
        """
        if self.n_candidates < 1:
            raise CampaignError(f"{self.n_candidates} candidates cannot be proposed.", "Set n_candidates to 1 or more.")
        seed = round_seed(self.seed, campaign_round)

        def origin(proposal: Proposal) -> Origin:
            return Origin(
                kind="substitution",
                parents=[proposal.parent_id],
                replacements=proposal.replacements,
                generator=Generator(name="invdesflow substitution", version=invdesflow.__version__),
                seed=seed,
                index=proposal.index,
            )

        with Database() as database:
            proposals = propose(_parents(database), seed, self.substitution)
            generation = GenerationRound(database, campaign, campaign_round, self.gates, origin)
            output = generation.run(self.name, proposals, self.n_candidates)
        if len(output.candidate_ids) < self.n_candidates:
            raise CampaignError(
                f"Only {len(output.candidate_ids)} of {self.n_candidates} candidates could be found by substitution.",
                "Ask for fewer, import more superconductors, or loosen the substitution or the gates.",
            )
        return output


def round_seed(seed: int, campaign_round: int) -> int:
    """Return the seed of one round's sequence of proposals."""
    return int(np.random.SeedSequence([seed, campaign_round]).generate_state(1)[0])


def _parents(database: Database) -> list[Parent]:
    documents = database.collection(SuperconductorDocument).find({}, sort=[("superconductor_id", 1)])
    return [
        Parent(document.superconductor_id, document.structure, pressure_gpa=document.pressure_gpa)
        for document in documents
    ]
