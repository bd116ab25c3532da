"""Faults of the database server: killed, gone for a while, without room on its disk."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import psutil
import yaml

from invdesflow.database.server import LocalServer
from invdesflow.testing.faults import programs
from invdesflow.testing.faults.killed import STEPS, mend_queue, put_on_queue
from invdesflow.testing.faults.scenario import Outcome, Scenario, ended_well, losses_at_the_end
from invdesflow.testing.faults.world import Place, World, place_at

__all__ = ["gone_for", "of_the_server"]

_CAMPAIGN = "cheap"
_SMALL_MB, _LARGE_MB = 150, 600
_PAYLOAD = 400_000
_PATIENCE_MS = 10_000
_FULL_LIMIT_S = 250.0
_WRITING_S = 1.0
_UNMOUNT_LIMIT_S = 60.0
_REFUSED = 3  # exit code of a command whose database fails


def _kill_server(place: Place, random: Random) -> Outcome:
    with place.world() as world:
        arguments = (_CAMPAIGN, world.promises.path, STEPS, False, 0.1)
        victim = world.start(programs.campaign, *arguments, name="victim")
        writers = [world.start(programs.writer, world.promises.path, name, name=name) for name in ("first", "second")]
        moment = random.uniform(0.1, 1.5)
        time.sleep(moment)
        psutil.Process(place.server.status().pid).kill()
        ended = victim.finish()
        lost = [] if ended.code in (0, _REFUSED) else [f"the campaign ended with {ended.code}: {ended.said[-300:]}"]
        for writer in writers:
            writer.kill_after(_WRITING_S)  # one that began later has started the server again, and writes on
        place.server.start()
        lost += ended_well(world.start(programs.campaign, *arguments, name="finish"))
        return Outcome(f"after {moment:.2f} s", lost + _without_writers(world))


def _without_writers(world: World) -> list[str]:
    """Return what was lost; the summaries of the writers have no candidates, so that they are not counted."""
    return [one for one in losses_at_the_end(world, {_CAMPAIGN: STEPS}) if " summary instead of " not in one]


def gone_for(seconds: float) -> Scenario:
    """Return the scenario in which the server is gone for a while, stopped or killed, and comes back."""

    def run(place: Place, random: Random) -> Outcome:
        with place.world() as world:
            _let_nobody_restart_it(world)
            in_queue, stopped = random.random() < 0.5, random.random() < 0.5
            target: Callable[..., None] = programs.rocket if in_queue else programs.campaign
            cheap = (_CAMPAIGN, world.promises.path, STEPS, False, 0.1)
            arguments = put_on_queue(world, 0.1) if in_queue else cheap
            victim = world.start(target, *arguments, name="victim")
            moment = random.uniform(0.1, 1.5)
            time.sleep(moment)
            _be_gone(place.server, seconds, stopped)
            victim.finish()  # it may have failed, or waited and gone on
            if in_queue:
                with world.database() as database:
                    mend_queue(database)
            lost = ended_well(world.start(target, *arguments, name="finish"))
            what = (
                f"{'a rocket' if in_queue else 'a campaign'}, {'stopped' if stopped else 'killed'} after {moment:.2f} s"
            )
            return Outcome(what, lost + losses_at_the_end(world, {_CAMPAIGN: STEPS}))

    return Scenario(f"the database gone for {seconds:g} s and back", run)


def _let_nobody_restart_it(world: World) -> None:
    """Make the server one that commands do not start, as on a cluster."""
    stores = yaml.safe_load(world.stores.read_text())
    world.stores.write_text(yaml.safe_dump(stores | {"server": "remote"}))


def _lose_patience_soon(world: World) -> None:
    """Let clients wait for an answer for seconds, not minutes: a server whose disk is full may hang."""
    stores = yaml.safe_load(world.stores.read_text())
    for store in (stores["docs_store"], *stores["additional_stores"].values()):
        store["mongoclient_kwargs"]["socketTimeoutMS"] = _PATIENCE_MS
    world.stores.write_text(yaml.safe_dump(stores))


def _be_gone(server: LocalServer, seconds: float, stopped: bool) -> None:
    process = psutil.Process(server.status().pid)
    if stopped:
        process.suspend()
        time.sleep(seconds)
        process.resume()
    else:
        process.kill()
        time.sleep(seconds)
        server.start()


def _fill_disk(_: Place, random: Random) -> Outcome:
    with tempfile.TemporaryDirectory() as folder, _small_disk() as disk:
        Path(folder, "database").symlink_to(disk)
        with place_at(Path(folder)) as place:
            return _fill(place, disk, random)


def _fill(place: Place, disk: Path, random: Random) -> Outcome:
    with place.world() as world:
        _lose_patience_soon(world)
        arguments = (world.promises.path, "writer", _PAYLOAD)
        writers = [world.start(programs.writer, *arguments, name="writer")]
        moment = random.uniform(0.0, 2.0)
        time.sleep(moment)
        steps = (world.promises.path, _CAMPAIGN, list(range(150)))
        writers.append(world.start(programs.steps, *steps, name="steps"))
        lost = []
        for writer in writers:
            try:
                ended = writer.finish(_FULL_LIMIT_S)
            except TimeoutError as error:
                lost.append(str(error))
                continue
            if ended.code not in (0, _REFUSED):
                lost.append(f"{writer.log.stem} ended with {ended.code}: {ended.said.strip()[-300:]}")
        _run("mount", "-o", f"remount,size={_LARGE_MB}m", str(disk))
        place.server.stop()
        place.server.start()
        lost += ended_well(world.start(programs.steps, *steps, name="finish"))
        return Outcome(f"with a second writer after {moment:.2f} s", lost + losses_at_the_end(world))


@contextmanager
def _small_disk() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="invdesflow-disk-"))
    _run("mount", "-t", "tmpfs", "-o", f"size={_SMALL_MB}m", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        deadline = time.monotonic() + _UNMOUNT_LIMIT_S
        while subprocess.run(["umount", str(folder)], check=False, capture_output=True).returncode != 0:  # noqa: S603, S607
            if time.monotonic() > deadline:
                raise TimeoutError(f"{folder} cannot be unmounted")
            time.sleep(0.2)  # a server that has been killed closes its files
        folder.rmdir()


def _run(*command: str) -> None:
    subprocess.run(command, check=True)  # noqa: S603 (programs of the system)


def _no_mounts() -> str | None:
    return None if os.geteuid() == 0 else "only root can mount a small disk"


def of_the_server(gone_s: float) -> tuple[Scenario, ...]:
    """Return the scenarios; in one of them the server is gone for so many seconds."""
    return (
        Scenario("kill -9 of the database server", _kill_server),
        gone_for(gone_s),
        Scenario("the disk of the database full", _fill_disk, _no_mounts),
    )
