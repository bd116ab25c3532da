"""What the rounds of a learning potential leave in the data folder: labels, and a committee trained on all of them."""

from dataclasses import dataclass
from pathlib import Path

from invdesflow.learning.potential.committee import Committee
from invdesflow.learning.potential.deepmd_training import load_trained
from invdesflow.learning.potential.frame_files import read_frames
from invdesflow.learning.potential.frames import Frame

__all__ = ["PotentialRounds"]


@dataclass(frozen=True)
class PotentialRounds:
    """The files of a campaign.

    Attributes
    ----------
    folder
        Where they are.
    """

    folder: Path

    @classmethod
    def of(cls, data_dir: Path, campaign: str) -> "PotentialRounds":
        """Find the files of a campaign in the data folder."""
        return cls(data_dir / "potentials" / campaign)

    @property
    def held_out_file(self) -> Path:
        """Labels of the compositions that are measured on; those of the first round serve all."""
        return self.folder / "held-out.xyz"

    def labels_file(self, number: int) -> Path:
        """Labels that a round added; there is none where nothing was disputed."""
        return self.folder / f"labels-{number:03d}.xyz"

    def committee_folder(self, number: int) -> Path:
        """Where the committee of a round is trained."""
        return self.folder / f"committee-{number:03d}"

    def labels(self, number: int) -> list[Frame]:
        """Return the labels of all rounds up to one."""
        files = (self.labels_file(one) for one in range(number + 1))
        return [frame for path in files if path.is_file() for frame in read_frames(path)]

    def held_out(self) -> list[Frame]:
        """Return the labels that are measured on."""
        return read_frames(self.held_out_file) if self.held_out_file.is_file() else []

    def committee_before(self, number: int) -> Committee | None:
        """Load the last committee that was trained before a round; none before the first.

        Raises
        ------
        LearningError
            If its training has not ended.
        """
        for earlier in reversed(range(number)):
            members = sorted(self.committee_folder(earlier).glob("member-*"))
            if members:
                return Committee.of([load_trained(member).potential for member in members])
        return None
