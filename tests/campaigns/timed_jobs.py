"""Jobs that write down when they ran, for tests of what runs when; worker processes import them from here."""

import json
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from jobflow import Flow, OnMissing, Response, job

from invdesflow.errors import EspressoError
from invdesflow.settings import get_settings


def began(folder: Path) -> dict[str, float]:
    return {path.stem: json.loads(path.read_text())["begin"] for path in folder.glob("*.json")}


def ended(folder: Path) -> dict[str, float]:
    return {
        path.stem: record["end"] for path in folder.glob("*.json") if "end" in (record := json.loads(path.read_text()))
    }


def _note(folder: str, name: str, **times: float) -> None:
    path = Path(folder, f"{name}.json")
    path.with_suffix(".new").write_text(json.dumps(times))
    path.with_suffix(".new").replace(path)


@job
def step(folder: str, name: str, after: object = None, seconds: float = 0.0) -> str:
    begin = time.monotonic()
    _note(folder, name, begin=begin)
    time.sleep(seconds)
    _note(folder, name, begin=begin, end=time.monotonic())
    return f"{name} after {after}"


@job
def meet(folder: str, name: str, others: Sequence[str]) -> str:
    """Wait until the others have begun: together they end only if they run at the same time."""
    _note(folder, name, begin=time.monotonic())
    limit = time.monotonic() + 300.0
    while not all(Path(folder, f"{other}.json").exists() for other in others):
        if time.monotonic() > limit:
            raise EspressoError(f"{name} is alone.")
        time.sleep(0.01)
    return name


@job
def fail(folder: str, name: str, after: object = None) -> str:
    _note(folder, name, begin=time.monotonic())
    raise EspressoError(f"{name} does not work.", "Do without it.")


@job
def be_killed(folder: str, name: str) -> str:
    _note(folder, name, begin=time.monotonic())
    os.kill(os.getpid(), signal.SIGKILL)
    return name


@job
def expand(folder: str, name: str, depth: int, broken: str = "", after: object = None) -> Response:
    """Replace this job by two steps in a row, the second of which is expanded again until the depth is reached."""
    _note(folder, name, begin=time.monotonic())
    first = step(folder, f"{name}.1", seconds=0.01)
    first = fail(folder, f"{name}.1") if broken == f"{name}.1" else first
    if depth:
        inner = expand(folder, f"{name}.2", depth - 1, broken)
        last = step(folder, f"{name}.3", [first.output, inner.output])
        return Response(replace=Flow([first, inner, last], output=last.output))
    last = step(folder, f"{name}.2", first.output)
    return Response(replace=Flow([first, last], output=last.output))


@job
def branch(folder: str, name: str, way: str) -> Response:
    """Let two steps be run in the place of this job, or besides, with no output of their own."""
    _note(folder, name, begin=time.monotonic())
    first = step(folder, f"{name}.1", seconds=0.02)
    second = step(folder, f"{name}.2", first.output, seconds=0.02)
    return Response(output=name, **{way: Flow([first, second])})


@job
def settings_of_the_worker() -> str:
    return str(get_settings().espresso_dir)


def regardless(one):
    """Let a job run although what it asks for is missing."""
    one.config.on_missing_references = OnMissing.NONE
    return one
