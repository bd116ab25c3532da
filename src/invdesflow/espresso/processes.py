"""Processes of programs, none of which outlives this one."""

import os
import subprocess
import sys
import threading
from pathlib import Path

from invdesflow.espresso import guard

__all__ = ["run_guarded", "stop_programs"]

_running: set[subprocess.Popen[bytes]] = set()
_lock = threading.Lock()


def run_guarded(command: list[str], directory: Path, output_name: str, error_name: str) -> int:
    """Run a command in a folder until it ends; it ends with us, however we do.

    Parameters
    ----------
    command
        Arguments, without a shell.
    directory
        Where it runs.
    output_name, error_name
        Files in that folder for its standard output and standard error, as it writes them.

    Returns
    -------
    int
        Its exit status, or 128 and the number of the signal that killed it.
    """
    guarded = [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), *command]
    with (directory / output_name).open("wb") as out, (directory / error_name).open("wb") as err:
        process = subprocess.Popen(  # noqa: S603 (the command comes from our settings)
            guarded, cwd=directory, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        )
        with _lock:
            _running.add(process)
        try:
            return_code = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
        finally:
            with _lock:
                _running.discard(process)
    return return_code if return_code >= 0 else 128 - return_code


def stop_programs() -> None:
    """End every program that threads of this process are running; their records say that they were killed."""
    with _lock:
        for process in _running:
            process.terminate()
