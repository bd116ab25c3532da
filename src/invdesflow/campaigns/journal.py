"""Records appended to a file as they come, so that long work goes on where it was killed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from invdesflow.errors import ConfigurationError

__all__ = ["Journal"]

Record = TypeVar("Record", bound=BaseModel)


class Journal(Generic[Record]):
    """JSON lines of which the first says what was asked, and every other one is a record.

    Parameters
    ----------
    path
        The file; it is made if it does not exist. A last line that a kill cut short is dropped.
    question
        What was asked, as JSON has it; a file that answers another question is refused.
    record
        Model of the records.

    Raises
    ------
    ConfigurationError
        If the file holds something else.
    """

    def __init__(self, path: Path, question: Mapping[str, Any], record: type[Record]) -> None:
        self._path = path
        self._record = record
        self._question = json.loads(json.dumps(question))
        path.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes() if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        if not whole:
            whole = json.dumps(self._question).encode() + b"\n"
        self._require_same_question(whole.partition(b"\n")[0])
        if whole != content:
            path.write_bytes(whole)

    def read(self) -> list[Record]:
        """Return the records in the order in which they came.

        Raises
        ------
        ConfigurationError
            If a line is damaged.
        """
        with self._path.open(encoding="utf-8") as lines:
            next(lines)
            try:
                return [self._record.model_validate_json(line) for line in lines]
            except ValidationError as error:
                raise ConfigurationError(f"{self._path} is damaged.", "Remove it to compute it again.") from error

    def append(self, *records: Record) -> None:
        """Write records behind the others."""
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(record.model_dump_json() + "\n" for record in records)

    def _require_same_question(self, line: bytes) -> None:
        try:
            same = json.loads(line) == self._question
        except ValueError:
            same = False
        if not same:
            raise ConfigurationError(
                f"{self._path} belongs to a run with another model or other settings.",
                "Give another output folder, or remove the file.",
            )
