"""Checks of the cluster in use."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from invdesflow.campaigns.doctor.findings import Finding, carry_out
from invdesflow.campaigns.launching.cluster_checks import cluster_checks
from invdesflow.campaigns.launching.cluster_folder import ClusterFolder
from invdesflow.campaigns.launching.cluster_profile import read_profile
from invdesflow.database.database import Database

__all__ = ["cluster"]


def cluster(database: Database) -> Iterator[Finding]:
    """Check the folder of the cluster whose environment this shell has, if it has one."""
    configuration = os.environ.get("FW_CONFIG_FILE")
    folder = Path(configuration).parent if configuration else None
    if folder is not None and (folder / "profile.yaml").exists():
        checks = cluster_checks(ClusterFolder(folder, read_profile(folder / "profile.yaml")), database.store_file)
        yield from (finding for check in checks for finding in carry_out(check))
        return
    commands = [name for name in ("sbatch", "qsub", "bsub") if shutil.which(name)]
    if commands:
        remedy = "Run `invdesflow hpc init`, then source its environment.sh."
        yield Finding("cluster", "warning", f"{commands[0]} is here, but no cluster is set up in this shell", remedy)
