"""Running tasks at the times of a cron expression: in the foreground, from a systemd timer, or from a crontab."""

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Literal

from apscheduler.triggers.cron import CronTrigger
from pydantic import BaseModel, ConfigDict, Field, field_validator

from invdesflow.errors import ConfigurationError
from invdesflow.learning.retraining import RetrainingRule, RetrainingSettings
from invdesflow.learning.training_set_documents import Kind

__all__ = ["BuilderName", "Schedule", "cron_trigger", "crontab_line", "run_once", "run_schedule", "systemd_units"]

BuilderName = Literal["summary", "training-sets", "retraining"]
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONGEST_WAIT_S = 60.0
"""A clock may be set, and a computer may sleep: look again."""


class Schedule(BaseModel):
    """What is run, and when: a YAML file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cron: str = Field("0 3 * * *", description="minute, hour, day of the month, month, day of the week (0 is Sunday)")
    builders: tuple[BuilderName, ...] = Field(("summary", "retraining"), description="in this order")
    kinds: tuple[Kind, ...] = Field(("tc",), description="kinds of model that are retrained")
    rule: RetrainingRule = Field(default_factory=RetrainingRule, description="when enough is new")
    settings: RetrainingSettings = Field(default_factory=RetrainingSettings, description="how to train")
    launchpad: bool = Field(
        False, description="put retrainings on the FireWorks launchpad instead of running them here"
    )

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, cron: str) -> str:
        try:
            cron_trigger(cron)
        except ConfigurationError as error:
            raise ValueError(str(error)) from None
        return cron


def cron_trigger(cron: str) -> CronTrigger:
    """Read a cron expression of five fields.

    Raises
    ------
    ConfigurationError
        If it is none.
    """
    fields = _fields(cron)
    try:
        # APScheduler counts the days of the week from Monday, cron from Sunday: name them.
        return CronTrigger.from_crontab(" ".join([*fields[:4], ",".join(_days(fields[4])) or "*"]))
    except ValueError as error:
        raise _no_cron(cron) from error


def run_once(tasks: Mapping[str, Callable[[], str]], tell: Callable[[str], None]) -> bool:
    """Run tasks one after the other and tell in one line each what they did; return whether all succeeded."""
    succeeded = True
    for name, task in tasks.items():
        started = time.monotonic()
        try:
            result = task()
        except Exception as error:  # noqa: BLE001 - a full disk must not end the scheduler
            result, succeeded = f"error: {error or type(error).__name__}", False
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        tell(f"{now} {name}: {result} ({time.monotonic() - started:.1f} s)")
    return succeeded


def run_schedule(cron: str, tasks: Mapping[str, Callable[[], str]], tell: Callable[[str], None]) -> None:
    """Run tasks at the times of a cron expression, in this thread, until it is interrupted.

    A time that passes while tasks are running is left out. An interruption reaches the task itself, which leaves its
    work so that the next run continues.

    Raises
    ------
    ConfigurationError
        If the expression is none, or never comes true.
    KeyboardInterrupt
        At Ctrl-C or SIGTERM.
    """
    trigger = cron_trigger(cron)
    while True:
        due = trigger.get_next_fire_time(None, datetime.now().astimezone())
        if due is None:
            raise ConfigurationError(f"There is no time at which {cron!r} comes true.", "See `man 5 crontab`.")
        tell(f"next run: {due.isoformat(timespec='seconds')}")
        while (wait := (due - datetime.now().astimezone()).total_seconds()) > 0:
            time.sleep(min(wait, _LONGEST_WAIT_S))
        run_once(tasks, tell)


def crontab_line(cron: str, command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return a line for ``crontab -e``; cron itself takes ``%`` for the end of a line."""
    cron_trigger(cron)
    variables = [f"{name}={shlex.quote(value)}" for name, value in environment.items()]
    return f"{cron} {' '.join([*variables, shlex.join(command)])}".replace("%", r"\%")


def systemd_units(cron: str, command: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return a service that runs a command once, and a timer that starts it.

    Returns
    -------
    dict
        Ending of the file name, ``service`` or ``timer`` -> content.

    Raises
    ------
    ConfigurationError
        If a day of the month and one of the week are given: cron runs on either, systemd on both together.
    """
    minute, hour, day, month, weekday = _fields(cron)
    cron_trigger(cron)
    if day != "*" and weekday != "*":
        raise ConfigurationError(
            f"A timer cannot say {cron!r}: a day of the month or one of the week.", "Write two, or use --crontab."
        )
    days = ",".join(name.capitalize() for name in _days(weekday))
    date = f"*-{_systemd(month, 1)}-{_systemd(day, 1)} {_systemd(hour, 0)}:{_systemd(minute, 0)}:00"
    variables = "".join(f"Environment={_quoted(f'{name}={value}')}\n" for name, value in environment.items())
    line = " ".join(_quoted(part) for part in command)
    return {
        "service": "[Unit]\nDescription=InvDesFlow: builders and retraining\n\n[Service]\nType=oneshot\n"
        f"TimeoutStartSec=infinity\n{variables}ExecStart={line}\n",
        "timer": "[Unit]\nDescription=InvDesFlow: builders and retraining\n\n[Timer]\n"
        f"OnCalendar={f'{days} {date}'.strip()}\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n",
    }


def _quoted(part: str) -> str:
    escaped = part.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def _fields(cron: str) -> list[str]:
    fields = cron.lower().split()
    if len(fields) != 5:
        raise _no_cron(cron)
    for number, name in enumerate(_MONTHS, start=1):
        fields[3] = fields[3].replace(name, str(number))
    return fields


def _no_cron(cron: str) -> ConfigurationError:
    return ConfigurationError(
        f"{cron!r} is not a cron expression.",
        "Give minute, hour, day of the month, month, day of the week: '0 3 * * *' is every night at three.",
    )


def _days(field: str) -> list[str]:
    """Return the names of the days of the week that a field means; none where it means every day."""
    if field == "*":
        return []
    chosen: set[int] = set()
    try:
        for part in field.split(","):
            span, _, step = part.partition("/")
            first, dash, last = span.partition("-")
            start, end = (0, 6) if span == "*" else (_day(first), _day(last) if dash else _day(first))
            chosen |= {number % 7 for number in range(start, end + 1, int(step or 1))}
    except (ValueError, IndexError):
        chosen = set()
    if not chosen:
        raise _no_cron(f"* * * * {field}")
    return [_DAYS[number] for number in sorted(chosen)]


def _day(text: str) -> int:
    number = _DAYS.index(text) if text in _DAYS else int(text)
    if not 0 <= number <= 7:
        raise ValueError(text)
    return number


def _systemd(field: str, first: int) -> str:
    """Write a field of numbers as systemd has it: ``..`` for a range, a start before a step."""
    parts = []
    for part in field.split(","):
        span, slash, step = part.partition("/")
        begin = str(first) if span == "*" and slash else span.replace("-", "..")
        parts.append(f"{begin}/{step}" if slash else begin)
    return ",".join(parts)
