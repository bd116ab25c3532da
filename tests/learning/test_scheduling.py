"""Cron expressions, and what is written for systemd and cron."""

import os
import shutil
import signal
import subprocess
import sys
from datetime import datetime, timedelta

import pytest
from typer.testing import CliRunner

from invdesflow.campaigns.builders import SummaryBuilder
from invdesflow.cli.main import app
from invdesflow.database.builders import BuildFailure
from invdesflow.errors import ConfigurationError, LearningError
from invdesflow.learning.scheduling import Schedule, cron_trigger, crontab_line, run_once, systemd_units

START = datetime(2026, 11, 22, 12, 0).astimezone()  # a Sunday


def times(cron, number=5):
    trigger, found, now = cron_trigger(cron), [], START
    for _ in range(number):
        now = trigger.get_next_fire_time(None, now + timedelta(seconds=1))
        found.append(now)
    return found


@pytest.mark.parametrize(
    ("field", "days"), [("0", {6}), ("7", {6}), ("1-5", {0, 1, 2, 3, 4}), ("sat,0", {5, 6}), ("*/3", {6, 2, 5})]
)
def test_days_of_the_week_are_those_of_cron(field, days):
    """APScheduler alone would take 0 for Monday."""
    assert {when.weekday() for when in times(f"0 3 * * {field}", 14)} == days


@pytest.mark.parametrize("cron", ["0 3 * * *", "*/15 2-4 * * 1-5", "30 4 1,15 * *", "0 0 1 */3 *", "5 4 * jan,feb sun"])
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_means_the_same_times(cron):
    timer = systemd_units(cron, ["true"], {})["timer"]
    expression = next(line.partition("=")[2] for line in timer.splitlines() if line.startswith("OnCalendar"))
    command = ["systemd-analyze", "calendar", expression, "--iterations=5", "--base-time=2026-11-22 12:00:00"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"LC_ALL": "C"}).stdout
    lines = [line for line in said.splitlines() if "Next elapse" in line or "Iter. #" in line]
    found = [line.split(": ")[1].split()[1:3] for line in lines]
    assert found == [[f"{when:%Y-%m-%d}", f"{when:%H:%M:%S}"] for when in times(cron)]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_can_read_the_units(tmp_path):
    odd = 'a "b" %h $HOME \\'
    for ending, content in systemd_units("0 3 * * *", [sys.executable, "-c", odd], {"X": odd}).items():
        (tmp_path / f"invdesflow.{ending}").write_text(content)
    said = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / "invdesflow.timer"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "invdesflow" not in said.stderr


def test_a_line_of_crontab_runs_the_command():
    line = crontab_line("0 3 * * *", ["printf", "%s", "it's"], {"NAME": "a b"})
    assert line == "0 3 * * * NAME='a b' printf \\%s 'it'\"'\"'s'"
    # cron turns \% into % and gives the rest to the shell
    said = subprocess.run(
        ["sh", "-c", line.split(" ", 5)[5].replace("\\%", "%")], capture_output=True, text=True, check=True
    )
    assert said.stdout == "it's"


@pytest.mark.parametrize("cron", ["", "0 3 * *", "61 3 * * *", "0 3 * * 8", "0 3 * * x", "a b c d e", "0 3 * * 5-2"])
def test_what_is_no_cron_expression_is_refused(cron):
    with pytest.raises(ConfigurationError, match="is not a cron expression"):
        cron_trigger(cron)
    with pytest.raises(ValueError, match="cron expression"):
        Schedule(cron=cron)


def test_a_timer_cannot_say_either_day():
    with pytest.raises(ConfigurationError, match="A timer cannot say"):
        systemd_units("0 3 1 * 0", ["true"], {})


def test_a_task_that_fails_is_told_and_the_next_one_runs():
    def failing():
        raise LearningError("There is nothing to learn from.")

    def full():
        raise OSError(28, "No space left on device")

    told = []
    assert not run_once({"first": failing, "second": full, "third": lambda: "done"}, told.append)
    assert "first: error: There is nothing to learn from." in told[0]
    assert "second: error: [Errno 28] No space left on device" in told[1]
    assert "third: done" in told[2]


@pytest.mark.parametrize("builder", ["training-sets", "retraining"])
def test_a_builder_that_fails_is_the_exit_status_of_the_command(database, builder):
    result = CliRunner().invoke(
        app, ["schedule", "--once", "--builder", builder, "--kind", "tc", "--kind", "potential"]
    )
    assert result.exit_code == 1
    assert "error: " in result.stderr
    assert "There is nothing to learn from for a tc model" in result.stderr


def test_a_builder_that_could_not_build_something_ends_in_an_exit_status(database, monkeypatch):
    def broken(builder, _):
        builder.failures.append(BuildFailure("MgB2", "its document is damaged"))

    arguments = ["schedule", "--once", "--builder", "summary"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    monkeypatch.setattr(SummaryBuilder, "run_here", broken)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "the first of them MgB2: its document is damaged" in " ".join(result.stderr.split())


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_command_runs_in_the_foreground_and_ends_cleanly(database, ending):
    command = [
        sys.executable,
        "-m",
        "invdesflow.cli.main",
        "schedule",
        "--cron",
        "* * * * *",
        "--builder",
        "training-sets",
    ]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    try:
        assert process.stderr.readline().startswith("next run: ")
        if ending == signal.SIGTERM:
            assert "training-sets: error: 0 new; tc: There is nothing to learn from" in process.stderr.readline()
        process.send_signal(ending)
        _, said = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "error: Interrupted." in said
    assert "Traceback" not in said
