"""What Slurm says of itself, and a first profile of the cluster that this machine belongs to."""

import shutil
import subprocess
from pathlib import Path

from invdesflow.campaigns.launching.cluster_profile import Espresso, JobProfile, PackedJobProfile, Profile, Scheduler
from invdesflow.errors import ConfigurationError
from invdesflow.settings import Settings, get_settings

__all__ = ["ask_slurm", "detected_profile", "slurm_is_here", "slurm_nodes"]

_PATIENCE_S = 60


def slurm_is_here() -> bool:
    """Tell whether this machine has Slurm's commands."""
    return shutil.which("sbatch") is not None and shutil.which("sinfo") is not None


def ask_slurm(*words: str, script: str = "", folder: Path | None = None) -> str:
    """Run a command of Slurm; return what it prints, on whichever stream.

    Parameters
    ----------
    *words
        The command.
    script
        Its standard input.
    folder
        Where it runs.

    Raises
    ------
    ConfigurationError
        If it fails, with its last line.
    """
    try:
        answer = subprocess.run(  # noqa: S603 (Slurm's own commands)
            words, input=script, cwd=folder, capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise ConfigurationError(f"{words[0]} does not answer.", "Ask the administrators of the cluster.") from None
    said = (answer.stdout.strip() or answer.stderr.strip()).removeprefix(f"{words[0]}: ")
    if answer.returncode:
        reason = said.splitlines()[-1].rstrip(".") if said else "it says nothing"
        raise ConfigurationError(f"{words[0]} fails: {reason}.", "Is this machine a part of the cluster?")
    return said


def slurm_nodes() -> set[str]:
    """Return the names of all nodes."""
    return set(ask_slurm("sinfo", "--Node", "--noheader", "--format=%N").split())


def detected_profile(scheduler: Scheduler) -> Profile:
    """Describe this cluster from its default partition and our settings; where it cannot be asked, with defaults.

    Raises
    ------
    ConfigurationError
        If Slurm is here and does not answer.
    """
    partition, cores = None, 1
    if scheduler == "slurm" and slurm_is_here():
        partition, cores = _default_partition()
    elif scheduler in ("pbs", "lsf"):
        partition = "normal"  # the customary name of what they call a queue
    return Profile(
        scheduler=scheduler,
        partition=partition,
        espresso=_espresso(get_settings()),
        ml=PackedJobProfile(cores=cores),
        dft=JobProfile(cores=cores),
        epw=JobProfile(cores=cores),
    )


def _default_partition() -> tuple[str | None, int]:
    """Return the name of the default partition and the cores of its smallest node."""
    rows = [line.split() for line in ask_slurm("sinfo", "--noheader", "--format=%P %c").splitlines()]
    default = [(name.removesuffix("*"), int(cores.rstrip("+"))) for name, cores in rows if name.endswith("*")]
    return min(default, key=lambda row: row[1]) if default else (None, 1)


def _espresso(settings: Settings) -> Espresso:
    """Take over what our settings say of Quantum ESPRESSO."""
    values = {name: getattr(settings, f"espresso_{name}") for name in Espresso.model_fields}
    return Espresso(**{name: value for name, value in values.items() if value})
