"""The campaign that verifies candidates from first principles."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from jobflow import Flow, OnMissing, Response, job
from pymatgen.core import Structure

from invdesflow.campaigns.campaign_maker import CampaignMaker
from invdesflow.campaigns.jobs import FinishRoundMaker
from invdesflow.campaigns.summary import chosen_relaxation
from invdesflow.database import Database
from invdesflow.database.stages import StageRecord, Stopwatch
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.epw.flows import ElectronPhononMaker
from invdesflow.errors import CampaignError, EspressoError
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.meshes import primitive_for_espresso
from invdesflow.relaxation.documents import RelaxationDocument

__all__ = ["VerificationMaker", "relaxed_structure"]


@dataclass
class VerificationMaker(CampaignMaker):
    """Verify candidates of the database: electron-phonon coupling by Quantum ESPRESSO and EPW.

    1. Choose the candidates with the highest predicted Tc that passed every gate, or those that are named.
    2. One `ElectronPhononMaker` flow for each; what is calculated already is not calculated again.
    3. Build the summaries and close the round.

    Parameters
    ----------
    name
        Name of the flow.
    candidate_ids
        Candidates to verify; none chooses them.
    most
        How many are chosen in one round.
    tc_min
        Least predicted Tc of those that are chosen (K).
    only_stable
        Choose only what the interatomic potential finds dynamically stable.
    protocol
        How accurate: paper, precise, moderate, fast or smoke.
    overrides
        Settings of the protocol to change.
    family
        Family of pseudopotentials, or a folder with UPF files.
    files
        Element -> file, where that folder has several of one element.
    pressure_gpa
        Pressure (GPa).
    """

    name: str = "verification"
    candidate_ids: list[str] = field(default_factory=list)
    most: int = 3
    tc_min: float = 5.0
    only_stable: bool = False
    protocol: str = "moderate"
    overrides: dict[str, Any] = field(default_factory=dict)
    family: str = "pseudodojo-pbe-standard"
    files: dict[str, str] = field(default_factory=dict)
    pressure_gpa: float = 0.0

    parallel: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.calculation()

    def calculation(self) -> Calculation:
        """Return what every step shares.

        Raises
        ------
        ConfigurationError
            If the protocol or a setting is unknown.
        """
        return Calculation.of(
            self.protocol,
            self.family,
            files=self.files,
            pressure_gpa=self.pressure_gpa,
            overrides=self.overrides,
        )

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
        calculation = self.calculation()
        with Database() as database:
            chosen = self.candidate_ids or self._choose(database, calculation)
            structures = {candidate: relaxed_structure(database, candidate) for candidate in chosen}
        maker = ElectronPhononMaker(calculation)
        flows = [maker.make(structure, candidate) for candidate, structure in structures.items()]
        account = self.account(list(structures), [flow.output for flow in flows])
        account.config.on_missing_references = OnMissing.NONE  # a failed candidate must not keep the round open
        finish = FinishRoundMaker().make(campaign, campaign_round, [account.output])
        return Response(replace=Flow([*flows, account, finish], output=finish.output))

    @job(name="account")
    def account(self, candidate_ids: Sequence[str], elph_ids: Sequence[str | None]) -> StageRecord:
        """Count what came of the candidates."""
        watch = Stopwatch()
        completed = [elph_id for elph_id in elph_ids if elph_id is not None]
        with Database() as database:
            found = list(database.collection(ElectronPhononDocument).find({"elph_id": {"$in": completed}}))
        for document in found:
            if document.status != "completed":
                watch.reject([document.status])
        for _ in range(len(candidate_ids) - len(found)):
            watch.reject(["failed"])
        passed = sum(document.status == "completed" for document in found)
        return watch.record(self.name, entered=len(candidate_ids), passed=passed, note=self.protocol)

    def _choose(self, database: Database, calculation: Calculation) -> list[str]:
        """Return the best candidates that this protocol has not looked at yet."""
        chosen: list[str] = []
        collection = database.collection(ElectronPhononDocument)
        for candidate in database.candidates(tc_min=self.tc_min, rejected=False):
            if len(chosen) == self.most:
                break
            if self.only_stable and candidate.dynamical_stability != "stable":
                continue
            try:
                structure = primitive_for_espresso(relaxed_structure(database, candidate.candidate_id))
                known = collection.get(calculation.identifier("elph", structure))
            except (CampaignError, EspressoError):  # no relaxed crystal, or an element without a pseudopotential
                continue
            if known is None or known.status in ("running", "failed"):
                chosen.append(candidate.candidate_id)
        return chosen


def relaxed_structure(database: Database, candidate_id: str) -> Structure:
    """Return the relaxed crystal of a candidate.

    Raises
    ------
    CampaignError
        If it has no converged relaxation.
    """
    relaxations = database.collection(RelaxationDocument).find({"subject.id": candidate_id, "converged": True})
    relaxation = chosen_relaxation(list(relaxations))
    if relaxation is None:
        raise CampaignError(
            f"The candidate {candidate_id} has no converged relaxation.", "Look at it with invdesflow show."
        )
    return relaxation.final_structure
