"""The profile of a cluster: the few things that differ between clusters, from which FireWorks' files are written."""

import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from invdesflow.campaigns.launching.categories import CATEGORIES, Category
from invdesflow.errors import ConfigurationError
from invdesflow.settings import one_line

__all__ = ["Espresso", "JobProfile", "PackedJobProfile", "Profile", "Scheduler", "commented", "read_profile"]

Scheduler = Literal["slurm", "pbs", "sge", "lsf"]

_SHORTEST_S = 120
_WORD = re.compile(r"[\w.@:+=,*\[\]/-]+")
_CLOCK = re.compile(r"\d{1,4}:[0-5]\d:[0-5]\d")


def _one_word(text: str) -> str:
    """Refuse what would not stay one option of a scheduler's script."""
    if not _WORD.fullmatch(text):
        raise ValueError("must be one word without quotes")
    return text


def _clock(value: object) -> object:
    """Undo what YAML makes of 24:00:00 without quotes: a number of seconds in base 60."""
    if isinstance(value, int):
        minutes, seconds = divmod(value, 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours:02d}:{minutes:02d}:{seconds:02d}"
    if not _CLOCK.fullmatch(str(value)):
        raise ValueError("must be hours:minutes:seconds, such as 24:00:00")
    return value


Word = Annotated[str, AfterValidator(_one_word)]
WallTime = Annotated[str, BeforeValidator(_clock)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class JobProfile(_Part):
    """What one job of the scheduler gets, and what it does with it."""

    nodes: int = Field(1, ge=1, description="nodes of one job")
    cores: int = Field(1, ge=1, description="cores that it uses of each node")
    wall_time: WallTime = Field("24:00:00", description="longest run of one job: hours:minutes:seconds")
    launch: Literal["packed", "single"] = Field(
        "single", description="packed: one job runs many fireworks; single: each firework is a job of its own"
    )
    at_once: int = Field(1, ge=1, description="packed: fireworks that share the cores of one job at a time")
    most_jobs: int = Field(50, ge=1, description="jobs of yours in this partition above which none is added")
    partition: Word | None = Field(None, description="partition or queue, where it is not that of the cluster")
    account: Word | None = Field(None, description="account or project, where it is not that of the cluster")
    options: dict[str, Word | int] = Field(
        default_factory=dict, description="more for the script, by its keys, such as {mem: 0, qos: long}"
    )

    @model_validator(mode="after")
    def _share_the_cores(self) -> Self:
        if self.seconds < _SHORTEST_S:
            raise ValueError(f"wall_time must be {_SHORTEST_S} s or more: starting Python takes some of them")
        if self.launch == "single" and self.at_once > 1:
            raise ValueError("at_once needs launch: packed, for a single firework has its job for itself")
        if self.all_cores % self.at_once:
            raise ValueError(f"{self.at_once} fireworks cannot share {self.all_cores} cores evenly")
        return self

    @property
    def all_cores(self) -> int:
        """Cores on all nodes of one job."""
        return self.nodes * self.cores

    @property
    def seconds(self) -> int:
        """Wall time (s)."""
        hours, minutes, seconds = map(int, self.wall_time.split(":"))
        return 3600 * hours + 60 * minutes + seconds


class PackedJobProfile(JobProfile):
    """JobProfile of what is cheap: batches of relaxations, predictions, accounts."""

    wall_time: WallTime = Field("04:00:00", description="longest run of one job: hours:minutes:seconds")
    launch: Literal["packed", "single"] = Field(
        "packed", description="packed: one job runs many fireworks; single: each firework is a job of its own"
    )
    most_jobs: int = Field(4, ge=1, description="jobs of yours in this partition above which none is added")


class Espresso(_Part):
    """Where Quantum ESPRESSO is and how it is started: the settings ``espresso_*``."""

    bin: Path | None = Field(None, description="folder of pw.x, ph.x, epw.x; by default the PATH is searched")
    launcher: str = Field(
        "mpirun -np {ranks}", description="what starts a program on so many ranks, such as srun -n {ranks}"
    )
    pools: int = Field(1, ge=1, description="pools of k-points; must divide the ranks")
    prelude: str = Field("", description="lines of shell before each program")
    dir: Path | None = Field(None, description="folder of the run directories; every node must see it")


class Profile(_Part):
    """A cluster."""

    scheduler: Scheduler = Field(description="slurm, pbs, sge or lsf")
    worker: Word = Field("cluster", description="name of the cluster, which documents the place where a job ran")
    partition: Word | None = Field(None, description="partition or queue; by default the scheduler's own")
    account: Word | None = Field(None, description="account or project to charge")
    python: Path = Field(Path(sys.prefix), description="environment with InvDesFlow; its bin/ holds rlaunch")
    setup: list[str] = Field(default_factory=list, description="lines of shell at the start of every job")
    template: Path | None = Field(None, description="script template of your own, in FireWorks' form")
    espresso: Espresso = Field(default_factory=Espresso, description="Quantum ESPRESSO")
    ml: PackedJobProfile = Field(default_factory=PackedJobProfile, description="generate, relax, screen, learn")
    dft: JobProfile = Field(default_factory=JobProfile, description="pw.x and ph.x")
    epw: JobProfile = Field(default_factory=JobProfile, description="epw.x")

    def job(self, category: Category) -> JobProfile:
        """Return what a job of a category gets."""
        job: JobProfile = getattr(self, category)
        return job

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.partition is None and self.scheduler in ("pbs", "lsf"):
            raise ValueError(f"FireWorks counts the jobs of one queue on {self.scheduler}: name it (partition)")
        for category in CATEGORIES if self.scheduler == "sge" else ():
            job = self.job(category)
            if job.all_cores > 1 and "parallel_environment" not in job.options:
                raise ValueError(f"{category} has several cores: give its options a parallel_environment of SGE")
        if self.ml.nodes > 1:
            raise ValueError("ml.nodes must be 1: what is not Quantum ESPRESSO runs on one node")
        ranks = self.dft.all_cores // self.dft.at_once
        if ranks % self.espresso.pools:
            raise ValueError(f"{ranks} ranks of dft cannot be shared by {self.espresso.pools} pools (espresso.pools)")
        return self


def read_profile(path: Path) -> Profile:
    """Read and validate a profile.

    Raises
    ------
    ConfigurationError
        If the file cannot be read, or a key is unknown or has a wrong value.
    """
    remedy = "`invdesflow hpc init --scheduler slurm` writes one with every key."
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigurationError(f"The profile {path} cannot be read: {error.strerror}.", remedy) from error
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ConfigurationError(f"The profile {path} is not YAML.", remedy) from None
    try:
        return Profile.model_validate(content)
    except ValidationError as error:
        raise ConfigurationError(f"The profile {path} is wrong: {one_line(error)}.", remedy) from None


def commented(part: BaseModel, indent: str = "") -> str:
    """Write a profile as YAML with every key, each with what it means."""
    lines = []
    for name, field in type(part).model_fields.items():
        value = getattr(part, name)
        if isinstance(value, BaseModel):
            lines.append(f"{indent}{name}:  # {field.description}\n{commented(value, indent + '  ')}")
        else:
            lines.append(f"{indent}{name}: {_flow(value)}  # {field.description}\n")
    return "".join(lines)


def _flow(value: Any) -> str:
    plain = str(value) if isinstance(value, Path) else value
    return yaml.safe_dump(plain, default_flow_style=True, width=1000).removesuffix("\n").removesuffix("\n...")
