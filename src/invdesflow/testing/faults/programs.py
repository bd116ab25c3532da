"""What the processes run: the same calls that our commands make, and writers that never end."""

import itertools
import os
from pathlib import Path

from fireworks.scripts.rlaunch_run import rlaunch

from invdesflow.campaigns.builders import SummaryBuilder
from invdesflow.campaigns.launching.submission import submit_campaign
from invdesflow.campaigns.local import run_campaign
from invdesflow.campaigns.recipes import Recipe
from invdesflow.database import Database
from invdesflow.database.summary import SummaryDocument
from invdesflow.testing.faults.promises import Promise, Promises
from invdesflow.testing.faults.work import CheapCampaignMaker, CheapInParallelMaker, counted, store_step

__all__ = ["campaign", "job_output", "rocket", "steps", "submit", "summaries", "writer"]


def campaign(name: str, promises: Path, n_steps: int, parallel: bool = False, pause_s: float = 0.02) -> None:
    """Run a campaign as `invdesflow discover` does."""
    maker = (CheapInParallelMaker if parallel else CheapCampaignMaker)(str(promises), n_steps, pause_s)
    with Database() as database:
        run_campaign(database, Recipe(name, maker))


def submit(name: str, promises: Path, n_steps: int) -> None:
    """Put a campaign on the launchpad as `invdesflow submit` does."""
    with Database() as database:
        submit_campaign(database, Recipe(name, CheapCampaignMaker(str(promises), n_steps)))


def rocket(launchpad: Path, folder: Path) -> None:
    """Run what the queue holds, as ``rlaunch rapidfire`` does."""
    os.chdir(folder)
    rlaunch(["-l", str(launchpad), "-s", "rapidfire", "--sleep", "1"])


def summaries() -> None:
    """Build the summaries, a few at a time."""
    with Database() as database:
        SummaryBuilder(chunk_size=5).run_here(database)


def steps(promises: Path, name: str, numbers: list[int]) -> None:
    """Store what belongs to some numbers, without a campaign."""
    with Database() as database:
        for number in numbers:
            store_step(database, Promises(promises), number, name)


def writer(promises: Path, name: str, payload: int = 0) -> None:
    """Count up a few documents and store new ones, until we are killed or the database refuses.

    Parameters
    ----------
    promises
        File of what was acknowledged.
    name
        Beginning of the identifiers.
    payload
        Bytes that each new document carries besides.
    """
    noted = Promises(promises)
    with Database() as database:
        collection = database.collection(SummaryDocument)
        for version in itertools.count(1):
            old, new = counted(f"{name}-{version % 3}", version), counted(f"{name}-new-{version}", version, payload)
            collection.upsert([old, new])
            written = (
                Promise(collection="summary", identifier=one.candidate_id, version=version) for one in (old, new)
            )
            noted.note(*written)


def job_output(uuid: str, number: int) -> None:
    """Store the output of a job with a blob, as jobflow does: first the document, then the blob."""
    with Database() as database:
        store = database.job_store()
        store.connect()
        document = {"uuid": uuid, "index": 1, "output": {"rows": [number] * 1000}, "completed_at": "", "metadata": {}}
        store.update(document, save={"data": ["rows"]})
        store.close()
