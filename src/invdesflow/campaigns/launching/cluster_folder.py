"""Where the files of a cluster are."""

from dataclasses import dataclass
from pathlib import Path

from invdesflow.campaigns.launching.categories import Category
from invdesflow.campaigns.launching.cluster_profile import Profile

__all__ = ["ClusterFolder"]


@dataclass(frozen=True)
class ClusterFolder:
    """The folder of a cluster.

    Attributes
    ----------
    path
        Where it is.
    profile
        What it was written from.
    """

    path: Path
    profile: Profile

    @property
    def source(self) -> Path:
        """The profile as a file."""
        return self.path / "profile.yaml"

    @property
    def environment(self) -> Path:
        """What shells and jobs source."""
        return self.path / "environment.sh"

    @property
    def fireworks(self) -> Path:
        """FireWorks' settings."""
        return self.path / "FW_config.yaml"

    @property
    def launchpad(self) -> Path:
        """The queue's address; it may hold a password."""
        return self.path / "launchpad.yaml"

    @property
    def jobflow(self) -> Path:
        """Settings of jobflow, with the job store; it may hold a password."""
        return self.path / "jobflow.yaml"

    @property
    def settings(self) -> Path:
        """Our settings; they may hold a password."""
        return self.path / "settings.yaml"

    @property
    def logs(self) -> Path:
        """Folder in which FireWorks says why a submission failed."""
        return self.path / "logs"

    def worker(self, category: Category) -> Path:
        """FireWorks' worker of a category."""
        return self.path / category / "my_fworker.yaml"

    def queue(self, category: Category) -> Path:
        """FireWorks' queue adapter of a category."""
        return self.path / category / "my_qadapter.yaml"

    def launches(self, category: Category) -> Path:
        """Folder in which the jobs of a category run."""
        return self.path / category / "launches"
