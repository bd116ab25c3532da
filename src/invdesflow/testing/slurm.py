"""A real Slurm of one machine for tests: munged, slurmctld and slurmd, without systemd, on free ports.

Use it with ``pytest_plugins = ["invdesflow.testing.slurm"]``, or run a command inside it::

    python -m invdesflow.testing.slurm [--cores 2] bash

It needs root and the Debian packages slurm-wlm and munge.
"""

import argparse
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from invdesflow.testing.local_server import free_port

__all__ = ["Slurm", "end_slurm", "running_slurm", "slurm", "why_not"]

_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "sinfo")
_ADMINISTRATOR_PATH = "/usr/sbin:/sbin"  # not always on the PATH of a user
_START_TIMEOUT_S = 120.0
_SECONDS_TO_END_ORDERLY = 5.0
_ADMINISTRATOR = 0

_CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={socket}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5
SchedulerParameters=batch_sched_delay=0,sched_interval=1
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=4000
PartitionName={partition} Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


@dataclass(frozen=True)
class Slurm:
    """A running Slurm.

    Attributes
    ----------
    folder
        Its configuration, state and logs.
    partition
        Name of its only partition.
    cores
        Cores of its only node, whatever the machine has: so many one-core jobs run at a time.
    """

    folder: Path
    partition: str
    cores: int

    @property
    def configuration(self) -> Path:
        """``slurm.conf``."""
        return self.folder / "slurm.conf"

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables with which sbatch, squeue, scancel and the others find it."""
        return {"SLURM_CONF": str(self.configuration)}

    def command(self, *words: str) -> str:
        """Run one of Slurm's commands; return what it prints.

        Raises
        ------
        subprocess.CalledProcessError
            If it fails.
        """
        environment = os.environ | self.environment
        return subprocess.run(words, env=environment, check=True, capture_output=True, text=True).stdout  # noqa: S603


def why_not() -> str | None:
    """Say why Slurm cannot be started here; None if it can."""
    if os.getuid() != _ADMINISTRATOR:
        return "Slurm is started by root only"
    missing = [program for program in _PROGRAMS if _find(program) is None]
    if missing:
        return f"{', '.join(missing)} not installed: apt-get install slurm-wlm munge"
    return None


@contextmanager
def running_slurm(cores: int = 2) -> Iterator[Slurm]:
    """Start Slurm; end it and all that it runs with the block, and also when this process is killed.

    Raises
    ------
    RuntimeError
        If it cannot be started, with the end of its logs.
    """
    reason = why_not()
    if reason is not None:
        raise RuntimeError(reason)
    # Not in a folder of the caller: munged refuses a path that others than root can change, save the sticky /tmp.
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
    started = Slurm(folder, partition="main", cores=cores)
    daemons: list[subprocess.Popen[bytes]] = []
    # It ends Slurm and removes the folder when its standard input ends, that is, even when this process is killed.
    guard = subprocess.Popen(  # noqa: S603 (our own module)
        [sys.executable, "-m", "invdesflow.testing.slurm_guard", str(folder)],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _configure(started)
        for command in _daemons(started):
            daemons.append(_start(command, started))
            if command[0] == "munged":
                _wait_for(started, _munge_socket(started).exists)
        _wait_for(started, lambda: _is_idle(started))
        yield started
    finally:
        guard.communicate()
        for daemon in daemons:
            daemon.wait()


def _configure(slurm: Slurm) -> None:
    folder = slurm.folder
    folder.chmod(0o711)  # every user of the machine may ask munged
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))
    slurm.configuration.write_text(
        _CONFIGURATION.format(
            folder=folder,
            socket=_munge_socket(slurm),
            partition=slurm.partition,
            cores=slurm.cores,
            host=_host(),
            controller_port=free_port(),
            node_port=free_port(),
        )
    )


def _daemons(slurm: Slurm) -> list[list[str]]:
    """Return the commands that run the daemons in the foreground, in their order."""
    folder = slurm.folder
    files = {"key-file": "munge.key", "pid-file": "munged.pid", "seed-file": "munged.seed", "log-file": "munged.log"}
    options = [f"--{option}={folder / name}" for option, name in files.items()]
    return [
        ["munged", "--foreground", f"--socket={_munge_socket(slurm)}", *options],
        ["slurmctld", "-D", "-i", "-f", str(slurm.configuration)],
        ["slurmd", "-D", "-N", _host(), "-f", str(slurm.configuration)],
    ]


def _start(command: list[str], slurm: Slurm) -> "subprocess.Popen[bytes]":
    with (slurm.folder / f"{command[0]}.out").open("w") as output:
        return subprocess.Popen(  # noqa: S603 (programs of the system)
            [str(_find(command[0])), *command[1:]],
            env=os.environ | slurm.environment,  # by which `end_slurm` knows it
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is not for it
        )


def _munge_socket(slurm: Slurm) -> Path:
    return slurm.folder / "munge.socket"


def _is_idle(slurm: Slurm) -> bool:
    with suppress(subprocess.CalledProcessError):
        return slurm.command("sinfo", "--noheader", "--format=%T").strip() == "idle"
    return False


def _wait_for(slurm: Slurm, condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + _START_TIMEOUT_S
    while not condition():
        if time.monotonic() > limit:
            outputs = (*slurm.folder.glob("*.out"), *slurm.folder.glob("*.log"))
            said = "\n".join(f"{file.name}: {file.read_text()[-1000:]}" for file in outputs)
            raise RuntimeError(f"Slurm does not come up within {_START_TIMEOUT_S:.0f} s.\n{said}")
        time.sleep(0.05)


def end_slurm(folder: Path) -> None:
    """End the daemons, the jobs and the commands of the Slurm in a folder, then remove the folder."""
    limit = time.monotonic() + _SECONDS_TO_END_ORDERLY
    asked: set[int] = set()
    while processes := _processes(folder):
        for process in processes:
            with suppress(psutil.Error):
                if time.monotonic() > limit or _is_step(process, folder):  # a step does not end on request
                    process.kill()
                elif process.pid not in asked:
                    process.terminate()
                    asked.add(process.pid)
        time.sleep(0.05)
    shutil.rmtree(folder)


def _processes(folder: Path) -> list[psutil.Process]:
    """Find what runs with the configuration in a folder: jobs inherit the daemons' variable."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            ours = process.environ().get("SLURM_CONF") == str(folder / "slurm.conf") or _is_step(process, folder)
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _is_step(process: psutil.Process, folder: Path) -> bool:
    # What watches over a job writes its title over its variables; it keeps the log of slurmd open.
    return process.name() == "slurmstepd" and str(folder / "slurmd.log") in {file.path for file in process.open_files()}


def _host() -> str:
    return socket.gethostname().partition(".")[0]


def _find(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{_ADMINISTRATOR_PATH}")


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slurm]:
    """Run Slurm for one test, found by its commands and sub-processes; skip with the reason where it cannot run."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with running_slurm() as started:
        for name, value in started.environment.items():
            monkeypatch.setenv(name, value)
        yield started


def _run_inside() -> int:
    parser = argparse.ArgumentParser(description="Run a command with a Slurm of this machine alone.")
    parser.add_argument("--cores", type=int, default=2, help="cores of its node")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="command to run, such as bash")
    arguments = parser.parse_args()
    with running_slurm(arguments.cores) as started:
        return subprocess.run(arguments.command, env=os.environ | started.environment, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(_run_inside())
