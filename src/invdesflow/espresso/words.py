"""The words of a run: what its output, its error file and CRASH say, searched without being held in memory."""

import mmap
import re
from collections.abc import Iterable
from pathlib import Path

__all__ = ["RunWords"]

_ROUTINES = (re.compile(rb"Error in routine\s+(\w+)"), re.compile(rb"from\s+(\w+)\s*: error #"))
_TAIL_BYTES = 4096
_LINES = 12
_CHARACTERS = 2000


class RunWords:
    """The files of one run, in which words are looked for.

    Parameters
    ----------
    output, error
        Files of the standard output and the standard error.
    crash
        Where the programs leave their error message, should one of several ranks have it.
    """

    def __init__(self, output: Path, error: Path, crash: Path) -> None:
        self._views = [_view(output), _view(error), _view(crash)]

    @property
    def output(self) -> "bytes | mmap.mmap":
        """The standard output."""
        return self._views[0]

    def lines_with(self, words: Iterable[str]) -> list[str]:
        """Find the first line of each file that has one of the words, for each of them."""
        found = []
        for word in words:
            for view in self._views:
                if (place := view.find(word.encode())) >= 0:
                    found.append(_line_at(view, place))
        return found

    def routines(self) -> set[str]:
        """Name the subroutines that stopped with an error."""
        return {name.decode() for view in self._views for pattern in _ROUTINES for name in pattern.findall(view)}

    def detail(self, telling: list[str]) -> str:
        """Quote what tells most: CRASH, else the lines given, else the last lines."""
        crash = _meaningful_lines(self._views[2][:_TAIL_BYTES])
        tail = [line for view in self._views for line in _meaningful_lines(view[-_TAIL_BYTES:])]
        return "\n".join((crash or telling)[:_LINES] or tail[-_LINES:])[:_CHARACTERS]


def _view(path: Path) -> "bytes | mmap.mmap":
    if not path.is_file() or path.stat().st_size == 0:
        return b""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _line_at(view: "bytes | mmap.mmap", place: int) -> str:
    start = view.rfind(b"\n", 0, place) + 1
    end = view.find(b"\n", place)
    return view[start : end if end >= 0 else len(view)].decode(errors="replace").strip()


def _meaningful_lines(text: bytes) -> list[str]:
    return [line.strip() for line in text.decode(errors="replace").splitlines() if line.strip(" %")]
