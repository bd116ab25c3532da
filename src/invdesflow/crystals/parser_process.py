"""The process in which text of strangers is parsed, with limits on its time, its memory and its files."""

import json
import resource
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from invdesflow.crystals.field import structure_to_dict
from invdesflow.crystals.formats import parse_structure
from invdesflow.crystals.parser import CPU_S, MEMORY_GB
from invdesflow.errors import StructureError

__all__ = ["serve"]


def serve(descriptor: int) -> None:
    """Parse the texts that come through a pipe until it closes.

    Parameters
    ----------
    descriptor
        File descriptor of this end. First goes an empty message, when the libraries are loaded. Then there comes JSON
        with the arguments of `parse_structure`, and back goes JSON with the structure, or with problem and remedy.
    """
    connection: Connection = Connection(descriptor)
    _limit_memory_and_files()
    connection.send_bytes(b"")
    while True:
        try:
            request = json.loads(connection.recv_bytes())
        except EOFError:
            return
        _limit_time()
        try:
            connection.send_bytes(json.dumps(_answer(request)).encode())
        except MemoryError:
            return  # what is left of this process is not to be relied on


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"structure": structure_to_dict(parse_structure(**request))}
    except StructureError as error:
        return {"problem": error.problem, "remedy": error.remedy}


def _limit_memory_and_files() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _limit(resource.RLIMIT_AS, pages * resource.getpagesize() + MEMORY_GB * 2**30)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)


def _limit_time() -> None:
    """Let the system end this process when the next text has had its time."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + 1 + CPU_S)


def _limit(kind: int, most: int) -> None:
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
