"""Jobs of a round in which a potential learns: label what the committee disputes, train the committee again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from jobflow import job
from pymatgen.core import Structure

from invdesflow.database import Database
from invdesflow.database.stages import StageRecord, Stopwatch
from invdesflow.errors import LearningError
from invdesflow.espresso.calculation import Calculation
from invdesflow.learning.potential.committee import Committee, TrustLevels, choose_for_labels
from invdesflow.learning.potential.deepmd_input import DpaSettings
from invdesflow.learning.potential.deepmd_training import train_committee
from invdesflow.learning.potential.evaluation import evaluate_frames
from invdesflow.learning.potential.frame_files import write_frames
from invdesflow.learning.potential.frames import Frame, compositions
from invdesflow.learning.potential.labelling import Unlabelled, label_with_espresso, label_with_potential
from invdesflow.learning.potential.rounds import PotentialRounds
from invdesflow.learning.potential.sampling import DistortionSettings, distorted
from invdesflow.makers import SettingsMaker
from invdesflow.relaxation.named_crystals import find_crystal
from invdesflow.relaxation.potentials import find_potential, load_calculator

__all__ = ["LabelMaker", "TrainCommitteeMaker"]


@dataclass
class LabelMaker(SettingsMaker):
    """Distort crystals, and label those that the committee of the last round disagrees on.

    The first round has no committee and labels the first of the distorted crystals. Run again, the job finds the runs
    of pw.x that have ended.

    Parameters
    ----------
    name
        Name of the job.
    distortions
        How far crystals are taken from where they are.
    candidates
        Distorted crystals of each crystal that a committee chooses from.
    batch
        At most so many of each crystal are labelled in a round.
    levels
        Disagreement from which a crystal is disputed, and from which it is absurd.
    teacher
        A potential that labels in the place of pw.x.
    protocol, overrides, family, files
        Accuracy and pseudopotentials of pw.x, as `VerifyMaker` has them.
    seed
        The same seed gives the same crystals.

    Raises
    ------
    ConfigurationError
        If the protocol or a setting is unknown.
    """

    name: str = "label"
    distortions: DistortionSettings = field(default_factory=DistortionSettings)
    candidates: int = 50
    batch: int = 4
    levels: TrustLevels = field(default_factory=TrustLevels)
    teacher: Literal["CHGNet", "SevenNet"] | None = None
    protocol: str = "moderate"
    overrides: dict[str, Any] = field(default_factory=dict)
    family: str = "pseudodojo-pbe-standard"
    files: dict[str, str] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        self.calculation()

    def calculation(self) -> Calculation:
        """Return accuracy and pseudopotentials."""
        return Calculation.of(self.protocol, self.family, files=self.files, overrides=self.overrides)

    @job
    def make(self, crystals: Sequence[str], held_out: Sequence[str], campaign: str, campaign_round: int) -> StageRecord:
        """Label a batch of each crystal.

        Parameters
        ----------
        crystals
            Files, candidates, known superconductors.
        held_out
            Others, of which a batch is labelled once, to measure on.
        campaign, campaign_round
            The round.

        Raises
        ------
        EspressoError
            If a pseudopotential is missing, or three runs in a row fail.
        LearningError
            If nothing could be labelled in the first round.
        """
        watch = Stopwatch()
        with Database() as database:
            structures, others = (
                [find_crystal(database, name).structure for name in names] for names in (crystals, held_out)
            )
            files = PotentialRounds.of(database.settings.data_dir, campaign)
        files.folder.mkdir(parents=True, exist_ok=True)
        if others and not files.held_out_file.is_file():
            write_frames(files.held_out_file, self._labelled(self._chosen(others, None, 0), watch))
        committee = files.committee_before(campaign_round)
        chosen = self._chosen(structures, committee, campaign_round)
        labelled = self._labelled(chosen, watch)
        if labelled:
            write_frames(files.labels_file(campaign_round), labelled)
        elif not files.labels(campaign_round):
            raise LearningError(
                "None of the first crystals could be labelled.", "See why in the tasks: invdesflow db status."
            )
        note = None if committee is None else f"chosen from {self.candidates * len(structures)} distorted crystals"
        return watch.record(self.name, entered=len(chosen), passed=len(labelled), note=note)

    def _chosen(
        self, structures: Sequence[Structure], committee: Committee | None, campaign_round: int
    ) -> list[Structure]:
        chosen: list[Structure] = []
        for structure in structures:
            number = self.batch if committee is None else self.candidates
            drawn = list(distorted(structure, self.distortions, number, self.seed + campaign_round))
            if committee is not None:
                drawn = choose_for_labels(drawn, committee, self.levels, self.batch)
            chosen += drawn
        return chosen

    def _labelled(self, structures: Sequence[Structure], watch: Stopwatch) -> list[Frame]:
        frames = []
        for answer in self._answers(structures):
            if isinstance(answer, Unlabelled):
                watch.reject([answer.reason])
            else:
                frames.append(answer)
        return frames

    def _answers(self, structures: Sequence[Structure]) -> Iterable[Frame | Unlabelled]:
        if self.teacher is None:
            return label_with_espresso(structures, self.calculation())
        potential = find_potential(self.teacher)
        potential.require(site.specie.symbol for structure in structures for site in structure)
        return label_with_potential(structures, potential)


@dataclass
class TrainCommitteeMaker(SettingsMaker):
    """Train a committee on the labels of all rounds, and measure it on the compositions held out.

    Parameters
    ----------
    name
        Name of the job.
    settings
        Architecture and training.
    members
        Models, which differ in their random numbers; two at least, or nothing can be disputed.
    """

    name: str = "train"
    settings: DpaSettings = field(default_factory=DpaSettings)
    members: int = 3

    @job
    def make(self, campaign: str, campaign_round: int) -> StageRecord:
        """Train after a round; where it added no labels, the committee before stays.

        Raises
        ------
        LearningError
            If the labels cannot be trained on, the training diverges, or deepmd-kit fails.
        """
        watch = Stopwatch()
        with Database() as database:
            files = PotentialRounds.of(database.settings.data_dir, campaign)
        frames, held_out = files.labels(campaign_round), files.held_out()
        if not files.labels_file(campaign_round).is_file():
            return watch.record(self.name, entered=len(frames), passed=0, note="nothing was disputed")
        folder = files.committee_folder(campaign_round)
        trained = train_committee(frames, self.settings, folder, self.members, held_out=held_out)
        note = None
        if held_out:
            errors = [evaluate_frames(held_out, load_calculator(one.potential)).force_rmse for one in trained]
            told = ", ".join(f"{error:.3f}" for error in errors)
            note = f"forces off by {told} eV/A (rms) on {', '.join(compositions(held_out))}"
        return watch.record(self.name, entered=len(frames), passed=len(trained), note=note)
