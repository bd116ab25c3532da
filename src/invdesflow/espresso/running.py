"""Running a program in its folder until it has finished or failed, with the cures of its error handlers in between.

custodian does the loop. It changes no directory and its only global state, a cache of handlers of other programs, is
not used here, so that several threads may run programs at the same time in different folders.
"""

import copy
import errno
import logging
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from custodian.custodian import Custodian, CustodianError, ErrorHandler, Job
from pydantic import BaseModel, ConfigDict, Field

from invdesflow.errors import EspressoError
from invdesflow.espresso.attempts import Attempt, cpu_seconds, write_attempt
from invdesflow.espresso.failures import CRASH_FILE, Failure, default_input, default_output, diagnose, error_name
from invdesflow.espresso.input_files import validate_pw_input
from invdesflow.espresso.processes import run_guarded
from invdesflow.espresso.programs import Program, banner_version, command_line, ranks_of
from invdesflow.espresso.time_limit import limit_time
from invdesflow.settings import Settings, get_settings

__all__ = ["Correction", "RunRecord", "run_program"]

_log = logging.getLogger("custodian")
_log.addHandler(logging.NullHandler())  # corrections are in the record; without a handler they would go to the terminal

_HEAD_AND_TAIL_BYTES = 8192


class Correction(BaseModel):
    """What an error handler did before the next attempt."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    handler: str = Field(description="class of the error handler")
    error: str = Field(description="name of the failure that it cures")
    actions: tuple[str, ...] = Field(description="changes, one a line")


class RunRecord(BaseModel):
    """How a program ran, over all its attempts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    program: Program
    version: str | None = Field(description="version of the program in the banner of its output")
    return_code: int = Field(
        description="exit status of the last attempt; 128 and the number of a signal that killed it"
    )
    failure: Failure | None = Field(description="None if the program finished")
    corrections: tuple[Correction, ...] = Field(description="what the error handlers did, in order")
    attempts: int = Field(ge=1, description="how often the program was started")
    ranks: int = Field(ge=1, description="MPI ranks")
    wall_time_s: float = Field(ge=0, description="of all attempts")
    core_hours: float = Field(ge=0, description="ranks times wall time")
    cpu_time_s: float | None = Field(
        description="of one rank and all attempts, as printed; None if an attempt printed none"
    )

    @property
    def finished(self) -> bool:
        """Whether the program succeeded."""
        return self.failure is None


def run_program(
    program: Program,
    directory: Path,
    input_name: str | None = None,
    output_name: str | None = None,
    handlers: Sequence[ErrorHandler] = (),
    *,
    max_corrections: int = 5,
    earlier_attempts: int = 0,
    settings: Settings | None = None,
) -> RunRecord:
    """Run a program on an input file of a folder, again after each cure that a handler finds.

    The files of an attempt that failed stay beside those of the next, as ``pw.in.1``, ``pw.out.1`` and so on. Threads
    may call this at the same time for different folders. The program ends when this process ends, however it does.

    Parameters
    ----------
    program
        Which program.
    directory
        Folder that holds the input file; the program runs there.
    input_name, output_name
        Names in that folder; by default ``pw.in`` and ``pw.out`` and so on.
    handlers
        Error handlers in order of priority.
    max_corrections
        Most corrections of all handlers together.
    earlier_attempts
        How often it was started in this folder before, by a job whose time was up; their files stay, too.
    settings
        Programs, launcher and ranks; by default those of this process.

    Returns
    -------
    RunRecord
        A failure that remains is in the record, not raised.

    Raises
    ------
    ConfigurationError
        If launcher, ranks and pools do not fit together.
    EspressoError
        If the program or the input is missing, an input of pw.x is incomplete, or the disk has no room for our files.
    """
    directory = directory.absolute()
    settings = settings or get_settings()
    job = _ProgramJob(
        program,
        input_name or default_input(program),
        output_name or default_output(program),
        max_corrections=max_corrections,
        earlier_attempts=earlier_attempts,
        settings=settings,
    )
    _check_input(program, directory / job.input_name)
    # custodian counts a correction before it looks whether it may be tried; attempts say that themselves.
    custodian = Custodian(
        [copy.copy(handler) for handler in handlers],
        [job],
        max_errors=max_corrections + 1,
        terminate_on_nonzero_returncode=False,
        directory=str(directory),
    )
    try:
        custodian.run()  # type: ignore[no-untyped-call]
    except CustodianError:
        _log.debug("no handler has a cure left")  # the last attempt says what is wrong
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        if not job.attempts or job.attempts[-1].failure is None:
            raise EspressoError(
                f"There is no room left on the disk of {directory}.", "Make room, or set espresso_dir to another disk."
            ) from error
    return _record(job, custodian.run_log[-1]["corrections"])


