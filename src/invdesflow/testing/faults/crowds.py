"""Several at once, and clocks that do not agree."""

import shutil
import time
from datetime import timedelta
from pathlib import Path
from random import Random

from invdesflow.testing.faults import programs
from invdesflow.testing.faults.killed import STEPS, mend_queue, put_on_queue
from invdesflow.testing.faults.scenario import Outcome, Scenario, ended_well, losses_at_the_end
from invdesflow.testing.faults.world import Place

__all__ = ["CROWDS"]

_BUSY = 7  # exit code of a campaign that somebody else is running
_LIBRARY = "faketime/libfaketime.so.1"
_SILENCE = timedelta(minutes=30)
_PATIENCE = timedelta(seconds=20)  # a rocket that lives may be in the middle of an update, on a slow machine
_LIMIT_S = 300.0


def _many_at_once(place: Place, random: Random) -> Outcome:
    with place.world() as world:
        delays = [random.uniform(0.0, 0.5) for _ in range(5)]
        names = ["one", "other", "one"]
        running = []
        for number, delay in enumerate(delays):
            time.sleep(delay)
            if number < len(names):
                arguments = (names[number], world.promises.path, STEPS)
                running.append(world.start(programs.campaign, *arguments, name=f"campaign-{number}"))
            else:
                running.append(world.start(programs.summaries, name=f"builder-{number}"))
        lost = []
        for process in running:
            ended = process.finish()
            if ended.code not in (0, _BUSY):
                lost.append(f"{process.log.stem} ended with {ended.code}: {ended.said.strip()[-300:]}")
        for name in sorted(set(names)):
            lost += ended_well(world.start(programs.campaign, name, world.promises.path, STEPS, name=f"finish-{name}"))
        moment = "begun " + ", ".join(f"{delay:.2f}" for delay in delays) + " s after each other"
        return Outcome(moment, lost + losses_at_the_end(world, dict.fromkeys(names, STEPS)))


def _skewed_clock(place: Place, random: Random) -> Outcome:
    hours = random.choice((-1, 1))
    with place.world() as world:
        launchpad, launches = put_on_queue(world, 0.4)
        variables = {"LD_PRELOAD": str(_library()), "FAKETIME": f"{hours:+d}h"}
        skewed = world.rlaunch(launchpad, launches, variables)
        moment = random.uniform(1.0, 6.0)
        time.sleep(moment)
        killed = random.random() < 0.5
        if killed:
            skewed.kill()
        with world.database() as database:
            # A clock that is an hour behind makes a rocket that lives look silent: then two of them do the same work.
            mend_queue(database) if killed else mend_queue(database, _SILENCE, _PATIENCE)
        lost = ended_well(world.start(programs.rocket, launchpad, launches, name="finish"))
        skewed.wait(_LIMIT_S)
        with world.database() as database:
            mend_queue(database)
        lost += ended_well(world.start(programs.rocket, launchpad, launches, name="last"))
        what = f"a rocket {hours:+d} h off, {'killed' if killed else 'taken for lost'} after {moment:.2f} s"
        return Outcome(what, lost + losses_at_the_end(world, {"cheap": STEPS}))


def _library() -> Path | None:
    return next((path for path in Path("/usr/lib").glob(f"*/{_LIBRARY}")), None)


def _no_faketime() -> str | None:
    if _library() is not None:
        return None
    return f"libfaketime is not installed ({'apt-get install faketime' if shutil.which('apt-get') else 'faketime'})"


CROWDS = (
    Scenario("two campaigns and two builders at once, one campaign twice", _many_at_once),
    Scenario("a clock that is wrong by an hour", _skewed_clock, _no_faketime),
)
