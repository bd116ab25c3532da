"""The campaign that verifies candidates from first principles."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from jobflow import Flow, OnMissing, Response, job
from pymatgen.core import Structure

from invdesflow.campaigns.acquisition import best_first
from invdesflow.campaigns.builders import SummaryBuilder
from invdesflow.campaigns.campaign_maker import CampaignMaker
from invdesflow.campaigns.jobs import summarise
from invdesflow.campaigns.round_candidates import close_if_ended, note_outcome, wait_for
from invdesflow.campaigns.rounds import chosen_once
from invdesflow.campaigns.verify_candidates import VerifyMaker, relaxed_structure, relaxed_structures
from invdesflow.database import Database
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.epw.flows import ElectronPhononMaker
from invdesflow.errors import CampaignError, EspressoError
from invdesflow.espresso.meshes import primitive_for_espresso
from invdesflow.intercalation.study_jobs import refresh_studies_of

__all__ = ["VerificationMaker"]


@dataclass
class VerificationMaker(VerifyMaker, CampaignMaker):
    """Verify candidates of the database: electron-phonon coupling by Quantum ESPRESSO and EPW.

    1. Choose the candidates that are worth most of those that passed every gate, or those that are named: expected
       improvement of Tc times probability of success over cost; those of which too little is known for that come
       after, by predicted Tc.
    2. One `ElectronPhononMaker` flow for each; what is calculated already is not calculated again. On a cluster each is
       a workflow of its own.
    3. Behind each a job that always runs: it builds the summaries, and closes the round if no other is waited for.

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
            chosen = self.chosen(database, campaign, campaign_round)
            structures = relaxed_structures(database, chosen, self.pressure_gpa)
            wait_for(database, campaign, campaign_round, chosen, again=True)
            if not chosen:
                self.close_if_ended(database, campaign, campaign_round)
        flows = [self.of_candidate(name, crystal, campaign, campaign_round) for name, crystal in structures.items()]
        return Response(replace=Flow(flows)) if flows else Response()

    def of_candidate(self, candidate_id: str, structure: Structure, campaign: str, campaign_round: int) -> Flow:
        """Return the flow of one candidate: its calculation, and the job that takes its outcome into the round."""
        calculated = ElectronPhononMaker(self.calculation()).make(structure, candidate_id)
        end = self.end(candidate_id, calculated.output, campaign, campaign_round)
        end.config.on_missing_references = OnMissing.NONE  # a calculation that failed must not keep the round open
        flow = Flow([calculated, end], name=f"{structure.composition.reduced_formula} {candidate_id}")
        flow.update_metadata({"candidate_id": candidate_id})
        return flow

    @job(name="end of the calculation")
    def end(self, candidate_id: str, elph_id: str | None, campaign: str, campaign_round: int) -> str:
        """Note how the calculation of a candidate ended, build what is made of it, and close the round after the last.

        Raises
        ------
        CampaignError
            If a summary cannot be built.
        """
        with Database() as database:
            document = None if elph_id is None else database.collection(ElectronPhononDocument).get(elph_id)
            outcome = "failed" if document is None else document.status
            note_outcome(database, campaign, campaign_round, candidate_id, outcome)
            refresh_studies_of(database, [candidate_id])
            summarise(database)
            self.close_if_ended(database, campaign, campaign_round)
        return outcome

    def close_if_ended(self, database: Database, campaign: str, campaign_round: int) -> bool:
        """Close the round if no candidate is waited for (`invdesflow.campaigns.round_candidates`)."""
        # Not our name: jobflow gives a maker the name of the job that it runs in.
        return close_if_ended(database, campaign, campaign_round, stage="verification", protocol=self.protocol)

    def chosen(self, database: Database, campaign: str, campaign_round: int) -> list[str]:
        """Return the candidates of a round: those that are named, or the best, chosen once."""
        named = list(dict.fromkeys(self.candidate_ids))
        return chosen_once(database, campaign, campaign_round, lambda: named or self._choose(database))

    def eligible(self, database: Database) -> list[str]:
        """Return the candidates that the recipe lets through, calculated or not, by falling predicted Tc."""
        SummaryBuilder().run_here(database)  # what is chosen from is what is known now
        found = database.candidates(tc_min=self.tc_min, mu_star=self.mu_star, rejected=False)
        return [
            candidate.candidate_id
            for candidate in found
            if not self.only_stable or candidate.dynamical_stability == "stable"
        ]

    def _choose(self, database: Database) -> list[str]:
        """Return the best candidates that this protocol has not looked at; then those that it did not finish."""
        new: list[str] = []
        unfinished: list[str] = []
        for candidate_id, status in self._statuses(database):
            if status is None:
                new.append(candidate_id)
            elif status in ("running", "failed"):
                unfinished.append(candidate_id)
            if len(new) == self.most:
                break
        return [*new, *unfinished][: self.most]

    def _statuses(self, database: Database) -> Iterator[tuple[str, str | None]]:
        """Yield the candidates that can be calculated, the best first, with what came of it; none: nothing yet."""
        calculation, collection = self.calculation(), database.collection(ElectronPhononDocument)
        for candidate_id in best_first(database, self.eligible(database), self.mu_star):
            try:
                structure = primitive_for_espresso(relaxed_structure(database, candidate_id, self.pressure_gpa))
                known = collection.get(calculation.identifier("elph", structure))
            except (CampaignError, EspressoError):  # no relaxed crystal, or an element without a pseudopotential
                continue
            yield candidate_id, None if known is None else known.status
