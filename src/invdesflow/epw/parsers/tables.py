"""The form of most files of epw.x: one line that names the columns, then numbers."""

import re
from collections.abc import Sequence
from pathlib import Path

from invdesflow.espresso.parsers.text import FloatArray, number_lines, read_text

__all__ = ["named_columns", "table_after_head"]


def table_after_head(path: Path, mark: str, at_least: int = 2) -> FloatArray:
    """Read the numbers below a head that contains a mark; `at_least` columns, others are left to the caller.

    Raises
    ------
    ValueError
        If the mark is missing or the table is not one.
    """
    head, numbers = _split(path)
    if mark not in head:
        raise ValueError(f"its head does not say {mark}")
    table = number_lines(numbers)
    if table.shape[1] < at_least:
        raise ValueError(f"it has fewer than {at_least} columns")
    return table


def named_columns(path: Path, names: Sequence[str]) -> list[FloatArray]:
    """Read columns by the names that the head gives them, so that versions may add others.

    Parameters
    ----------
    path
        The file.
    names
        Names without units, such as ``delta(w)``.

    Returns
    -------
    list of ndarray
        The columns in the order of `names`.

    Raises
    ------
    ValueError
        If a name is missing or the table is not one.
    """
    head, numbers = _split(path)
    found = re.findall(r"(\S+)(?:\s\[\w+\])?", head.replace("#", " "))
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(f"its head names no column {missing[0]}")
    table = number_lines(numbers, columns=len(found))
    return [table[:, found.index(name)] for name in names]


def _split(path: Path) -> tuple[str, list[str]]:
    lines = read_text(path).splitlines()
    first = next((number for number, line in enumerate(lines) if re.match(r"\s*[-+]?\.?\d|\s*NaN", line)), len(lines))
    return "\n".join(lines[:first]), lines[first:]
