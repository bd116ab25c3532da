"""What all parsers of Quantum ESPRESSO files share: one kind of error, and Fortran's ways to write a number."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from invdesflow.errors import EspressoError

__all__ = ["FloatArray", "error_message", "fortran_float", "last_float", "number_lines", "read_text", "reading"]

FloatArray = NDArray[np.float64]

_ROUTINE_ERROR = re.compile(r"(?:Error in routine|from)\s+(\S+)\s*(?:\(\s*-?\d+\s*\)|: error #\s*-?\d+)\s*:?[ ]*\n(.*)")
_BARE_EXPONENT = re.compile(r"(?<=\d)([+-]\d{3})$")
_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[EDed]?[-+]\d+)?|[-+]?NaN|[-+]?Infinity)"


@contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever goes wrong while a file is read into one error that names the file.

    Parameters
    ----------
    path
        The file.
    kind
        What it should be, such as ``"an output of ph.x"``.

    Raises
    ------
    EspressoError
        If the file is missing, and if the body finds that it is empty, truncated or of another kind.
    """
    try:
        yield
    except OSError as error:
        raise EspressoError(
            f"{path} cannot be read: {error.strerror or error}.", "Repeat the run that should have written it."
        ) from error
    except (ArithmeticError, LookupError, SyntaxError, ValueError) as error:  # a broken XML file is a SyntaxError
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise EspressoError(
            f"{path} cannot be read as {kind}: {reason}.", "Repeat the run that wrote it; it may have been cut off."
        ) from error


def read_text(path: Path) -> str:
    """Read a file that must not be empty.

    Bytes that are no text are replaced: the programs sometimes print uninitialised strings.

    Raises
    ------
    ValueError
        If there is nothing in it.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    if not text.strip():
        raise ValueError("it is empty")
    return text


def fortran_float(token: str) -> float:
    """Read a number as Fortran prints it: ``1.0D-3``, ``-2.88-160`` (three digits leave no room for the E), ``NaN``.

    Raises
    ------
    ValueError
        If it is no number, or stars: Fortran's sign that the number did not fit.
    """
    token = token.strip().replace("D", "E").replace("d", "e")
    return float(_BARE_EXPONENT.sub(r"e\1", token))


def number_lines(lines: Iterable[str], columns: int | None = None) -> FloatArray:
    """Read lines of numbers into a table; blank lines and comments (``#``) are passed over.

    Parameters
    ----------
    lines
        The lines.
    columns
        Number of columns; by default that of the first line.

    Returns
    -------
    ndarray
        Shape (rows, columns).

    Raises
    ------
    ValueError
        If a line has another number of columns or something else than numbers, or if there is no line.
    """
    rows = [line.split() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not rows:
        raise ValueError("it has no numbers")
    width = len(rows[0]) if columns is None else columns
    if any(len(row) != width for row in rows):
        raise ValueError(f"not every line has {width} columns")
    try:
        return np.array(rows, dtype=np.float64)
    except ValueError:
        return np.array([[fortran_float(token) for token in row] for row in rows])


def last_float(text: str, label: str) -> float | None:
    """Find the number after the last occurrence of a label; the label is a regular expression."""
    found = re.findall(label + r"\s*[=:<]?\s*" + _NUMBER, text)
    return fortran_float(found[-1]) if found else None


def error_message(text: str) -> str | None:
    """Find the program's own error in its standard output or its CRASH file.

    Returns
    -------
    str or None
        ``"routine: message"``, or None if there is no error in the text.
    """
    found = _ROUTINE_ERROR.search(text)
    return None if found is None else f"{found[1]}: {' '.join(found[2].split())}"
