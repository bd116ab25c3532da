"""kill -9 of the processes that work: a campaign, a worker of its pool, a rocket, a submission, a builder."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from random import Random
from typing import Any

import psutil

from invdesflow.campaigns.builders import SummaryBuilder
from invdesflow.campaigns.launching.launchpad import launchpad_of
from invdesflow.campaigns.launching.lost import find_lost, mend
from invdesflow.campaigns.launching.submission import submit_campaign
from invdesflow.campaigns.recipes import Recipe
from invdesflow.database import Database
from invdesflow.generation.documents import CandidateDocument
from invdesflow.testing.faults import programs
from invdesflow.testing.faults.scenario import Moments, Outcome, Scenario, ended_well, losses_at_the_end, repair_all
from invdesflow.testing.faults.verdict import losses
from invdesflow.testing.faults.work import CheapCampaignMaker, candidate
from invdesflow.testing.faults.world import Place, World

__all__ = ["KILLED", "PATIENCE", "STEPS", "mend_queue", "put_on_queue"]

STEPS = 4
PATIENCE = timedelta(seconds=0.3)  # enough where nobody works any more
_CAMPAIGN = "cheap"
_WORKER_LIMIT_S = 60.0
_CANDIDATES = 40


def put_on_queue(world: World, pause_s: float = 0.02, n_steps: int = STEPS) -> tuple[Any, ...]:
    """Submit the cheap campaign unless that was done; return what a rocket takes."""
    launchpad = world.write_launch_files()
    with world.database() as database:
        submit_campaign(database, Recipe(_CAMPAIGN, CheapCampaignMaker(str(world.promises.path), n_steps, pause_s)))
    return launchpad, world.folder / "launches"


def mend_queue(database: Database, silence: timedelta = timedelta(0), patience: timedelta = PATIENCE) -> None:
    """Do what ``invdesflow runs lost --rerun`` does, until nothing is lost."""
    launchpad = launchpad_of(database)
    while lost := find_lost(launchpad, database.address, silence, patience):
        mend(launchpad, database.address, lost)


def _campaign_arguments(world: World) -> tuple[Any, ...]:
    return _CAMPAIGN, world.promises.path, STEPS


_campaign = Moments(programs.campaign, _campaign_arguments)
_rocket = Moments(programs.rocket, put_on_queue)
_submission = Moments(programs.submit, _campaign_arguments)


def _kill(victim: Moments, mend: Callable[[Database], object], *finish: Moments) -> Callable[[Place, Random], Outcome]:
    """Return what kills a process, mends what it left, and runs what has to finish the work."""

    def run(place: Place, random: Random) -> Outcome:
        with place.world() as world:
            moment = victim.kill_once(world, random)
            lost = _lost_at_once(world)
            with world.database() as database:
                mend(database)
            for number, process in enumerate(finish):
                lost += ended_well(process.start(world, f"finish-{number}"))
            return Outcome(moment, lost + losses_at_the_end(world, {_CAMPAIGN: STEPS}))

    return run


def _nothing(_: Database) -> None:
    """Mend nothing: the same command has to do."""


def _kill_worker(place: Place, random: Random) -> Outcome:
    with place.world() as world:
        arguments = (*_campaign_arguments(world), True, 0.3)
        victim = world.start(programs.campaign, *arguments, name="victim")
        moment = random.uniform(0.0, 1.5)
        killed = _kill_a_worker_of(victim.process.pid, random, moment)
        ended = victim.finish()
        lost = _lost_at_once(world)
        if ended.code not in ((0, 7) if killed else (0,)):
            lost.append(f"the campaign ended with {ended.code}: {ended.said.strip()[-300:]}")
        lost += ended_well(world.start(programs.campaign, *arguments, name="finish"))
        return Outcome(
            f"{moment:.2f} s after its start" if killed else "none was left",
            lost + losses_at_the_end(world, {_CAMPAIGN: STEPS}),
        )


def _kill_a_worker_of(pid: int | None, random: Random, moment: float) -> bool:
    """Kill one worker process of a campaign a while after the first one began; return whether there was one."""
    deadline = time.monotonic() + _WORKER_LIMIT_S
    begun = None
    while time.monotonic() < deadline:
        workers = _workers(pid)
        if workers and begun is None:
            begun = time.monotonic()
        if begun is not None and time.monotonic() - begun >= moment:
            with suppress(psutil.NoSuchProcess, IndexError):
                random.choice(workers).kill()
                return True
            return False
        time.sleep(0.02)
    return False


def _workers(pid: int | None) -> list[psutil.Process]:
    found = []
    with suppress(psutil.Error):
        for child in psutil.Process(pid).children():
            with suppress(psutil.Error):
                if any("spawn_main" in word for word in child.cmdline()):
                    found.append(child)
    return sorted(found, key=lambda child: child.pid)


def _with_candidates(world: World) -> tuple[Any, ...]:
    with world.database() as database:
        database.collection(CandidateDocument).insert_new(candidate(number, "none") for number in range(_CANDIDATES))
    return ()


_builder = Moments(programs.summaries, _with_candidates)


def _kill_builder(place: Place, random: Random) -> Outcome:
    with place.world() as world:
        moment = _builder.kill_once(world, random)
        lost = _lost_at_once(world)
        lost += ended_well(_builder.start(world))
        with world.database() as database:
            built = _summaries(database)
            database.raw["summary"].delete_many({})
            SummaryBuilder().run_here(database)
            if built != _summaries(database) or len(built) != _CANDIDATES:
                lost.append("what was built in two runs is not what is built in one")
        return Outcome(moment, lost + losses_at_the_end(world))


def _summaries(database: Database) -> list[dict[str, Any]]:
    of_no_interest = {"_id": 0, "created_at": 0, "updated_at": 0, "provenance": 0}
    return list(database.raw["summary"].find({}, of_no_interest).sort("candidate_id", 1))


def _lost_at_once(world: World) -> list[str]:
    with world.database() as database:
        return list(losses(database, world.promises))


KILLED = (
    Scenario("kill -9 of the campaign process", _kill(_campaign, _nothing, _campaign)),
    Scenario("kill -9 of a worker process in a batch", _kill_worker),
    Scenario("kill -9 of a rocket", _kill(_rocket, mend_queue, _rocket)),
    Scenario("kill -9 of a submission", _kill(_submission, repair_all, _submission, _rocket)),
    Scenario("kill -9 of a builder in the middle of its update", _kill_builder),
)
