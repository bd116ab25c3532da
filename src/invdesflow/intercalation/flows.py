"""The flow from hosts and guests to studies, before anything is calculated from first principles."""

from dataclasses import dataclass, field

from jobflow import Flow

from invdesflow.intercalation.jobs import IntercalateMaker
from invdesflow.intercalation.study_jobs import StudyMaker
from invdesflow.makers import SettingsMaker
from invdesflow.relaxation.jobs import RelaxMaker
from invdesflow.screening.jobs import ScreenMaker
from invdesflow.screening.phonon_jobs import DynamicalStabilityMaker

__all__ = ["IntercalationMaker"]


def _phonons_of_all() -> DynamicalStabilityMaker:
    return DynamicalStabilityMaker(most=None)


@dataclass
class IntercalationMaker(SettingsMaker):
    """Put guests into hosts, and see with potential and models what that changes.

    1. Make hosts and crystals with guests.
    2. Relax them all with the same potential.
    3. Ask the models; what a gate rejects stays in the study.
    4. Compute the phonons of hosts and crystals with guests.
    5. Compare every crystal with its host, and write one study for each host.

    Parameters
    ----------
    name
        Name of the flow.
    intercalate
        Hosts, guests, voids, fillings.
    relax, screen, phonons
        Makers of the steps between; every crystal is looked at.
    study
        How the comparison is made.
    """

    name: str = "intercalation"
    intercalate: IntercalateMaker = field(default_factory=IntercalateMaker)
    relax: RelaxMaker = field(default_factory=RelaxMaker)
    screen: ScreenMaker = field(default_factory=ScreenMaker)
    phonons: DynamicalStabilityMaker = field(default_factory=_phonons_of_all)
    study: StudyMaker = field(default_factory=StudyMaker)

    def make(self, campaign: str, campaign_round: int) -> Flow:
        """Return the flow; its output has the ``records`` of the stages and the ``study_ids``."""
        made = self.intercalate.make(campaign, campaign_round)
        crystals = made.output.candidate_ids
        relaxed = self.relax.make([crystals], campaign, campaign_round)
        relaxation_ids = relaxed.output.relaxation_ids
        # Host and crystals with guests are compared with each other by intention, known or not.
        screened = self.screen.make([crystals], relaxation_ids, campaign, campaign_round, distinct=False)
        phonons = self.phonons.make(crystals, relaxation_ids, campaign, campaign_round)
        studied = self.study.make(
            made.output.pairs, relaxation_ids, phonons.output.phonon_ids, campaign, campaign_round
        )
        stages = [made, relaxed, screened, phonons, studied]
        output = {"records": [stage.output.record for stage in stages], "study_ids": studied.output.study_ids}
        return Flow(stages, output=output, name=self.name, order="linear")
