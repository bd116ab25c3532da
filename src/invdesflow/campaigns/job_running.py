"""Running one job: what worker processes and FireWorks' rockets have in common."""

from pathlib import Path
from typing import Any

from jobflow import Job, Response

from invdesflow.database import Database

__all__ = ["run_job"]


def run_job(job: Job, stores: Path | None = None) -> "Response[Any]":
    """Run a job with the job store of a database.

    Parameters
    ----------
    job
        What to run; its references are resolved.
    stores
        Store file; by default that of the settings.
    """
    with Database(stores) as database:
        store = database.job_store()
        store.connect()
        try:
            return job.run(store=store)
        finally:
            store.close()
