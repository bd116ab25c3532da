"""The FireWorks launchpad that lives in the documents' own database."""

import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from fireworks import LaunchPad
from pymongo.errors import DuplicateKeyError

from invdesflow.database.database import Database
from invdesflow.database.failures import driver_errors

__all__ = [
    "CLAIM",
    "LaunchFiles",
    "launch_command",
    "launch_files",
    "launch_variables",
    "launchpad_of",
]

CLAIM = "metadata.claim"
"""Field of a workflow that no two share: what it calculates. FireWorks itself would take the same work twice."""
FIREWORKS_CONFIG = Path(__file__).with_name("FW_config.yaml")
_FIREWORK_INDEXES = ["spec.candidate_id"]
_WORKFLOW_INDEXES = ["metadata.campaign"]


class LaunchFiles(NamedTuple):
    """Files from which FireWorks and jobflow find the database; they may hold a password."""

    launchpad: Path
    jobflow: Path


def launchpad_of(database: Database) -> LaunchPad:
    """Return the launchpad in the documents' own database, with its counters and indexes."""
    spec = database.store_file.docs_store
    with driver_errors(database.address):
        launchpad = LaunchPad(
            # Always as a URI: with host and port FireWorks passes a user of its own beside that of the arguments.
            host=spec.uri or f"mongodb://{spec.host}:{spec.port}",
            uri_mode=True,
            name=spec.database,
            strm_lvl="ERROR",
            user_indices=_FIREWORK_INDEXES,
            wf_user_indices=_WORKFLOW_INDEXES,
            mongoclient_kwargs=spec.mongoclient_kwargs,
        )
        if launchpad.fw_id_assigner.find_one() is None:
            _begin(launchpad)
        for collection, fields in ((launchpad.fireworks, _FIREWORK_INDEXES), (launchpad.workflows, _WORKFLOW_INDEXES)):
            for field in fields:  # FireWorks makes them at a reset only, and only if that knew of them
                collection.create_index(field, background=True)  # as FireWorks says it, or it counts as another one
        launchpad.workflows.create_index(CLAIM, unique=True, partialFilterExpression={CLAIM: {"$exists": True}})
    return launchpad


def _begin(launchpad: LaunchPad) -> None:
    """Make the counters of a new queue, and its indexes; FireWorks' own reset would delete what another one adds."""
    first = {"next_fw_id": 1, "next_launch_id": 1}
    with suppress(DuplicateKeyError):  # another process begins it at the same moment
        launchpad.fw_id_assigner.update_one({"_id": "counters"}, {"$setOnInsert": first}, upsert=True)
    launchpad.tuneup()


def launch_files(database: Database, folder: Path | None = None) -> LaunchFiles:
    """Write the files from which ``lpad``, ``rlaunch``, ``qlaunch`` and jobflow find this database.

    FireWorks and jobflow fill no variables in, so that the files hold the credentials of the stores. They are for the
    user alone, and are written anew each time.

    Parameters
    ----------
    database
        The database.
    folder
        Where to; by default in the data folder.
    """
    folder = database.settings.data_dir / "launch" if folder is None else folder
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    files = LaunchFiles(folder.absolute() / "launchpad.yaml", folder.absolute() / "jobflow.yaml")
    _write(files.launchpad, launchpad_of(database).to_dict())
    _write(files.jobflow, {"JOB_STORE": database.store_file.job_store_spec()})
    return files


def _write(file: Path, content: dict[str, Any]) -> None:
    file.touch(mode=0o600)
    file.chmod(0o600)  # touch leaves a file as it is that somebody else made
    file.write_text(yaml.safe_dump(content))


def launch_command(database: Database) -> str:
    """Write the files for this database (`launch_files`) and return the command that runs its fireworks here."""
    files = launch_files(database)
    return f"{launch_variables(database, files)} rlaunch -l {shlex.quote(str(files.launchpad))} rapidfire"


def launch_variables(database: Database, files: LaunchFiles) -> str:
    """Return what the environment of a program of FireWorks has to say, as words of a shell."""
    values = {
        "FW_CONFIG_FILE": FIREWORKS_CONFIG,
        "JOBFLOW_CONFIG_FILE": files.jobflow,
        "INVDESFLOW_STORES": database.path.resolve(),
    }
    return " ".join(f"{name}={shlex.quote(str(value))}" for name, value in values.items())
