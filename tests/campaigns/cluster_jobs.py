"""Jobs that say where they ran, for tests of launching; workers import them from here."""

import os

from jobflow import job

from invdesflow.settings import get_settings


@job
def where() -> dict[str, str | int]:
    settings = get_settings()
    return {
        "slurm_job": os.environ["SLURM_JOB_ID"],
        "ranks": settings.espresso_ranks,
        "workers": settings.workers,
        "threads": os.environ["OMP_NUM_THREADS"],
    }
