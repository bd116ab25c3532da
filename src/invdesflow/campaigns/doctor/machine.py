"""Checks of the machine: disk, threads, clock."""

import os
import shutil
from collections.abc import Iterator

from invdesflow.campaigns.doctor.findings import Finding
from invdesflow.espresso.tasks import run_root
from invdesflow.settings import Settings

__all__ = ["disk_space", "threads"]

_LITTLE_BYTES, _SCARCE_BYTES = 1e9, 20e9
"""Free space in which a campaign with a potential fits, and in which a calculation of a few atoms does."""


def disk_space(settings: Settings) -> Iterator[Finding]:
    """Look whether there is space for the documents, and for the run folders of Quantum ESPRESSO."""
    for folder, setting in (
        (settings.data_dir, "INVDESFLOW_DATA_DIR"),
        (run_root(settings), "INVDESFLOW_ESPRESSO_DIR"),
    ):
        place = next(path for path in (folder, *folder.parents) if path.exists())
        subject, remedy = f"disk of {folder}", f"Free some, or choose another folder with {setting}."
        if not os.access(place, os.W_OK):
            yield Finding(subject, "missing", f"{place} cannot be written", remedy)
            continue
        free = shutil.disk_usage(place).free
        found = f"{free / 1e9:.1f} GB free"
        if free >= _SCARCE_BYTES:
            yield Finding(subject, "ok", found)
        else:
            yield Finding(subject, "warning" if free >= _LITTLE_BYTES else "missing", found, remedy)


def threads() -> Iterator[Finding]:
    """Look whether each process keeps to one thread."""
    value = os.environ.get("OMP_NUM_THREADS")
    remedy = "Run: export OMP_NUM_THREADS=1; parallelism comes from processes and ranks."
    if value == "1":
        yield Finding("OMP_NUM_THREADS", "ok", "1")
    else:
        yield Finding("OMP_NUM_THREADS", "warning", "is not set" if value is None else f"is {value}", remedy)
