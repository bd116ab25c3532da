"""kill -9 of Slurm's job, which takes its rocket with it."""

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from random import Random

from invdesflow.testing.faults import programs
from invdesflow.testing.faults.killed import STEPS, mend_queue, put_on_queue
from invdesflow.testing.faults.scenario import Outcome, Scenario, ended_well, losses_at_the_end
from invdesflow.testing.faults.world import Place, World
from invdesflow.testing.slurm import Slurm, running_slurm, why_not

__all__ = ["slurm_scenario"]

_LIMIT_S = 60.0
_SCRIPT = """#!/bin/bash
{variables}
cd {folder}
exec {rlaunch} -l {launchpad} -s rapidfire --sleep 1
"""


def slurm_scenario(stack: ExitStack) -> Scenario:
    """Return the scenario; its Slurm is started once, when it is first needed, and ends with the stack."""
    started: list[Slurm] = []

    def run(place: Place, random: Random) -> Outcome:
        if not started:
            started.append(stack.enter_context(running_slurm()))
        return _kill_job(started[0], place, random)

    return Scenario("kill -9 of Slurm's job (scancel -s KILL)", run, why_not)


def _kill_job(slurm: Slurm, place: Place, random: Random) -> Outcome:
    with place.world() as world:
        arguments = put_on_queue(world, 0.3)
        script = str(_script(world, *arguments))
        job = slurm.command("sbatch", "--parsable", f"--output={world.folder}/slurm.log", script).strip()
        _wait_until_ready(slurm, job)
        moment = random.uniform(2.0, 9.0)
        time.sleep(moment)
        alive = _kill(slurm, job)
        _wait_until_gone(slurm)
        with world.database() as database:
            mend_queue(database)
        lost = ended_well(world.start(programs.rocket, *arguments, name="finish"))
        said = f"{moment:.2f} s after its start" + ("" if alive else ", when it had ended")
        return Outcome(said, lost + losses_at_the_end(world, {"cheap": STEPS}))


def _script(world: World, launchpad: Path, folder: Path) -> Path:
    variables = "\n".join(f"export {name}={value}" for name, value in world.environment.items())
    rlaunch = Path(sys.executable).with_name("rlaunch")
    script = world.folder / "job.sh"
    script.write_text(_SCRIPT.format(variables=variables, folder=folder, rlaunch=rlaunch, launchpad=launchpad))
    return script


def _wait_until_ready(slurm: Slurm, job: str) -> None:
    _wait(lambda: _state(slurm, job) != "PENDING", "begin")


def _state(slurm: Slurm, job: str) -> str:
    return slurm.command("squeue", "--noheader", "--states=all", "--format=%T", "--jobs", job).strip()


def _kill(slurm: Slurm, job: str) -> bool:
    """Kill the job; return whether it still ran."""
    try:
        slurm.command("scancel", "--signal=KILL", "--full", job)
    except subprocess.CalledProcessError:
        if _state(slurm, job) == "RUNNING":
            raise
        return False
    return True


def _wait_until_gone(slurm: Slurm) -> None:
    _wait(lambda: not slurm.command("squeue", "--noheader", "--format=%T").strip(), "end")


def _wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _LIMIT_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the Slurm job does not {what} within {_LIMIT_S:.0f} s")
        time.sleep(0.1)
