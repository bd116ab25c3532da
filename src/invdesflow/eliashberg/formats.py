"""The layouts of files with alpha2F, told apart by their header and footer lines."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from invdesflow.eliashberg.units import EnergyUnit
from invdesflow.errors import SpectrumError

__all__ = ["LAYOUTS", "Layout", "Rows", "read_rows"]

FloatArray = NDArray[np.float64]

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eEdD]?[-+]\d+|[eEdD]\d+)?"
_EXPONENT = re.compile(r"(?<=[\d.])[dD]?(?=[-+]\d+$)")  # Fortran writes 1D-5, and 1-105 where the exponent is long
_COMMENT = re.compile(r"^\s*[#!@%]")
_STARTS_LIKE_NUMBER = re.compile(r"^\s*(?:[-+]?\.?\d|\*|[-+]?(?:nan|inf|infinity)(?![a-z]))", re.IGNORECASE)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """A file as a table of numbers, shape (n, columns), and the lines of text before and behind it."""

    numbers: FloatArray
    text: str

    def numbers_behind(self, label: str) -> list[float]:
        """Numbers on the line with a label, or else on the line below it; empty where there is no such line."""
        match = re.search(rf"{re.escape(label)}\s*=?(?:[ \t]*\n)?[ \t#]*((?:[ \t]*{_NUMBER})+)", self.text)
        return [_number(word) for word in match[1].split()] if match else []


def _none(_: Rows) -> Sequence[int]:
    return []


@dataclass(frozen=True, slots=True)
class Layout:
    """One kind of file.

    Attributes
    ----------
    name
        What it is called in messages.
    mark
        Text that only this kind has, outside the numbers.
    unit
        Unit of its energies.
    columns
        Rows -> the columns that hold alpha2F.
    lambda_label
        Text in front of the lambda that its program integrated; empty where it writes none.
    smearing_label, smearing_unit
        Text in front of the smearings, and their unit; empty where there is one.
    branches
        Rows -> the columns that hold the share of each phonon branch.
    """

    name: str
    mark: str
    unit: EnergyUnit
    columns: Callable[[Rows], Sequence[int]]
    lambda_label: str = ""
    smearing_label: str = ""
    smearing_unit: str = ""
    branches: Callable[[Rows], Sequence[int]] = _none

    def recognises(self, rows: Rows) -> bool:
        """Say whether a file is of this kind."""
        return self.mark in rows.text

    def stated_lambdas(self, path: Path, rows: Rows) -> list[float]:
        """Lambda as the file itself says it, one for each smearing."""
        stated = rows.numbers_behind(self.lambda_label) if self.lambda_label else []
        if self.lambda_label and not stated:
            raise SpectrumError(f"{path} is {self.name} without its last lines: it is truncated.", "Write it again.")
        return stated

    def smearings(self, rows: Rows) -> tuple[float, ...]:
        """Smearings of the spectra, in the unit of the layout."""
        return tuple(rows.numbers_behind(self.smearing_label)) if self.smearing_label else ()


def _first(_: Rows) -> Sequence[int]:
    return [1]


def _behind_first(rows: Rows) -> Sequence[int]:
    return range(2, rows.numbers.shape[1])


def _all(rows: Rows) -> Sequence[int]:
    return range(1, rows.numbers.shape[1])


def _first_half(rows: Rows) -> Sequence[int]:
    return range(1, (rows.numbers.shape[1] + 1) // 2)


_INTEGRATED, _SMEARINGS = "Integrated el-ph coupling", "Phonon smearing (meV)"
LAYOUTS = (
    Layout("EPW's .a2f", "a2f and integrated 2*a2f/w", "meV", _first_half, _INTEGRATED, _SMEARINGS, "meV"),
    Layout("EPW's .a2f_proj", "a2f_modeproj", "meV", _first, "lambda_int", branches=_behind_first),
    Layout("EPW's .a2f_iso", "w[meV] a2f", "meV", _first),
    Layout("EPW's .a2f of the phonon self-energy", _INTEGRATED, "meV", _all, _INTEGRATED, _SMEARINGS, "meV"),
    Layout("matdyn.x's a2F.dos", "frequencies in Rydberg", "Ry", _first, "lambda"),
    Layout("lambda.x's alpha2F.dat", "E(THz)", "THz", _all, smearing_label="E(THz)", smearing_unit="Ry"),
)
"""In this order: the mark of a later one may occur in an earlier one."""


def read_rows(path: Path) -> Rows:
    """Read a text file as one table of numbers with text round it.

    Raises
    ------
    SpectrumError
        If it cannot be read, is not text, or holds no table whose rows are equally long.
    """
    rows: list[list[float]] = []
    text: list[str] = []
    foreign: tuple[int, str] | None = None  # what looks like a footer, unless more rows follow
    for position, line in enumerate(_read_text(path).splitlines(), start=1):
        if _COMMENT.match(line) or not _STARTS_LIKE_NUMBER.match(line):
            text.append(line)
            if rows and foreign is None and line.strip() and not _COMMENT.match(line):
                foreign = position, line
            continue
        if foreign is not None:
            raise _not_a_row(path, *foreign)
        rows.append(_read_row(path, position, line))
        if len(rows[-1]) != len(rows[0]):
            raise SpectrumError(
                f"{path}, line {position}: {len(rows[-1])} numbers where the others have {len(rows[0])}.",
                "The file is truncated or damaged: write it again.",
            )
    if not rows:
        raise SpectrumError(f"{path} holds no table of numbers.", "Give a file with energies and alpha2F.")
    return Rows(np.array(rows), "\n".join(text))


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise SpectrumError(f"{path} does not exist.", "Give the path of a file with alpha2F.") from error
    except IsADirectoryError as error:
        raise SpectrumError(f"{path} is a folder.", "Give the path of a file with alpha2F.") from error
    except OSError as error:
        raise SpectrumError(f"{path} cannot be read: {error.strerror}.", "Check path and permissions.") from error
    if b"\0" in content:
        raise SpectrumError(f"{path} is not a text file.", "Give a file with columns of numbers.")
    text = content.decode("utf-8-sig", errors="replace")  # a comment in another encoding does no harm
    if not text.strip():
        raise SpectrumError(f"{path} is empty.", "Repeat the calculation that writes it.")
    return text


def _read_row(path: Path, position: int, line: str) -> list[float]:
    words = line.replace(",", " ").replace(";", " ").split()
    try:
        numbers = [_number(word) for word in words]
    except ValueError as error:
        raise _not_a_row(path, position, line) from error
    if not np.isfinite(numbers).all():
        raise SpectrumError(
            f"{path}, line {position}: a value is not finite ({line.strip()[:40]}).", "Repeat the calculation."
        )
    return numbers


def _not_a_row(path: Path, position: int, line: str) -> SpectrumError:
    return SpectrumError(
        f"{path}, line {position}: {line.strip()[:40]!r} is not a row of numbers.",
        "Mend or remove this line (stars are numbers that did not fit).",
    )


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return float(_EXPONENT.sub("e", word))
