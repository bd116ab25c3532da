"""Damage that files take: cut off, bytes changed, lines lost or doubled, numbers that are none or too large.

``FUZZ_EXAMPLES=5000 pytest -n 0 tests/fuzzing`` tries more, and other, files than the test run does, which always tries
the same.
"""

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from invdesflow.errors import InvDesFlowError

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "10"))
SECONDS = 60

fuzzing = settings(
    max_examples=EXAMPLES,
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

NUMBER = re.compile(rb"[-+]?\d[\d.]*(?:[EeDd][-+]?\d+)?")
NUMBERS = (
    *(b"0", b"-1", b"1e999", b"-1.0D+400", b"1e-320", b"NaN", b"Infinity", b"-inf", b"*********", b"1.5-160", b""),
    *(b"999999999", b"99999999999999999999999", b"2147483648", b"0x10", b"1_000", b"1.2.3", b"\xc2\xb2", b"\xd9\xa3"),
)
WORDS = (
    *(
        b"\0",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\r",
        b"\x0c",
        b"\x1e",
        b"<a>",
        b"</a>",
        b"&x;",
        b"]]>",
        b"{",
        b"}",
        b"[" * 3000,
    ),
    *(
        b"'",
        b'"',
        b"\\",
        b"#",
        b"!",
        b"/",
        b"data_",
        b"loop_\n",
        b"!!python/object:os.system ",
        b"&a ",
        b"*a ",
        b": ",
        b"- ",
    ),
)


class Change(NamedTuple):
    """One piece of damage; places are shares of the length, so that they mean something in every file."""

    kind: str
    place: float
    extent: float
    choice: int


changes = st.lists(
    st.builds(
        Change,
        st.sampled_from(["byte", "cut", "drop", "double", "number", "word", "move", "join"]),
        st.floats(0.0, 1.0, exclude_max=True),
        st.floats(0.0, 1.0, exclude_max=True),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=4,
)


@lru_cache(maxsize=64)
def _numbers(content: bytes) -> list[tuple[int, int]]:
    return [found.span() for found in NUMBER.finditer(content)]


def damaged(content: bytes, damage: list[Change]) -> bytes:
    for change in damage:
        content = _DAMAGE[change.kind](content, change)
    return content


def _byte(content: bytes, change: Change) -> bytes:
    at = int(change.place * len(content))
    return content[:at] + bytes([change.choice]) + content[at + 1 :]


def _cut(content: bytes, change: Change) -> bytes:
    return content[: int(change.place * len(content))]


def _drop(content: bytes, change: Change) -> bytes:
    lines = content.splitlines(keepends=True)
    first = int(change.place * len(lines))
    return b"".join(lines[:first] + lines[first + 1 + change.choice % 20 :])


def _double(content: bytes, change: Change) -> bytes:
    lines = content.splitlines(keepends=True)
    first = int(change.place * len(lines))
    some = lines[first : first + 1 + int(change.extent * 10)]
    return b"".join(lines[:first] + some * (2 + change.choice % 30) + lines[first:])


def _number(content: bytes, change: Change) -> bytes:
    spans = _numbers(content)
    if not spans:
        return content
    begin, end = spans[int(change.place * len(spans))]
    return content[:begin] + NUMBERS[change.choice % len(NUMBERS)] + content[end:]


def _word(content: bytes, change: Change) -> bytes:
    at = int(change.place * len(content))
    return content[:at] + WORDS[change.choice % len(WORDS)] + content[at:]


def _move(content: bytes, change: Change) -> bytes:
    lines = content.splitlines(keepends=True)
    if not lines:
        return content
    line = lines.pop(int(change.place * len(lines)))
    lines.insert(int(change.extent * (len(lines) + 1)), line)
    return b"".join(lines)


def _join(content: bytes, change: Change) -> bytes:
    """Take out the ends of some lines."""
    at = int(change.place * len(content))
    end = at + 1 + change.choice
    return content[:at] + content[at:end].replace(b"\n", b" ") + content[end:]


_DAMAGE: dict[str, Callable[[bytes, Change], bytes]] = {
    "byte": _byte,
    "cut": _cut,
    "drop": _drop,
    "double": _double,
    "number": _number,
    "word": _word,
    "move": _move,
    "join": _join,
}


def reads_or_refuses(read: Callable[[Path], object], path: Path) -> None:
    """Read a file; whatever is raised that is no error of ours, or takes for ever, fails the test."""
    with _alarm(), suppress(InvDesFlowError):
        read(path)


@contextmanager
def _alarm() -> Iterator[None]:
    def ring(_: int, __: FrameType | None) -> None:
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
