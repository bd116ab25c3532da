"""The campaign that verifies candidates from first principles."""

from dataclasses import dataclass, field
from typing import ClassVar

from jobflow import Flow, Response, job

from invdesflow.campaigns.builders import SummaryBuilder
from invdesflow.campaigns.campaign_maker import CampaignMaker
from invdesflow.campaigns.jobs import FinishRoundMaker
from invdesflow.campaigns.rounds import chosen_once
from invdesflow.campaigns.verify_candidates import VerifyMaker, relaxed_structure, relaxed_structures
from invdesflow.database import Database
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.errors import CampaignError, EspressoError
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.meshes import primitive_for_espresso

__all__ = ["VerificationMaker"]


@dataclass
class VerificationMaker(VerifyMaker, CampaignMaker):
    """Verify candidates of the database: electron-phonon coupling by Quantum ESPRESSO and EPW.

    1. Choose the candidates with the highest predicted Tc that passed every gate, or those that are named.
    2. One `ElectronPhononMaker` flow for each; what is calculated already is not calculated again.
    3. Build the summaries and close the round.

    Parameters
    ----------
    name
        Name of the flow.
    protocol, overrides, family, files, pressure_gpa
        As of `VerifyMaker`.
    candidate_ids
        Candidates to verify; none chooses them.
    most
        How many are chosen in one round.
    tc_min
        Least predicted Tc of those that are chosen (K).
    mu_star
        Coulomb pseudopotential at which it was predicted; others are not compared with these.
    only_stable
        Choose only what the interatomic potential finds dynamically stable.
    """

    name: str = "verification"
    candidate_ids: list[str] = field(default_factory=list)
    most: int = 3
    tc_min: float = 5.0
    mu_star: float = 0.10
    only_stable: bool = False

    parallel: ClassVar[bool] = True

    def make(self, campaign: str, campaign_round: int) -> Flow:
        """Return the flow of one round."""
        begin = self.begin(campaign, campaign_round)
        return Flow([begin], name=f"{campaign} round {campaign_round}")

    @job(name="choose candidates")
    def begin(self, campaign: str, campaign_round: int) -> Response[None]:
        """Choose candidates, and replace this job by their flows.

        Raises
        ------
        CampaignError
            If a named candidate has no converged relaxation.
        """
        with Database() as database:
            chosen = self.candidate_ids or chosen_once(
                database, campaign, campaign_round, lambda: self._choose(database, self.calculation())
            )
            flows, account = self.verification(relaxed_structures(database, chosen, self.pressure_gpa))
        finish = FinishRoundMaker().make(campaign, campaign_round, [account.output])
        return Response(replace=Flow([*flows, account, finish], output=finish.output))

    def _choose(self, database: Database, calculation: Calculation) -> list[str]:
        """Return the best candidates that this protocol has not looked at; then those that it did not finish."""
        SummaryBuilder().run_here(database)  # what is chosen from is what is known now
        new: list[str] = []
        unfinished: list[str] = []
        collection = database.collection(ElectronPhononDocument)
        for candidate in database.candidates(tc_min=self.tc_min, mu_star=self.mu_star, rejected=False):
            if len(new) == self.most:
                break
            if self.only_stable and candidate.dynamical_stability != "stable":
                continue
            try:
                relaxed = relaxed_structure(database, candidate.candidate_id, self.pressure_gpa)
                structure = primitive_for_espresso(relaxed)
                known = collection.get(calculation.identifier("elph", structure))
            except (CampaignError, EspressoError):  # no relaxed crystal, or an element without a pseudopotential
                continue
            if known is None:
                new.append(candidate.candidate_id)
            elif known.status in ("running", "failed"):
                unfinished.append(candidate.candidate_id)
        return [*new, *unfinished][: self.most]
