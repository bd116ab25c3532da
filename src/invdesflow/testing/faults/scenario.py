"""`Scenario`: one fault, what it does to which process, and what was lost by it."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from invdesflow.database import Database
from invdesflow.testing.faults.processes import Started
from invdesflow.testing.faults.verdict import campaign_losses, findings, losses
from invdesflow.testing.faults.world import Place, World

__all__ = ["Moments", "Outcome", "Scenario", "ended_well", "losses_at_the_end", "repair_all"]


@dataclass(frozen=True)
class Outcome:
    """What one repeat did.

    Attributes
    ----------
    moment
        When the fault happened.
    losses
        What was lost; nothing, as it should be.
    """

    moment: str
    losses: list[str]


@dataclass(frozen=True)
class Scenario:
    """One kind of fault.

    Attributes
    ----------
    name
        What happens.
    run
        Lets it happen once, at a moment that the random numbers choose.
    why_not
        Says why it cannot be tried here; none if it can.
    """

    name: str
    run: Callable[[Place, Random], Outcome]
    why_not: Callable[[], str | None] = lambda: None


class Moments:
    """Moments of the run of a process, spread over its time and over its writes to the database.

    Parameters
    ----------
    target
        Function of `invdesflow.testing.faults.programs` that the process runs.
    prepare
        Makes the arguments of a run in a new world.
    """

    def __init__(self, target: Callable[..., None], prepare: Callable[[World], tuple[Any, ...]]) -> None:
        self._target, self._prepare = target, prepare
        self._clean: dict[Place, tuple[int, float]] = {}

    def start(self, world: World, name: str = "finish") -> Started:
        """Start the process and leave it alone; what `prepare` did for the first one is not done again."""
        return world.start(self._target, *self._prepare(world), name=name)

    def kill_once(self, world: World, random: Random) -> str:
        """Start the process and kill it at a random moment; return when that was."""
        writes, seconds = self._of_an_undisturbed_run(world.place)
        arguments = self._prepare(world)
        if random.random() < 0.5:
            number = random.randint(1, writes)
            victim = world.start(self._target, *arguments, name="victim", fatal_write=number)
            victim.finish()
            return f"before write {number} of {writes}"
        moment = random.uniform(0.0, seconds)
        victim = world.start(self._target, *arguments, name="victim")
        alive = victim.kill_after(moment)
        return f"after {moment:.2f} of {seconds:.2f} s" + ("" if alive else ", when it had ended")

    def _of_an_undisturbed_run(self, place: Place) -> tuple[int, float]:
        if place not in self._clean:
            with place.world() as world:
                undisturbed = self.start(world)
                ended = undisturbed.finish()
                if ended.code != 0:
                    raise RuntimeError(f"it fails even when nobody disturbs it: {ended.said}")
                self._clean[place] = undisturbed.writes, ended.seconds
        return self._clean[place]


def ended_well(process: Started) -> list[str]:
    """Wait for a process that is to finish the work; say so if it did not."""
    try:
        ended = process.finish()
    except TimeoutError as error:
        return [str(error)]
    return [] if ended.code == 0 else [f"the same command ended with {ended.code}: {ended.said.strip()[-300:]}"]


def repair_all(database: Database) -> list[str]:
    """Do what ``invdesflow db check --repair`` does; return what it found."""
    found = findings(database)
    for finding in found:
        if finding.repair is not None:
            finding.repair()
    return [f"{finding.kind} {finding.identifier}: {finding.remark}" for finding in found]


def losses_at_the_end(world: World, campaigns: dict[str, int] | None = None) -> list[str]:
    """Return what was lost, and what a check and its repair leave over.

    Parameters
    ----------
    world
        Where the fault happened.
    campaigns
        Campaigns that have to be complete, with their steps.
    """
    with world.database() as database:
        lost = [
            *losses(database, world.promises),
            *(one for name, steps in (campaigns or {}).items() for one in campaign_losses(database, name, steps)),
        ]
        repair_all(database)
        lost += losses(database, world.promises)  # a repair must not lose anything either
        lost += [f"not mended: {finding.kind} {finding.identifier}" for finding in findings(database)]
    return lost
