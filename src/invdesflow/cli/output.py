"""Printing results: tables for people, one JSON array for programs."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

__all__ = ["JsonFlag", "format_value", "print_json", "print_table", "say"]

_DECIMALS = {
    "_ev_per_atom": 3,
    "_k": 1,
    "_probability": 2,
    "core_hours": 0,
}  # ending of a field's name -> decimals that mean something

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON array of objects and nothing else.")]


def say(message: str) -> None:
    """Print a line for people, on the error stream, so that stdout holds results only."""
    sys.stderr.write(message + "\n")


def print_json(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print an array of objects to stdout, row by row."""
    separator = "["
    for row in rows:
        sys.stdout.write(separator + "\n" + json.dumps(row, default=_encode, allow_nan=False))
        separator = ","
    sys.stdout.write("[]\n" if separator == "[" else "\n]\n")


def print_table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], title: str | None = None) -> None:
    """Print rows as a table.

    Parameters
    ----------
    rows
        What to print.
    columns
        Field -> heading.
    title
        Line above the table.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for field, heading in columns.items():
        numeric = any(isinstance(row.get(field), (int, float)) for row in rows)
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(format_value(row.get(field), field) for field in columns))
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)  # a file or a pipe has no width to wrap at
    console.print(table)


def format_value(value: object, field: str = "") -> str:
    """Write one value for a table cell, in the digits that its field deserves."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        digits = next((digits for ending, digits in _DECIMALS.items() if field.endswith(ending)), None)
        return f"{value:.4g}" if digits is None else f"{value:.{digits}f}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)


def _encode(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
