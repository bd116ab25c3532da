"""`invdesflow schedule`: run builders at the times of a cron expression."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from invdesflow.cli.output import say

if TYPE_CHECKING:
    from invdesflow.learning.scheduling import Schedule


def add_commands(app: typer.Typer) -> None:
    """Register the command of this file."""
    app.command()(schedule)


def schedule(
    file: Annotated[Path | None, typer.Argument(help="YAML file; the options change what it says")] = None,
    cron: Annotated[str | None, typer.Option(help="Minute, hour, day, month, day of the week: '0 3 * * *'")] = None,
    builder: Annotated[
        list[str] | None, typer.Option(help="summary, training-sets or retraining; repeat it, in their order")
    ] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Kind of model to retrain; repeat it")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="New rows that are enough to retrain")] = None,
    launchpad: Annotated[
        bool | None, typer.Option(help="Put retrainings on the FireWorks launchpad instead of running them here")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Run now, once, and end")] = False,
    systemd: Annotated[Path | None, typer.Option(help="Write a systemd timer and its service into a folder")] = None,
    crontab: Annotated[bool, typer.Option("--crontab", help="Print a line for crontab -e")] = False,
) -> None:
    """Keep summaries, training sets and models current, in the foreground, until Ctrl-C; one line for each run."""
    from invdesflow.learning.scheduling import run_once, run_schedule

    given: dict[str, Any] = {"cron": cron, "builders": builder, "kinds": kind, "launchpad": launchpad}
    plan = _plan(file, {name: value for name, value in given.items() if value is not None}, count)
    if systemd is not None or crontab:
        _write(plan, file, systemd, crontab=crontab)
        return
    tasks: dict[str, Callable[[], str]] = {name: _task(name, plan) for name in plan.builders}
    if not once:
        run_schedule(plan.cron, tasks, say)
    elif not run_once(tasks, say):
        raise typer.Exit(1)


def _plan(file: Path | None, given: dict[str, Any], count: int | None) -> "Schedule":
    from pydantic import ValidationError

    from invdesflow.errors import ConfigurationError
    from invdesflow.learning.scheduling import Schedule
    from invdesflow.settings import one_line
    from invdesflow.yaml_files import read_yaml

    remedy = "Give a YAML file of names and values."
    content = {} if file is None else read_yaml(file, "The schedule", remedy)
    try:
        if count is not None:
            given["rule"] = dict(content.get("rule") or {}) | {"count": count}
        return Schedule(**(content | given))
    except ValidationError as error:
        raise ConfigurationError(f"The schedule does not fit: {one_line(error)}.", "See `--help`.") from error
    except (TypeError, ValueError) as error:  # a name that is no text, a rule that is no mapping
        raise ConfigurationError(f"The schedule {file} does not fit: {error}.", remedy) from error


def _task(name: str, plan: "Schedule") -> Callable[[], str]:
    """Return what runs a builder on a database of its own connection."""
    from invdesflow.database import Database

    def run() -> str:
        with Database() as database:
            return _BUILDERS[name](database, plan)

    return run


def _summaries(database: Any, _: "Schedule") -> str:
    from invdesflow.campaigns.builders import SummaryBuilder
    from invdesflow.errors import DatabaseError

    builder = SummaryBuilder()
    builder.run_here(database)
    told = f"{builder.written} written, {len(builder.failures)} failed"
    if builder.failures:
        first = builder.failures[0]
        raise DatabaseError(f"{told}, the first of them {first.key}: {first.reason}")
    return told


def _training_sets(database: Any, plan: "Schedule") -> str:
    from invdesflow.errors import LearningError
    from invdesflow.learning.training_set_builder import TrainingSetBuilder

    builder = TrainingSetBuilder(kinds=plan.kinds)
    builder.run_here(database)
    told = [f"{builder.written} new", *(f"{kind}: {problem}" for kind, problem in builder.failures.items())]
    if builder.failures:
        raise LearningError("; ".join(told))
    return "; ".join(told)


def _retraining(database: Any, plan: "Schedule") -> str:
    from invdesflow.campaigns.launching.launchpad import launch_command
    from invdesflow.campaigns.retraining import LaunchpadRetrainingBuilder
    from invdesflow.errors import LearningError
    from invdesflow.learning.retraining_builder import WAITING, RetrainingBuilder

    builder = (LaunchpadRetrainingBuilder if plan.launchpad else RetrainingBuilder)(
        kinds=plan.kinds, rule=plan.rule.model_dump(), settings=plan.settings.model_dump()
    )
    builder.run_here(database)
    told = [f"{one.kind}: {one.new_rows} new, {one.remark}" for one in builder.started]
    if plan.launchpad and any(one.remark == WAITING for one in builder.started):
        told.append(f"run what waits with: {launch_command(database)}")
    if any(one.failed for one in builder.started):
        raise LearningError("; ".join(told))
    return "; ".join(told)


_BUILDERS: dict[str, Callable[[Any, "Schedule"], str]] = {
    "summary": _summaries,
    "training-sets": _training_sets,
    "retraining": _retraining,
}


def _write(plan: "Schedule", file: Path | None, folder: Path | None, *, crontab: bool) -> None:
    """Write the timer, or print the line; the environment holds paths and no credentials."""
    import os
    import sys

    from invdesflow.learning.scheduling import crontab_line, systemd_units
    from invdesflow.settings import SETTINGS_FILE_VARIABLE, get_settings

    settings = get_settings()
    environment = {"INVDESFLOW_STORES": str(settings.stores), "INVDESFLOW_DATA_DIR": str(settings.data_dir)}
    if SETTINGS_FILE_VARIABLE in os.environ:
        environment[SETTINGS_FILE_VARIABLE] = str(Path(os.environ[SETTINGS_FILE_VARIABLE]).absolute())
    command = [sys.executable, "-m", "invdesflow.cli.main", "schedule", "--once"]
    command += [] if file is None else [str(file.absolute())]
    command += [part for name in plan.builders for part in ("--builder", name)]
    command += [part for name in plan.kinds for part in ("--kind", name)]
    command += ["--count", str(plan.rule.count)] if plan.rule.count is not None else []
    command += ["--launchpad"] if plan.launchpad else []
    if crontab:
        typer.echo(crontab_line(plan.cron, command, environment))  # on stdout, for a pipe into crontab
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for ending, content in systemd_units(plan.cron, command, environment).items():
            (folder / f"invdesflow.{ending}").write_text(content, encoding="utf-8")
        say(f"{folder} holds invdesflow.timer and its service; see docs/how-to/retrain.md for how to start them.")
