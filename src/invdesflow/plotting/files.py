"""Writing figures and reports so that a file is complete or absent."""

import os
from importlib.util import find_spec
from pathlib import Path

import plotly.graph_objects as go

from invdesflow.errors import ConfigurationError

__all__ = ["replace_file", "write_figure"]

_STATIC = (".png", ".pdf", ".svg")


def replace_file(path: Path, content: bytes) -> None:
    """Write a file under its name only when all of it is on the disk; an older file stays until then.

    Raises
    ------
    ConfigurationError
        If the path cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            unfinished.write_bytes(content)
            os.replace(unfinished, path)  # noqa: PTH105
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written: {error.strerror}.", "Choose a path that can be written."
        ) from error


def write_figure(figure: go.Figure, path: Path, *, width: int = 1000, height: int | None = None) -> None:
    """Write one figure: ``.html`` with plotly.js inside, or ``.png``, ``.pdf`` or ``.svg`` by kaleido.

    Parameters
    ----------
    figure
        What any module of this room draws.
    path
        File to write; its suffix says the format.
    width, height
        Size of a static picture in pixels; by default the figure's own height.

    Raises
    ------
    ConfigurationError
        If the suffix is another one, kaleido or its browser is missing, or the path cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix == ".html":
        replace_file(path, figure.to_html(include_plotlyjs=True).encode())
    elif suffix in _STATIC:
        replace_file(path, _static(figure, suffix[1:], width, height))
    else:
        raise ConfigurationError(f"{path} has no suffix of a figure.", f"Use one of .html, {', '.join(_STATIC)}.")


def _static(figure: go.Figure, file_format: str, width: int, height: int | None) -> bytes:
    if find_spec("kaleido") is None:
        raise ConfigurationError(
            f"Writing a figure as {file_format} needs the package kaleido.",
            "Install it with: pip install kaleido, or write .html.",
        )
    try:
        return bytes(figure.to_image(format=file_format, width=width, height=height, scale=2))
    except (RuntimeError, ValueError) as error:
        raise ConfigurationError(
            f"kaleido could not draw the figure: {_first_line(error)}.", "Install Chrome or Chromium, or write .html."
        ) from error


def _first_line(error: Exception) -> str:
    """Return what an error says first; those of kaleido have several arguments and begin with empty lines."""
    lines = [line.strip() for part in error.args for line in str(part).splitlines()]
    return next((line.rstrip(".") for line in lines if line), type(error).__name__)
