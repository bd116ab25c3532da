"""Parsing in a process of its own, so that a file that hangs, or eats the memory, fails alone."""

import json
import os
import signal
import subprocess
import sys
from multiprocessing import Pipe
from threading import Lock
from typing import TYPE_CHECKING, Any

from pymatgen.core import Structure

from invdesflow.crystals.field import structure_from_dict
from invdesflow.errors import StructureError

if TYPE_CHECKING:  # the libraries that parse are loaded in the other process
    from invdesflow.crystals.formats import FileFormat

__all__ = ["CPU_S", "MEMORY_GB", "parse_apart"]

CPU_S = 30
"""Processor time for one text in seconds; the slowest that is let through, 5000 sites times operations, takes a few."""
MEMORY_GB = 2
"""Memory for one text, besides what the libraries take."""
START_LIMIT_S = 300.0
"""Time in which the process must have loaded its libraries, also from a slow file system."""
TIME_LIMIT_S = 300.0
"""Time for one text by the clock. It ends what waits; what computes ends by its processor time before."""

_COMMAND = "import sys; from invdesflow.crystals.parser_process import serve; serve(int(sys.argv[1]))"
_INHERITED = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "TMPDIR")
_OWN = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "SPGLIB_WARNING": "OFF", "PYTHONWARNINGS": "ignore"}


class _Parser:
    """A process that parses one text after the other. It knows none of our settings, which may be secret."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-P", "-c", _COMMAND, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={name: os.environ[name] for name in _INHERITED if name in os.environ} | _OWN,
                start_new_session=True,  # Ctrl-C reaches us alone
            )
        self._ready = False

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a text and return the answer.

        Raises
        ------
        EOFError, OSError
            If the process ended, or does not answer in time.
        """
        if not self._ready:
            self._hear(START_LIMIT_S)
            self._ready = True
        self._connection.send_bytes(json.dumps(request).encode())
        answer: dict[str, Any] = json.loads(self._hear(TIME_LIMIT_S))
        return answer

    def _hear(self, limit_s: float) -> bytes:
        if not self._connection.poll(limit_s):
            raise TimeoutError
        return self._connection.recv_bytes()

    def end(self, at_once: bool = True) -> int:
        """End the process, or wait until it has ended by itself; return its exit status, negative for a signal."""
        if at_once:
            self._process.kill()
        self._connection.close()
        return self._process.wait()


_lock = Lock()
_parser: _Parser | None = None


def parse_apart(text: str, file_format: "FileFormat", name: str) -> Structure:
    """Parse one ordered crystal in another process, which is kept for the next text.

    Parameters
    ----------
    text, file_format, name
        As of `invdesflow.crystals.formats.parse_structure`.

    Raises
    ------
    StructureError
        As there; or if it takes more time or memory than one text may, or breaks the process.
    """
    global _parser  # noqa: PLW0603 - the process lives as long as this one
    with _lock:
        if _parser is None or _parser.owner != os.getpid():  # after a fork it is our parent's
            _parser = _Parser()
        try:
            answer = _parser.ask({"text": text, "file_format": file_format, "name": name})
        except (EOFError, OSError) as error:
            status = _parser.end(at_once=isinstance(error, TimeoutError))
            _parser = None
            raise StructureError(f"{name} cannot be read: {_reason(status)}.", "Give one plain crystal.") from None
        except BaseException:  # the answer to this text must not be taken for that to the next
            _parser.end()
            _parser = None
            raise
    if "structure" in answer:
        return structure_from_dict(answer["structure"])
    raise StructureError(answer["problem"], answer["remedy"])


def _reason(status: int) -> str:
    match -status:
        case signal.SIGXCPU:
            return f"it takes more than {CPU_S} s"
        case signal.SIGKILL:
            return f"it takes more than {TIME_LIMIT_S:.0f} s, or the memory of this machine"
        case 0:
            return f"it takes more than {MEMORY_GB} GB of memory"
        case other:
            return f"it breaks the parser (status {-other})"
