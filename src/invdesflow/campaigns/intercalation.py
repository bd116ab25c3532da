"""The campaign that looks for guests that raise the Tc of a host."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from jobflow import Flow, Response, job

from invdesflow.campaigns.campaign_maker import CampaignMaker
from invdesflow.campaigns.jobs import FinishRoundMaker, LoadSuperconductorsMaker
from invdesflow.campaigns.verify_candidates import VerifyMaker, relaxed_structures
from invdesflow.database import Database
from invdesflow.database.stages import StageRecord
from invdesflow.intercalation.documents import IntercalationStudyDocument, PairComparison
from invdesflow.intercalation.flows import IntercalationMaker

__all__ = ["IntercalationCampaignMaker"]


@dataclass
class IntercalationCampaignMaker(CampaignMaker):
    """Study what guests do to hosts: with the potential and the models, then, for the best, from first principles.

    1. Load the literature catalogue, whose crystals may be hosts.
    2. Make the crystals, relax, screen, compute phonons, compare (`IntercalationMaker`).
    3. Calculate the coupling of the best pairs, hosts and guests with the same settings, and compare again.
    4. Build the summaries and close the round.

    Parameters
    ----------
    name
        Name of the flow.
    study
        The part before first principles.
    verify
        Settings of the electron-phonon calculations; none leaves them out.
    most
        Pairs that are calculated in one round: those first that the potential finds dynamically stable, the largest
        gain of Tc first. The others are not left out, because potentials are often wrong about hydrides.
    """

    name: str = "intercalation"
    study: IntercalationMaker = field(default_factory=IntercalationMaker)
    verify: VerifyMaker | None = None
    most: int = 1

    parallel: ClassVar[bool] = True

    def make(self, campaign: str, campaign_round: int) -> Flow:
        """Return the flow of one round."""
        load = LoadSuperconductorsMaker().make()
        studied = self.study.make(campaign, campaign_round)
        end = self.end(studied.output["study_ids"], studied.output["records"], campaign, campaign_round)
        return Flow([load, studied, end], name=f"{campaign} round {campaign_round}", order="linear")

    @job(name="choose pairs")
    def end(
        self, study_ids: Sequence[str], records: list[StageRecord], campaign: str, campaign_round: int
    ) -> Response[None]:
        """Replace this job by the calculations of the best pairs, and by what closes the round.

        Raises
        ------
        CampaignError
            If a host or a guest of a chosen pair has no converged relaxation.
        """
        if self.verify is None:
            finish = FinishRoundMaker().make(campaign, campaign_round, records)
            return Response(replace=Flow([finish], output=finish.output))
        with Database() as database:
            studies = database.collection(IntercalationStudyDocument).find_in("study_id", study_ids)
            pairs = [pair for study in studies for pair in study.pairs]
            structures = relaxed_structures(database, _crystals(pairs, self.most), self.verify.pressure_gpa)
        flows, account = self.verify.verification(structures)
        finish = FinishRoundMaker().make(campaign, campaign_round, [*records, account.output])
        return Response(replace=Flow([*flows, account, finish], output=finish.output))


def _crystals(pairs: Sequence[PairComparison], most: int) -> list[str]:
    """Return the candidates of the pairs that promise most: each host once, then its guests."""
    best = sorted(pairs, key=_most_promising_first)[:most]
    return list(dict.fromkeys(name for pair in best for name in (pair.pair.host_id, pair.pair.guest_id)))


def _most_promising_first(pair: PairComparison) -> tuple[bool, bool, float, str]:
    """Sort by stability, then by the gain of Tc; an unknown one comes last."""
    gain = pair.tc_k.difference
    return pair.phonons.guest_status != "stable", gain is None, -(gain or 0.0), pair.pair.guest_id
