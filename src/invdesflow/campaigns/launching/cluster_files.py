"""The files by which FireWorks runs jobs of a cluster's scheduler, written from a profile."""

import shlex
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr

from invdesflow.campaigns.launching.categories import CATEGORIES, Category
from invdesflow.campaigns.launching.cluster_folder import ClusterFolder
from invdesflow.campaigns.launching.cluster_profile import Profile, commented
from invdesflow.campaigns.launching.cluster_scripts import queue_adapter, script_template
from invdesflow.campaigns.launching.launchpad import launch_files
from invdesflow.database.database import Database
from invdesflow.errors import ConfigurationError
from invdesflow.settings import SETTINGS_FILE_VARIABLE, Settings

__all__ = ["launch_lines", "write_cluster"]

# Set for each job from what it got.
_OF_THE_JOB = {"workers", "espresso_end_time"}

_AFTER_A_CHANGE = "# The cluster. After a change: invdesflow hpc init --profile THIS_FILE --force\n"

_FW_CONFIG = """\
# FireWorks' settings for this cluster. Every shell and every job finds them by FW_CONFIG_FILE (environment.sh).
# A file FW_config.yaml in the working directory or in ~/.fireworks would be taken instead.

LAUNCHPAD_LOC: {launchpad}
# Who changes a workflow locks it for an instant. A process that is killed meanwhile leaves the lock, and by default
# others would wait for five minutes and then give up. A lock that stands for a minute belongs to nobody: it is taken.
WFLOCK_EXPIRATION_SECS: 60
WFLOCK_EXPIRATION_KILL: true
# A running firework tells every five minutes that it lives; after half an hour of silence, in which the database may be
# restarted, it counts as lost (`invdesflow runs lost`). The defaults are one hour and four.
PING_TIME_SECS: 300
RUN_EXPIRATION_SECS: 1800
# Between two looks for new work (the default, 60 s, is long for fireworks of seconds), and between two submissions.
RAPIDFIRE_SLEEP_SECS: 10
QUEUE_UPDATE_INTERVAL: 1
# Some schedulers refuse longer names.
QUEUE_JOBNAME_MAXLEN: 15
# Of the fireworks of equal priority, the one that was submitted first.
SORT_FWS: FIFO
# A firework is data. Our task decodes the job in it, by a list of what is allowed, and nothing decodes the rest.
DECODE_MONTY: false
"""

_OF_THE_WORKER = """\
# Which fireworks this worker takes: those of its category (null: also those without one) that match the query.
"""
_OF_THE_QUEUE = """\
# What a job asks the scheduler for, and what it runs; after a change of the profile it is written anew.
# With `qlaunch -r` the keys of a firework's own _queueadapter go before these.
"""

_ENVIRONMENT = """\
# What a shell needs in which you type qlaunch, lpad or invdesflow, and what every job runs first: source this file.
{setup}export PATH={bin}:"$PATH"
export FW_CONFIG_FILE={folder}/FW_config.yaml
export JOBFLOW_CONFIG_FILE={folder}/jobflow.yaml
export {settings_variable}={folder}/settings.yaml
# Parallelism comes from processes and ranks.
export OMP_NUM_THREADS=1
# What FireWorks uses of its libraries that they will drop is not your concern.
export PYTHONWARNINGS="${{PYTHONWARNINGS:-ignore::FutureWarning}}"
"""


