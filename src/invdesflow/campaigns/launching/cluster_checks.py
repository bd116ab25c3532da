"""Checks of a cluster's folder: FireWorks' own readers read it, and the scheduler takes its scripts."""

import json
import os
import shutil
import socket
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from fireworks import FWorker, LaunchPad
from fireworks.utilities.fw_serializers import load_object_from_file
from jobflow.settings import JobflowSettings
from pymongo.errors import PyMongoError

from invdesflow.campaigns.doctor.findings import Check, Finding
from invdesflow.campaigns.launching.categories import CATEGORIES, Category
from invdesflow.campaigns.launching.cluster_detection import ask_slurm, slurm_is_here, slurm_nodes
from invdesflow.campaigns.launching.cluster_folder import ClusterFolder
from invdesflow.campaigns.launching.cluster_profile import Scheduler
from invdesflow.database.stores import StoreFile
from invdesflow.errors import ConfigurationError

__all__ = ["cluster_checks", "script"]

_COMMANDS: Mapping[Scheduler, tuple[str, ...]] = {
    "slurm": ("sbatch", "squeue", "scancel"),
    "pbs": ("qsub", "qstat", "qdel"),
    "sge": ("qsub", "qstat", "qdel"),
    "lsf": ("bsub", "bjobs", "bkill"),
}


def cluster_checks(folder: ClusterFolder, store_file: StoreFile) -> list[Check]:
    """List what is to be looked at in the folder of a cluster."""
    return [
        Check("FireWorks' settings", lambda: _fireworks_settings(folder)),
        Check("launchpad", lambda: _launchpad(folder)),
        Check("job store", lambda: _job_store(folder)),
        Check("rlaunch", lambda: _rlaunch(folder)),
        Check("scheduler", lambda: _commands(folder)),
        Check("workers and scripts", lambda: _scripts(folder)),
        Check("database and nodes", lambda: _reach(folder, store_file)),
    ]


def script(folder: ClusterFolder, category: Category) -> str:
    """Return the script that FireWorks submits for a job of a category, as its own adapter writes it.

    Raises
    ------
    ConfigurationError
        If the adapter cannot be read, or the template of the script does not know an option of the profile.
    """
    file = folder.queue(category)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            text: str = load_object_from_file(str(file)).get_script_str(str(folder.launches(category)))
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise ConfigurationError(
                f"FireWorks cannot read {file}: {error}", "Write it again with --force."
            ) from error
    left_out = {
        str(warning.message).split()[1] for warning in caught if "not present in template" in str(warning.message)
    }
    unknown = sorted(left_out.intersection(folder.profile.job(category).options))
    if unknown:
        raise ConfigurationError(
            f"The script of {category} has no place for the option {', '.join(unknown)}.", "Correct it in the profile."
        )
    return text


def _fireworks_settings(folder: ClusterFolder) -> Iterator[Finding]:
    """Ask a process of its own, as FireWorks reads its settings when it is imported."""
    asked = "import json, fireworks.fw_config as c; print(json.dumps([c.LAUNCHPAD_LOC, c.WFLOCK_EXPIRATION_KILL]))"
    answer = subprocess.run(  # noqa: S603 (our own interpreter)
        [sys.executable, "-c", asked],
        env=os.environ | {"FW_CONFIG_FILE": str(folder.fireworks)},
        cwd=folder.logs,
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        yield Finding(
            "FireWorks' settings", "missing", answer.stderr.strip().splitlines()[-1], f"Correct {folder.fireworks}."
        )
    elif json.loads(answer.stdout.splitlines()[-1]) != [str(folder.launchpad), True]:
        said = answer.stdout.splitlines()[0]
        yield Finding("FireWorks' settings", "missing", said, f"Remove the others, or write {folder.fireworks} there.")
    else:
        yield Finding("FireWorks' settings", "ok", str(folder.fireworks))


def _launchpad(folder: ClusterFolder) -> Iterator[Finding]:
    try:
        counts = LaunchPad.from_file(str(folder.launchpad)).fireworks.estimated_document_count()
    except PyMongoError as error:
        raise ConfigurationError(
            f"FireWorks does not reach its queue ({type(error).__name__}).", "Write the folder again with --force."
        ) from None
    yield Finding("launchpad", "ok", f"{counts} fireworks in {folder.launchpad}")


def _job_store(folder: ClusterFolder) -> Iterator[Finding]:
    store = JobflowSettings(CONFIG_FILE=str(folder.jobflow)).JOB_STORE
    try:
        store.connect()
        count = store.count()
    except PyMongoError as error:
        raise ConfigurationError(
            f"jobflow does not reach its store ({type(error).__name__}).", "Write the folder again with --force."
        ) from None
    finally:
        store.close()
    yield Finding("job store", "ok", f"{count} outputs of jobs")


def _rlaunch(folder: ClusterFolder) -> Iterator[Finding]:
    program = folder.profile.python / "bin" / "rlaunch"
    if not os.access(program, os.X_OK):
        raise ConfigurationError(
            f"There is no {program}.", "Set python in the profile to an environment with InvDesFlow."
        )
    yield Finding("rlaunch", "ok", str(program))


def _commands(folder: ClusterFolder) -> Iterator[Finding]:
    scheduler = folder.profile.scheduler
    missing = [command for command in _COMMANDS[scheduler] if shutil.which(command) is None]
    if missing:
        yield Finding("scheduler", "missing", f"no {', '.join(missing)} here", f"Log in where {scheduler} is.")
    elif scheduler == "slurm":
        yield Finding("scheduler", "ok", f"Slurm with {len(slurm_nodes())} nodes")
    else:
        yield Finding("scheduler", "ok", f"{scheduler}: {', '.join(_COMMANDS[scheduler])}")


def _scripts(folder: ClusterFolder) -> Iterator[Finding]:
    for category in CATEGORIES:
        subject = f"script of {category}"
        worker: Any = FWorker.from_file(str(folder.worker(category)))
        text = script(folder, category)
        if folder.profile.scheduler != "slurm" or not slurm_is_here():
            yield Finding(subject, "ok", f"is written, for the worker {worker.name}")
            continue
        try:
            said = ask_slurm("sbatch", "--test-only", script=text, folder=folder.launches(category))
        except ConfigurationError as error:
            yield Finding(subject, "missing", error.problem, f"Correct {category} in the profile.")
        else:
            yield Finding(subject, "ok", f"sbatch --test-only: {said}")


def _reach(folder: ClusterFolder, store_file: StoreFile) -> Iterator[Finding]:
    address = store_file.address()
    here = socket.gethostname().partition(".")[0]
    if store_file.server != "local":
        yield Finding("database and nodes", "ok", f"{address}, which must let the nodes in, too")
    elif _nodes(folder) == {here}:
        yield Finding("database and nodes", "ok", f"{address}, and {here} is the only node")
    else:  # each node would start a server of its own on the same files
        raise ConfigurationError(
            f"The local database at {address} can be reached on {here} alone.",
            "Set INVDESFLOW_STORES to stores/mongodb.yaml and the server's address (docs/how-to/mongodb.md).",
        )


def _nodes(folder: ClusterFolder) -> set[str]:
    """Return the nodes of the cluster, as far as they can be known."""
    if folder.profile.scheduler == "slurm" and slurm_is_here():
        with suppress(ConfigurationError):
            return slurm_nodes()
    return set()
