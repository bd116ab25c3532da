"""What writers were told is stored: one line for each acknowledged write, on the disk before the writer goes on."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict

__all__ = ["Promise", "Promises"]


class Promise(BaseModel):
    """One acknowledged write.

    Attributes
    ----------
    collection, identifier
        The document.
    version
        How often it has been written; what is stored may be later, never earlier.
    """

    model_config = ConfigDict(frozen=True)

    collection: str
    identifier: str
    version: int = 0


class Promises:
    """A file of promises, which several processes may extend.

    Parameters
    ----------
    path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def note(self, *promises: Promise) -> None:
        """Write promises down; they are on the disk when this returns."""
        text = "".join(promise.model_dump_json() + "\n" for promise in promises)
        target = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(target, text.encode())
            os.fsync(target)
        finally:
            os.close(target)

    def __iter__(self) -> Iterator[Promise]:
        """Yield what was promised; a line that was cut off was never one."""
        if not self.path.exists():
            return
        for line in self.path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                yield Promise.model_validate(json.loads(line))