class _LinesOfShell(yaml.SafeDumper):
    """Writes text of several lines as such."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_LinesOfShell.add_representer(str, _LinesOfShell.represent_text)


def write_cluster(
    database: Database, profile: Profile, path: Path, source: str | None = None, *, force: bool = False
) -> ClusterFolder:
    """Write the folder of a cluster; all of it is for the user alone.

    Parameters
    ----------
    database
        Where the queue and the documents are.
    profile
        The cluster.
    path
        Folder to write.
    source
        The profile as the user wrote it, which is kept; by default every key with its meaning.
    force
        Write over files that are there.

    Raises
    ------
    ConfigurationError
        If a file is there, or the profile names a template that is not.
    DatabaseError
        If the database does not answer.
    """
    folder = ClusterFolder(path.absolute(), profile)
    contents = _contents(folder, database.settings)
    contents[folder.source] = _AFTER_A_CHANGE + commented(profile) if source is None else source
    # The profile may stand in the folder before all else.
    present = [file.name for file in contents if file.exists() and not (file == folder.source and source is not None)]
    if present and not force:
        raise ConfigurationError(
            f"{folder.path} holds {present[0]} and {len(present) - 1} other files of a cluster already.",
            "Write over them with --force, or name another --folder.",
        )
    folder.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.path.chmod(0o700)
    for place in (folder.logs, *(folder.launches(category) for category in CATEGORIES)):
        place.mkdir(parents=True, exist_ok=True)
    for file, text in contents.items():
        _write_private(file, text)
    launch_files(database, folder.path)
    for category in CATEGORIES:  # so that `qlaunch -c` finds all three files in one place
        link = folder.path / category / "my_launchpad.yaml"
        link.unlink(missing_ok=True)
        link.symlink_to(folder.launchpad)
    return folder


def launch_lines(folder: ClusterFolder) -> list[str]:
    """Return the commands that submit the jobs of each category, as a user types them."""
    return [f"source {shlex.quote(str(folder.environment))}"] + [_launch_line(folder, name) for name in CATEGORIES]


def _launch_line(folder: ClusterFolder, category: Category) -> str:
    job = folder.profile.job(category)
    place = shlex.quote(str(folder.path / category))
    reserve = "-r " if job.launch == "single" else ""
    return f"qlaunch {reserve}-c {place} --launch_dir {place}/launches rapidfire -m {job.most_jobs}"


def _contents(folder: ClusterFolder, settings: Settings) -> dict[Path, str]:
    """Return file -> text of what follows from the profile and the settings."""
    profile = folder.profile
    contents = {
        folder.fireworks: _FW_CONFIG.format(launchpad=folder.launchpad),
        folder.settings: yaml.safe_dump(_settings(profile, settings)),
        folder.environment: _ENVIRONMENT.format(
            setup="".join(f"{line}\n" for line in profile.setup),
            bin=shlex.quote(str(profile.python.absolute() / "bin")),
            folder=shlex.quote(str(folder.path)),
            settings_variable=SETTINGS_FILE_VARIABLE,
        ),
    }
    for category in CATEGORIES:
        adapter = yaml.dump(queue_adapter(folder, category), Dumper=_LinesOfShell, sort_keys=False, width=1000)
        contents[folder.worker(category)] = _OF_THE_WORKER + yaml.safe_dump(_worker(profile, category))
        contents[folder.queue(category)] = _OF_THE_QUEUE + adapter
    template = script_template(profile)
    if template is not None:
        contents[folder.path / "template.txt"] = template
    return contents


def _settings(profile: Profile, settings: Settings) -> dict[str, Any]:
    """Return the settings of this process; how Quantum ESPRESSO is run, the profile alone decides."""
    given = {name: getattr(settings, name) for name in settings.model_fields_set - _OF_THE_JOB}
    espresso = {f"espresso_{name}": value for name, value in profile.espresso}
    # What `invdesflow submit` asks of the queue for one program.
    espresso["espresso_ranks"] = profile.dft.all_cores // profile.dft.at_once
    values = given | {"stores": settings.stores, "data_dir": settings.data_dir} | espresso
    return {name: _plain(value) for name, value in values.items() if value is not None}


def _plain(value: object) -> object:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value) if isinstance(value, Path) else value


def _worker(profile: Profile, category: Category) -> dict[str, Any]:
    # What has no category, such as what jobflow adds on its own, is as cheap as the cheapest.
    taken = ["ml", None] if category == "ml" else [category]
    return {"name": profile.worker, "category": taken, "query": "{}"}


def _write_private(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.chmod(0o600)  # touch leaves a file as it is that is there
    file.write_text(text)
