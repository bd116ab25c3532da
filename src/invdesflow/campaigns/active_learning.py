"""The campaign that learns: find candidates, choose the most promising, calculate them, and train on the answers."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar

from jobflow import Flow, Job, Response, job
from pymatgen.core import Structure

from invdesflow.campaigns.campaign_maker import CampaignMaker
from invdesflow.campaigns.discovery import DiscoveryMaker
from invdesflow.campaigns.jobs import FinishRoundMaker
from invdesflow.campaigns.verify_candidates import VerifyMaker, relaxed_structures
from invdesflow.database import Database
from invdesflow.database.stages import StageRecord
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.errors import ConfigurationError, InvDesFlowError
from invdesflow.espresso.meshes import primitive_for_espresso
from invdesflow.learning.jobs import AcquireMaker
from invdesflow.learning.labelled_pool import LabelledPoolMaker
from invdesflow.learning.retraining_jobs import RetrainingOutput, RetrainMaker
from invdesflow.learning.round_documents import ModelChange, Outcome
from invdesflow.learning.rounds import finish_learning_round, note_outcomes
from invdesflow.learning.training_set_documents import Kind
from invdesflow.screening.jobs import ScreenMaker
from invdesflow.superconductors.importers.coupling import COMMON_MU_STAR

__all__ = ["ActiveLearningMaker", "outcome_of"]


@dataclass
class ActiveLearningMaker(CampaignMaker):
    """Learn from the candidates that are worth a calculation.

    1. Find candidates as a discovery does, or take the crystals of a labelled set and hide its labels.
    2. Screen them with the models of the registry.
    3. Choose a batch: expected Tc and its uncertainty, probability of success, cost, diversity.
    4. Calculate the batch with Quantum ESPRESSO and EPW, or reveal its labels.
    5. Retrain the models on what is known now; one that is better than its parent is promoted.
    6. Store the round with its outcomes, build the summaries and close it.

    Parameters
    ----------
    name
        Name of the flow.
    discover
        How candidates are found, screened and looked at.
    labelled
        A data set that takes the place of the discovery and of the calculations, to try the loop out.
    screen
        How the crystals of a labelled set are screened; they are not relaxed, so that no gate asks for energies.
    acquire
        How the batch is chosen.
    verify
        How it is calculated.
    retrain
        How models are retrained; none leaves them as they are.
    kinds
        Kinds of model that are retrained.
    """

    name: str = "active learning"
    discover: DiscoveryMaker = field(default_factory=DiscoveryMaker)
    labelled: LabelledPoolMaker | None = None
    screen: ScreenMaker = field(default_factory=ScreenMaker)
    acquire: AcquireMaker = field(default_factory=AcquireMaker)
    verify: VerifyMaker = field(default_factory=VerifyMaker)
    retrain: RetrainMaker | None = field(default_factory=RetrainMaker)
    kinds: list[Kind] = field(default_factory=lambda: ["tc"])

    parallel: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.labelled is not None and self.screen.thresholds.e_above_hull_ev_per_atom is not None:
            raise ConfigurationError(
                "The crystals of a labelled set are not relaxed and have no energy above the hull.",
                "Set e_above_hull_ev_per_atom of screen's thresholds to null.",
            )
        answered = self.verify.calculation().protocol.mu_stars if self.labelled is None else (COMMON_MU_STAR,)
        if self.mu_star not in answered:
            raise ConfigurationError(
                f"Tc is predicted at mu* = {self.mu_star} and answered at {', '.join(map(str, answered))}: "
                "these cannot be compared.",
                "Set mu_star of screen to one of the answers'"
                + (", or mu_stars in verify's overrides." if self.labelled is None else "."),
            )

    @property
    def mu_star(self) -> float:
        """Coulomb pseudopotential of the predicted Tc."""
        return (self.discover.screen if self.labelled is None else self.screen).mu_star

    @property
    def oracle(self) -> str:
        """What answers."""
        if self.labelled is not None:
            return self.labelled.name
        return f"Quantum ESPRESSO and EPW, protocol {self.verify.calculation().protocol.name}"

    def make(self, campaign: str, campaign_round: int) -> Flow:
        """Return the flow of one round."""
        before, stages, passed_ids = self._find(campaign, campaign_round)
        acquired = self.acquire.make(
            passed_ids,
            oracle=self.oracle,
            free=self.labelled is not None,
            mu_star=self.mu_star,
            campaign=campaign,
            campaign_round=campaign_round,
        )
        records = [stage.output.record for stage in (*stages, acquired)]
        answer = self.answer(acquired.output.chosen_ids, records, campaign, campaign_round)
        jobs = [*before, *stages, acquired, answer]
        return Flow(jobs, name=f"{campaign} round {campaign_round}", order="linear")

    def _find(self, campaign: str, campaign_round: int) -> tuple[list[Job], list[Job], object]:
        """Return what comes before the stages, the stages, and where the candidates stand that passed the gates."""
        if self.labelled is None:
            load, stages = self.discover.stages(campaign, campaign_round)
            [screened] = [stage for stage in stages if stage.name == self.discover.screen.name]
            return [load], stages, screened.output.passed_ids
        proposed = self.labelled.propose(campaign, campaign_round)
        screened = self.screen.make([proposed.output.candidate_ids], None, campaign, campaign_round)
        return [], [proposed, screened], screened.output.passed_ids

    @job(name="calculate")
    def answer(
        self, chosen_ids: list[str], records: list[StageRecord], campaign: str, campaign_round: int
    ) -> Response[None]:
        """Replace this job by the calculations, the retraining, and what closes the round.

        Raises
        ------
        CampaignError
            If a chosen candidate has no converged relaxation.
        """
        flows: list[Flow] = []
        if self.labelled is not None:
            account = self.labelled.reveal(chosen_ids, campaign, campaign_round)
            answered = [account]
        else:
            with Database() as database:
                structures = relaxed_structures(database, chosen_ids, self.verify.pressure_gpa)
            flows, account = self.verify.verification(structures)
            noted = self.note(self._elph_ids(structures), campaign, campaign_round)
            answered = [account, noted]
        retrained = [self.retrain.make(kind, campaign, campaign_round) for kind in self.kinds] if self.retrain else []
        close = self.close([one.output for one in retrained], campaign, campaign_round)
        finish = FinishRoundMaker().make(campaign, campaign_round, [*records, account.output])
        # The order is among what always runs: it must not wait for a calculation that failed.
        ending = Flow([*answered, *retrained, close, finish], output=finish.output, order="linear")
        return Response(replace=Flow([*flows, ending], output=finish.output))

    def _elph_ids(self, structures: Mapping[str, Structure]) -> dict[str, str | None]:
        """Name the document of each candidate, which is there whether or not the calculation comes to its end."""
        calculation = self.verify.calculation()
        found: dict[str, str | None] = dict.fromkeys(structures)
        for candidate, structure in structures.items():
            with suppress(InvDesFlowError):  # then the calculation says so itself
                found[candidate] = calculation.identifier("elph", primitive_for_espresso(structure))
        return found

    @job(name="note outcomes")
    def note(self, elph_ids: Mapping[str, str | None], campaign: str, campaign_round: int) -> None:
        """Note what came of the calculations; one without a document failed before it began."""
        with Database() as database:
            found = database.collection(ElectronPhononDocument).find_in("elph_id", filter(None, elph_ids.values()))
            documents = {document.elph_id: document for document in found}
            outcomes = {
                candidate: outcome_of(documents.get(elph_id or ""), self.mu_star)
                for candidate, elph_id in elph_ids.items()
            }
            note_outcomes(database, campaign, campaign_round, outcomes)

    @job(name="close the round")
    def close(self, retrained: Sequence[RetrainingOutput], campaign: str, campaign_round: int) -> None:
        """Note which models the round leaves behind."""
        models = [ModelChange(**one.model_dump(include=set(ModelChange.model_fields))) for one in retrained]
        with Database() as database:
            finish_learning_round(database, campaign, campaign_round, models)


def outcome_of(document: ElectronPhononDocument | None, mu_star: float) -> Outcome:
    """Say what an electron-phonon calculation found: its Migdal-Eliashberg Tc at this mu*, or why there is none."""
    if document is None:
        return Outcome(status="failed", reason="The calculation could not begin.")
    known = {"source_id": document.elph_id, "core_hours": document.core_hours}
    if document.status != "completed":
        return Outcome(status=document.status, reason=document.reason or "It has not ended.", **known)
    solved = [tc for tc in document.critical_temperatures if tc.method == "migdal_eliashberg"]
    [tc] = [tc for tc in solved if tc.mu_star == mu_star]
    return Outcome(status=document.status, tc_k=tc.tc_k, mu_star=tc.mu_star, reason=tc.reason, **known)
