"""Putting candidates on the launchpad, each as a workflow of its own."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace

from fireworks import LaunchPad, Workflow
from pymatgen.core import Structure

from invdesflow.campaigns.acquisition import log_worth
from invdesflow.campaigns.launching.entries import ADDED, Entry, Submission
from invdesflow.campaigns.launching.queue import Queued, add_once, queued, set_free, workflow_of
from invdesflow.campaigns.launching.resources import Assignment, wall_times
from invdesflow.campaigns.recipes import Recipe
from invdesflow.campaigns.round_candidates import note_outcome, wait_for
from invdesflow.campaigns.rounds import round_of
from invdesflow.campaigns.verification import VerificationMaker
from invdesflow.campaigns.verify_candidates import relaxed_structure, relaxed_structures
from invdesflow.database.database import Database
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.errors import CampaignError, EspressoError, StructureError
from invdesflow.espresso.meshes import primitive_for_espresso

__all__ = ["CandidateSubmission"]

_ELSEWHERE = "queued elsewhere"
_NO_PRIORITY = "no full prediction and so no priority: after all that have one"


@dataclass(frozen=True)
class _Candidate:
    """A candidate and what is known of its calculation; there can be none where `problem` says why."""

    candidate_id: str
    crystal: Structure | None = None
    elph_id: str = ""
    status: str | None = None
    problem: str = ""

    @property
    def open(self) -> bool:
        """Whether it can be calculated and has no result."""
        return not self.problem and self.status in (None, "running", "failed")


@dataclass(frozen=True)
class CandidateSubmission:
    """Adds one workflow for each candidate that is neither queued nor calculated with the same settings.

    Parameters
    ----------
    database
        The database.
    launchpad
        Its launchpad.
    recipe, maker
        The campaign.
    """

    database: Database
    launchpad: LaunchPad
    recipe: Recipe
    maker: VerificationMaker

    def of_the_round(self) -> Submission:
        """Submit the candidates that the round chose, or chooses now.

        Raises
        ------
        CampaignError
            If a candidate that the recipe names has no converged relaxation.
        """
        number = self.recipe.open_round(self.database).number
        chosen = self.maker.chosen(self.database, self.recipe.campaign, number)
        relaxed_structures(self.database, chosen, self.maker.pressure_gpa)
        candidates = [self._look(candidate_id) for candidate_id in chosen]
        new = self._new(candidates)
        wait_for(self.database, self.recipe.campaign, number, [one.candidate_id for one in new])
        return self._submit(number, candidates, new)

    def of(self, candidate_ids: Sequence[str]) -> Submission:
        """Submit candidates, beside those that the round waits for already."""
        candidates = [self._look(candidate_id) for candidate_id in candidate_ids]
        new = self._new(candidates)
        if not new:  # then there is no round to begin
            return Submission(self.recipe.campaign, None, self._entries(candidates, set(), {}))
        waiting = False
        while not waiting:
            number = self.recipe.open_round(self.database).number
            waiting = wait_for(self.database, self.recipe.campaign, number, [one.candidate_id for one in new])
        return self._submit(number, candidates, new)

    def _look(self, candidate_id: str) -> _Candidate:
        crystal = None
        try:
            crystal = relaxed_structure(self.database, candidate_id, self.maker.pressure_gpa)
            elph_id = self.maker.calculation().identifier("elph", primitive_for_espresso(crystal))
        except (CampaignError, EspressoError, StructureError) as error:
            return _Candidate(candidate_id, crystal, problem=str(error))
        known = self.database.collection(ElectronPhononDocument).get(elph_id)
        return _Candidate(candidate_id, crystal, elph_id, None if known is None else known.status)

    def _queued(self, candidates: Sequence[_Candidate]) -> dict[str, Queued]:
        return queued(self.launchpad, [one.elph_id for one in candidates if one.elph_id])

    def _new(self, candidates: Sequence[_Candidate]) -> list[_Candidate]:
        set_free(self.launchpad, [one.elph_id for one in candidates if one.elph_id])
        there = self._queued(candidates)
        return [one for one in candidates if one.open and one.elph_id not in there]

    def _submit(self, number: int, candidates: Sequence[_Candidate], new: Sequence[_Candidate]) -> Submission:
        worth = log_worth(self.database, [one.candidate_id for one in new], self.maker.mu_star)
        workflows = {
            one.elph_id: self._workflow(number, one, one.crystal, worth.get(one.candidate_id))
            for one in reversed(new)  # of two candidates that relaxed to one crystal, the first
            if one.crystal is not None
        }
        added = add_once(self.launchpad, workflows)
        self._settle(number, candidates)
        self.maker.close_if_ended(self.database, self.recipe.campaign, number)
        return Submission(self.recipe.campaign, number, self._entries(candidates, added, worth))

    def _workflow(self, number: int, one: _Candidate, crystal: Structure, priority: float | None) -> Workflow:
        ranks = self.recipe.launching.dft.ntasks or self.database.settings.espresso_ranks
        times = wall_times(primitive_for_espresso(crystal), self.maker.calculation(), ranks)
        metadata = {"campaign": self.recipe.campaign, "campaign_round": number, "candidate_id": one.candidate_id}
        return workflow_of(
            self.maker.of_candidate(one.candidate_id, crystal, self.recipe.campaign, number),
            metadata | {"claim": one.elph_id},
            Assignment(self.recipe.launching, ranks, times, priority),
        )

    def _settle(self, number: int, candidates: Sequence[_Candidate]) -> None:
        """Note the outcome of those of the round for which no workflow of it will do that."""
        there = self._queued(candidates)
        chosen = round_of(self.database, self.recipe.campaign, number).chosen or []
        for one in candidates:
            found = there.get(one.elph_id)
            own = found is not None and found.notes(self.recipe.campaign, number, one.candidate_id)
            if one.candidate_id in chosen and not own:
                outcome = "failed" if one.problem else _ELSEWHERE if one.open else str(one.status)
                note_outcome(self.database, self.recipe.campaign, number, one.candidate_id, outcome)

    def _entries(
        self, candidates: Sequence[_Candidate], added: Container[str], worth: Mapping[str, float]
    ) -> list[Entry]:
        there = self._queued(candidates)
        return [self._entry(one, there.get(one.elph_id), worth, added=one.elph_id in added) for one in candidates]

    def _entry(self, one: _Candidate, found: Queued | None, worth: Mapping[str, float], *, added: bool) -> Entry:
        formula = None if one.crystal is None else one.crystal.composition.reduced_formula
        state = "impossible" if one.problem else one.status or "removed"
        entry = Entry(state, one.candidate_id, formula, remark=one.problem)
        if not one.open or found is None:
            return entry
        if not added or found.candidate_id != one.candidate_id:
            return entry.of_queued(found, self.recipe.campaign)
        priority = worth.get(one.candidate_id)
        remark = _NO_PRIORITY if priority is None else ""
        return replace(entry, state=ADDED, firework_ids=found.firework_ids, priority=priority, remark=remark)
