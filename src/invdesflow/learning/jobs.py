"""Jobs of a round of learning: choose a batch, note what came of it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobflow import job
from pydantic import BaseModel, ConfigDict, Field

from invdesflow.database import Database
from invdesflow.database.provenance import current_provenance
from invdesflow.database.stages import StageRecord, Stopwatch
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.generation.documents import CandidateDocument
from invdesflow.learning.acquisition import AcquisitionSettings, Choice, choose
from invdesflow.learning.bias import bias_log
from invdesflow.learning.candidate_pool import CandidatePool, collect_pool
from invdesflow.learning.round_documents import ChosenCandidate, LearningRoundDocument, best_tc_k, learning_round_id
from invdesflow.makers import SettingsMaker
from invdesflow.screening.documents import ScreeningDocument

__all__ = ["AcquireMaker", "AcquireOutput"]


class AcquireOutput(BaseModel):
    """What a choosing job did."""

    model_config = ConfigDict(extra="forbid")

    record: StageRecord
    chosen_ids: list[str] = Field(description="candidates to calculate, the first one first")


@dataclass
class AcquireMaker(SettingsMaker):
    """Choose the candidates that are worth a calculation.

    1. Collect what passed the gates in any round of this campaign and was neither chosen nor calculated before.
    2. Weigh the predicted Tc and its uncertainty with the probability of success and the cost; keep the batch diverse.
    3. Store the round with the choices, their scores, and how far they lean towards some elements. Run again, the job
       finds the round and chooses nothing anew.

    Parameters
    ----------
    name
        Name of the job.
    settings
        Strategy, size of the batch, diversity.
    hull_limit_ev_per_atom
        Energy above the hull up to which a candidate counts as one that can be made (eV/atom).
    """

    name: str = "acquire"
    settings: AcquisitionSettings = field(default_factory=AcquisitionSettings)
    hull_limit_ev_per_atom: float = 0.1

    @job
    def make(
        self, passed_ids: list[str], *, oracle: str, free: bool, mu_star: float, campaign: str, campaign_round: int
    ) -> AcquireOutput:
        """Choose the batch of one round.

        Parameters
        ----------
        passed_ids
            Candidates that passed the gates in this round.
        oracle
            What will answer, for the document of the round.
        free
            Whether an answer costs nothing, so that the cost does not count.
        mu_star
            Coulomb pseudopotential of the predictions that are weighed, and of the best Tc so far.
        campaign, campaign_round
            The round.

        Raises
        ------
        LearningError
            If the strategy asks for what the candidates do not have.
        """
        watch = Stopwatch()
        with Database() as database:
            rounds = database.collection(LearningRoundDocument)
            stored = rounds.get(learning_round_id(campaign, campaign_round))
            if stored is not None:
                return self._output(watch, stored.pool, [row.candidate_id for row in stored.chosen], reused=True)
            earlier = list(rounds.find({"campaign": campaign}))
            waiting = self._waiting(database, campaign, passed_ids, earlier, mu_star)
            found = collect_pool(
                database,
                waiting,
                self.hull_limit_ev_per_atom,
                mu_star=mu_star,
                ask_cost=not free,
                with_features=self.settings.diversity != "none" or self.settings.strategy == "expected_model_change",
                with_committee=self.settings.strategy == "committee",
            )
            best = best_tc_k(earlier, mu_star)
            settings = self.settings.model_copy(update={"seed": self.settings.seed + campaign_round})
            choices = [] if found.pool is None else choose(found.pool, settings, best)
            asked = {"oracle": oracle, "campaign": campaign, "number": campaign_round}
            asked |= {"mu_star": mu_star, "best_tc_before_k": best}
            rounds.upsert([self._document(found, choices, settings, **asked)])
        for reason, count in found.left_out.items():
            for _ in range(count):
                watch.reject([reason])
        return self._output(watch, len(waiting), [choice.name for choice in choices])

    def _output(self, watch: Stopwatch, entered: int, chosen: list[str], *, reused: bool = False) -> AcquireOutput:
        record = watch.record(
            self.name,
            entered=entered,
            passed=len(chosen),
            reused=len(chosen) if reused else 0,
            note=self.settings.strategy,
        )
        return AcquireOutput(record=record, chosen_ids=chosen)

    def _waiting(
        self,
        database: Database,
        campaign: str,
        passed_ids: Iterable[str],
        earlier: Sequence[LearningRoundDocument],
        mu_star: float,
    ) -> list[str]:
        """Return what passed in this or an earlier round and was not looked at, in a fixed order."""
        passed = _passed(database, campaign, mu_star) | set(passed_ids)
        chosen = {row.candidate_id for one in earlier for row in one.chosen}
        calculated = database.collection(ElectronPhononDocument).values(
            {"candidate_id": {"$in": sorted(passed)}, "status": {"$nin": ["running", "failed"]}}, ["candidate_id"]
        )
        return sorted(passed - chosen - {row["candidate_id"] for row in calculated})

    def _document(
        self, found: CandidatePool, choices: Sequence[Choice], settings: AcquisitionSettings, **asked: Any
    ) -> LearningRoundDocument:
        chosen = [
            ChosenCandidate(
                candidate_id=choice.name,
                reduced_formula=found.formulas[choice.index],
                rank=choice.rank,
                score=choice.score,
                terms=choice.terms,
            )
            for choice in choices
        ]
        return LearningRoundDocument(
            learning_round_id=learning_round_id(asked["campaign"], asked["number"]),
            status="chosen",
            strategy=settings.strategy,
            seed=settings.seed,
            pool=len(found.formulas),
            chosen=chosen,
            bias=bias_log(found.kinds, [choice.index for choice in choices], settings.seed) if choices else None,
            provenance=current_provenance(asked["campaign"], asked["number"]),
            **asked,
        )


def _passed(database: Database, campaign: str, mu_star: float) -> set[str]:
    """Return what passed a campaign's own thresholds at a mu*, whoever screened it last.

    The same question has one document: where another campaign asks it again, the document names that one.
    """
    candidates = database.collection(CandidateDocument).values({"origins.campaign": campaign}, ["candidate_id"])
    own = {row["candidate_id"] for row in candidates}
    screenings = database.collection(ScreeningDocument)
    asked = screenings.values({"provenance.campaign": campaign}, ["thresholds", "mu_star"])
    questions = {_question(row) for row in asked}
    passed = screenings.values({"passed": True, "mu_star": mu_star}, ["candidate_id", "thresholds", "mu_star"])
    return {row["candidate_id"] for row in passed if row["candidate_id"] in own and _question(row) in questions}


def _question(row: Mapping[str, Any]) -> str:
    return json.dumps([row["thresholds"], row["mu_star"]], sort_keys=True)