class _ProgramJob(Job):
    """One program in custodian's form; it waits in `run`, so that handlers find the return code in the folder."""

    def __init__(
        self,
        program: Program,
        input_name: str,
        output_name: str,
        *,
        max_corrections: int,
        earlier_attempts: int,
        settings: Settings,
    ) -> None:
        self.program, self.input_name, self.output_name = program, input_name, output_name
        self.max_corrections = max_corrections
        self.earlier_attempts = earlier_attempts
        self.end_time = settings.espresso_end_time
        self.ranks = ranks_of(program, settings)
        self.command = command_line(program, input_name, settings)
        self.attempts: list[Attempt] = []

    def setup(self, directory: str = "./") -> None:
        """Leave everything as the caller prepared it."""

    def run(self, directory: str = "./") -> None:
        """Start the program, wait for its end and tell in the folder how it went."""
        folder, number = Path(directory), self.earlier_attempts + len(self.attempts) + 1
        if number > 1:
            self._set_aside(folder, number - 1)
        (folder / CRASH_FILE).unlink(missing_ok=True)
        if self.end_time is not None:
            limit_time(self.program, folder / self.input_name, self.end_time)
        started = time.monotonic()
        return_code = run_guarded(self.command, folder, self.output_name, error_name(self.output_name))
        wall_time = time.monotonic() - started
        head, tail = _head_and_tail(folder / self.output_name)
        failure = diagnose(self.program, folder, return_code, self.input_name, self.output_name)
        attempt = Attempt(
            number=number,
            program=self.program,
            input_name=self.input_name,
            output_name=self.output_name,
            return_code=return_code,
            failure=failure,
            may_be_corrected=len(self.attempts) < self.max_corrections and not self._time_is_up(failure),
            version=banner_version(head),
            wall_time_s=wall_time,
            cpu_time_s=cpu_seconds(tail),
        )
        self.attempts.append(attempt)
        write_attempt(folder, attempt)
        if attempt.failure is not None:
            shutil.copyfile(folder / self.input_name, folder / f"{self.input_name}.{number}")

    def postprocess(self, directory: str = "./") -> None:
        """Leave everything as the program left it."""

    def as_dict(self) -> dict[str, Any]:
        """Describe the job for custodian's log."""
        return {"program": self.program, "input_name": self.input_name, "output_name": self.output_name}

    def _time_is_up(self, failure: Failure | None) -> bool:
        """Tell whether another attempt would only be stopped by the end of the job, and lose what this one saved."""
        return self.end_time is not None and failure is not None and failure.name == "out_of_time"

    def _set_aside(self, folder: Path, number: int) -> None:
        for name in (self.output_name, error_name(self.output_name)):
            (folder / name).replace(folder / f"{name}.{number}")


def _head_and_tail(path: Path) -> tuple[str, str]:
    with path.open("rb") as output:
        head = output.read(_HEAD_AND_TAIL_BYTES)
        output.seek(max(0, path.stat().st_size - _HEAD_AND_TAIL_BYTES))
        return head.decode(errors="replace"), output.read().decode(errors="replace")


def _check_input(program: Program, path: Path) -> None:
    try:
        text = path.read_text()
    except OSError as error:
        raise EspressoError(f"The input {path} cannot be read: {error.strerror}.", "Write it first.") from error
    if program == "pw.x":
        validate_pw_input(text)


def _record(job: _ProgramJob, corrections: list[dict[str, Any]]) -> RunRecord:
    last = job.attempts[-1]
    wall_time = sum(attempt.wall_time_s for attempt in job.attempts)
    cpu_times = [attempt.cpu_time_s for attempt in job.attempts]
    return RunRecord(
        program=job.program,
        version=last.version,
        return_code=last.return_code,
        failure=last.failure,
        corrections=tuple(
            Correction(
                handler=type(entry["handler"]).__name__, error=entry["errors"][0], actions=tuple(entry["actions"])
            )
            for entry in corrections
            if entry["actions"]
        ),
        attempts=last.number,
        ranks=job.ranks,
        wall_time_s=wall_time,
        core_hours=job.ranks * wall_time / 3600.0,
        cpu_time_s=None if None in cpu_times else sum(time for time in cpu_times if time is not None),
    )
