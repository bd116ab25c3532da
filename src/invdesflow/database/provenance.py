"""Where a document came from: filled in by the job that writes it."""

from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from jobflow import CURRENT_JOB

from invdesflow.database.documents import Provenance

__all__ = ["current_provenance"]

_PACKAGES = (
    "invdesflow",
    "pymatgen",
    "spglib",
    "ase",
    "torch",
    "chgnet",
    "sevenn",
    "deepmd-kit",
    "jobflow",
    "atomate2",
    "phonopy",
)


def current_provenance(campaign: str | None, campaign_round: int | None) -> Provenance:
    """Describe the job that runs now.

    Parameters
    ----------
    campaign, campaign_round
        The campaign that asked for the document, if any.

    Returns
    -------
    Provenance
        With the job's uuid and directory where a jobflow job is running.
    """
    job = CURRENT_JOB.job
    return Provenance(
        job_uuids=[] if job is None else [job.uuid],
        directories=[] if job is None else [str(Path.cwd())],
        campaign=campaign,
        campaign_round=campaign_round,
        versions=_versions(),
    )


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
