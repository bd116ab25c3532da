"""`invdesflow hpc`: FireWorks on a cluster."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from invdesflow.cli.doctor import FINDING_COLUMNS
from invdesflow.cli.output import JsonFlag, print_json, print_table, say
from invdesflow.errors import ConfigurationError

if TYPE_CHECKING:
    from invdesflow.campaigns.launching.cluster_profile import Profile

app = typer.Typer(help="FireWorks on a cluster: write its files and check them.", no_args_is_help=True)

SchedulerName = Literal["slurm", "pbs", "sge", "lsf"]


@app.callback()
def hpc() -> None:
    """FireWorks on a cluster: write its files and check them."""


@app.command()
def init(
    scheduler: Annotated[SchedulerName | None, typer.Option(help="Scheduler, where no profile says it")] = None,
    profile: Annotated[Path | None, typer.Option(help="YAML file that describes the cluster")] = None,
    folder: Annotated[Path, typer.Option(help="Folder to write, which every node must see")] = Path("cluster"),
    force: Annotated[bool, typer.Option("--force", help="Write over the files that are there.")] = False,
    json: JsonFlag = False,
) -> None:
    """Write the files of FireWorks and jobflow for a cluster, check them, and print how to launch."""
    from invdesflow.campaigns.doctor.findings import carry_out
    from invdesflow.campaigns.launching.categories import CATEGORIES
    from invdesflow.campaigns.launching.cluster_checks import cluster_checks, script
    from invdesflow.campaigns.launching.cluster_files import launch_lines, write_cluster
    from invdesflow.database import Database

    described = _profile(scheduler, profile)
    source = None if profile is None else profile.read_text()
    with Database() as database:
        written = write_cluster(database, described, folder, source, force=force)
        findings = [finding for check in cluster_checks(written, database.store_file) for finding in carry_out(check)]
    if json:
        print_json(map(asdict, findings))
    else:
        for category in CATEGORIES:
            typer.echo(f"--- what a job of {category} runs\n{script(written, category).strip()}\n")
        print_table(list(map(asdict, findings)), FINDING_COLUMNS)
    say(f"{written.path} is written, from {written.source}. It may hold passwords and is readable by you alone.")
    if any(finding.verdict == "missing" for finding in findings):
        raise ConfigurationError("The cluster's files cannot be used yet.", "Mend what is missing, then --force.")
    say("Launch with:\n  " + "\n  ".join(launch_lines(written)))


def _profile(scheduler: SchedulerName | None, path: Path | None) -> "Profile":
    from invdesflow.campaigns.launching.cluster_detection import detected_profile
    from invdesflow.campaigns.launching.cluster_profile import read_profile

    if path is None and scheduler is None:
        raise ConfigurationError("Which scheduler?", "Name it with --scheduler, or give a --profile.")
    if path is None:
        return detected_profile(scheduler or "slurm")
    profile = read_profile(path)
    if scheduler not in (None, profile.scheduler):
        raise ConfigurationError(f"The profile {path} is of {profile.scheduler}, not of {scheduler}.", "Leave one out.")
    return profile
