"""Putting a campaign on the FireWorks launchpad that lives in the same database."""

import shlex
from typing import Any, NamedTuple

import yaml
from fireworks import LaunchPad
from jobflow.managers.fireworks import flow_to_workflow

from invdesflow.campaigns.recipes import Recipe
from invdesflow.campaigns.rounds import only_one
from invdesflow.database.database import Database
from invdesflow.database.failures import driver_errors

__all__ = ["Submission", "launch_command", "launchpad_of", "submit_campaign"]

_UNFINISHED = ["WAITING", "READY", "RESERVED", "RUNNING"]


class Submission(NamedTuple):
    """What was put on the launchpad."""

    campaign: str
    campaign_round: int
    firework_ids: list[int]
    already_there: bool


def submit_campaign(database: Database, recipe: Recipe) -> Submission:
    """Add the workflow of a campaign's unfinished or next round, once.

    Raises
    ------
    CampaignError
        If another process of this machine is running or submitting this campaign.
    """
    with only_one(database, recipe.campaign):
        return _submit(database, recipe)


def _submit(database: Database, recipe: Recipe) -> Submission:
    launchpad = launchpad_of(database)
    number = recipe.open_round(database).number
    metadata = {"campaign": recipe.campaign, "campaign_round": number}
    with driver_errors(database.address):
        waiting = launchpad.get_wf_ids(
            {f"metadata.{key}": value for key, value in metadata.items()} | {"state": {"$in": _UNFINISHED}}
        )
        if waiting:
            nodes = launchpad.get_wf_by_fw_id(waiting[0]).fws
            return Submission(recipe.campaign, number, sorted(fw.fw_id for fw in nodes), already_there=True)
        # No store: jobflow would write it, password included, into every firework's spec.
        workflow = flow_to_workflow(recipe.maker.make(recipe.campaign, number), store=None, metadata=metadata)
        identifiers = launchpad.add_wf(workflow)
    return Submission(recipe.campaign, number, sorted(identifiers.values()), already_there=False)


def launchpad_of(database: Database) -> LaunchPad:
    """Return the launchpad in the documents' own database, with its indexes."""
    spec = database.store_file.docs_store
    place: dict[str, Any] = {"host": spec.uri, "uri_mode": True} if spec.uri else {"host": spec.host, "port": spec.port}
    with driver_errors(database.address):
        launchpad = LaunchPad(
            **place,
            name=spec.database,
            strm_lvl="ERROR",
            user_indices=["spec.candidate_id"],
            wf_user_indices=["metadata.campaign"],
            mongoclient_kwargs=spec.mongoclient_kwargs,
        )
        if launchpad.fw_id_assigner.find_one() is None:
            # A new queue: counters and indexes. It refuses if there is any workflow.
            launchpad.reset("", require_password=False, max_reset_wo_password=0)
    return launchpad


def launch_command(database: Database) -> str:
    """Write the launchpad's and jobflow's files for this database and return the command that runs its fireworks.

    The files may hold a password: they are for the user alone, in the data folder, and are written anew each time.
    """
    folder = database.settings.data_dir / "launch"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    launchpad_file, jobflow_file = folder / "launchpad.yaml", folder / "jobflow.yaml"
    for file, content in (
        (launchpad_file, launchpad_of(database).to_dict()),
        (jobflow_file, {"JOB_STORE": database.store_file.job_store_spec()}),
    ):
        file.touch(mode=0o600)
        file.chmod(0o600)  # touch leaves a file as it is that somebody else made
        file.write_text(yaml.safe_dump(content))
    environment = {"JOBFLOW_CONFIG_FILE": jobflow_file, "INVDESFLOW_STORES": database.path.resolve()}
    variables = " ".join(f"{name}={shlex.quote(str(value))}" for name, value in environment.items())
    return f"{variables} rlaunch -l {shlex.quote(str(launchpad_file))} rapidfire"
