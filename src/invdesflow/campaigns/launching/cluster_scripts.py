"""What FireWorks' queue adapter asks of a scheduler, and what its jobs run."""

import shlex
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from invdesflow.campaigns.launching.categories import Category
from invdesflow.campaigns.launching.cluster_folder import ClusterFolder
from invdesflow.campaigns.launching.cluster_profile import JobProfile, Profile, Scheduler
from invdesflow.errors import ConfigurationError

__all__ = ["queue_adapter", "script_template"]

_TYPES: Mapping[Scheduler, str] = {"slurm": "SLURM", "pbs": "PBS", "sge": "SGE", "lsf": "LoadSharingFacility"}
# By its full name, because for a short one FireWorks imports all of its modules, tests included.
_ADAPTER = "{{fireworks.user_objects.queue_adapters.common_adapter.CommonAdapter}}"
# How a job learns how many ranks it got, which a firework may have asked for itself.
_RANKS: Mapping[Scheduler, str] = {
    "slurm": "$SLURM_NTASKS",
    "pbs": '$(wc -l < "$PBS_NODEFILE")',
    "sge": "$NSLOTS",
    "lsf": "$LSB_DJOB_NUMPROC",
}
# The last part of a job's time, in which it takes no further firework, and before which pw.x and ph.x stop themselves.
_LAUNCHING_PERCENT, _PROGRAM_PERCENT = 75, 90


def queue_adapter(folder: ClusterFolder, category: Category) -> dict[str, Any]:
    """Return FireWorks' queue adapter for the jobs of a category."""
    profile, job = folder.profile, folder.profile.job(category)
    template = {} if script_template(profile) is None else {"_fw_template_file": str(folder.path / "template.txt")}
    adapter = {
        "_fw_name": _ADAPTER,
        "_fw_q_type": _TYPES[profile.scheduler],
        **template,
        "rocket_launch": _rocket_launch(folder, category),
        "pre_rocket": _before_the_rocket(folder, category),
        **_request(profile.scheduler, job, category),
        "queue": job.partition or profile.partition,
        "account": job.account or profile.account,
        "job_name": category,
        "logdir": str(folder.logs),
        **job.options,
    }
    return {key: value for key, value in adapter.items() if value is not None}


def _request(scheduler: Scheduler, job: JobProfile, category: Category) -> dict[str, Any]:
    """Return what the script asks for, by the keys of its template."""
    tasks, cores_of_a_task = (1, job.cores) if category == "ml" else (job.all_cores, 1)
    if scheduler == "sge":
        return {"slots": job.all_cores, "walltime": job.wall_time}
    if scheduler == "lsf":
        minutes = -(-job.seconds // 60)
        return {"slots": job.all_cores, "slots_per_node": job.cores, "minutes": minutes}
    request = {"ntasks": tasks, "cpus_per_task": cores_of_a_task, "walltime": job.wall_time}
    return request | ({"nodes": job.nodes} if scheduler == "slurm" else {})


def _rocket_launch(folder: ClusterFolder, category: Category) -> str:
    job = folder.profile.job(category)
    program = shlex.quote(str(folder.profile.python.absolute() / "bin" / "rlaunch"))
    rlaunch = f"{program} -l {shlex.quote(str(folder.launchpad))} -w {shlex.quote(str(folder.worker(category)))}"
    timeout = f"--timeout {_LAUNCHING_PERCENT * job.seconds // 100}"
    if job.launch == "single":
        return f"{rlaunch} singleshot"
    if job.at_once > 1:
        return f"{rlaunch} multi {job.at_once} --max_loops 2 {timeout}"
    return f"{rlaunch} rapidfire --max_loops 2 {timeout}"


def _before_the_rocket(folder: ClusterFolder, category: Category) -> str:
    """Return the lines of shell that tell the job's processes what they may use."""
    job = folder.profile.job(category)
    lines = [f"source {shlex.quote(str(folder.environment))} || exit 1"]
    lines.append(f"export INVDESFLOW_WORKERS={job.cores // job.at_once or 1}")
    if category != "ml":
        ranks = _RANKS[folder.profile.scheduler]
        share = ranks if job.at_once == 1 else f"$(({ranks} / {job.at_once}))"
        lines.append(f"export INVDESFLOW_ESPRESSO_RANKS={share}")
        # epw.x takes one pool for each rank.
        lines.append(f"export INVDESFLOW_ESPRESSO_POOLS={folder.profile.espresso.pools if category == 'dft' else 1}")
        # A firework may have asked for another wall time; newer versions of Slurm tell the end of the job.
        lines.append("now=$(date +%s)")
        end = f"${{SLURM_JOB_END_TIME:-$((now + {job.seconds}))}}"
        lines.append(f"export INVDESFLOW_ESPRESSO_END_TIME=$((now + {_PROGRAM_PERCENT} * ({end} - now) / 100))")
    return "\n".join(lines)


def script_template(profile: Profile) -> str | None:
    """Return the script template where FireWorks' own does not do.

    FireWorks' own ask neither PBS Pro for ranks, nor SGE for cores and time, nor LSF for an account.

    Raises
    ------
    ConfigurationError
        If the profile names one that cannot be read.
    """
    if profile.template is not None:
        try:
            return profile.template.expanduser().read_text()
        except OSError as error:
            raise ConfigurationError(
                f"The template {profile.template} cannot be read: {error.strerror}.", "Correct it in the profile."
            ) from error
    if profile.scheduler == "slurm":
        return None
    return files("invdesflow.campaigns.launching").joinpath("templates", f"{profile.scheduler}.txt").read_text()
