"""Printing results: tables for people, one JSON array for programs."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

__all__ = ["JsonFlag", "format_value", "print_json", "print_table", "say"]

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
        table.add_row(*(format_value(row.get(field)) for field in columns))
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)  # a file or a pipe has no width to wrap at
    console.print(table)


def format_value(value: object) -> str:
    """Write one value for a table cell."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 0.1 else f"{value:.2f}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)


def _encode(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
