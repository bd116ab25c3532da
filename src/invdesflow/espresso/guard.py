"""Run a program that must not outlive its parent: ``python guard.py PARENT_PID COMMAND [ARGUMENT ...]``.

Whatever ends the parent, kill -9 included, ends the program and everything that it started. While the guard lives it
holds a lock in the folder, so that nobody works where a program is still writing. It imports the standard library
only, because it is started for every run.
"""

import ctypes
import errno
import fcntl
import os
import signal
import sys
import time

LOCK_NAME = ".program.lock"
CANNOT_START = 127  # what a shell answers
FOLDER_IN_USE = 75  # EX_TEMPFAIL of sysexits.h

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_WATCHED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_TO_END = 10.0
_NO_LOCKS_HERE = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}


def run(parent: int, command: list[str]) -> int:
    """Run a command in the current folder until it ends, or we are told to end, or the parent is gone.

    Returns
    -------
    int
        Its exit status, or 128 and the number of the signal that killed it.
    """
    lock = os.open(LOCK_NAME, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.stderr.write("another program still runs in this folder\n")
        return FOLDER_IN_USE
    except OSError as error:
        if error.errno not in _NO_LOCKS_HERE:
            raise
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)  # what the program leaves behind becomes ours
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    child = os.fork()
    if child == 0:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        _become(command)
    status = _wait(child, parent)
    _kill_what_is_left()
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _become(command: list[str]) -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
    try:
        os.execvp(command[0], command)  # noqa: S606 (a shell would stand between us and the program)
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        sys.stderr.flush()
        os._exit(CANNOT_START)


def _wait(child: int, parent: int) -> int:
    deadline = None
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        news = signal.sigtimedwait(_WATCHED, _SECONDS_BETWEEN_LOOKS)
        told = news is not None and news.si_signo != signal.SIGCHLD
        if deadline is None and (told or os.getppid() != parent):
            deadline = time.monotonic() + SECONDS_TO_END
            os.kill(child, signal.SIGTERM)  # a launcher passes it on to its ranks
        elif deadline is not None and time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)


def _kill_what_is_left() -> None:
    # The children of a killed child become ours, so that this ends when nothing is left.
    while remaining := _children():
        for process in remaining:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


def _children() -> list[int]:
    with open(f"/proc/self/task/{os.getpid()}/children") as listing:  # noqa: PTH123 (pathlib costs more than all of this)
        return [int(process) for process in listing.read().split()]


if __name__ == "__main__":
    sys.exit(run(int(sys.argv[1]), sys.argv[2:]))
