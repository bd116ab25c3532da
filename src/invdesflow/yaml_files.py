"""YAML files that people write: plain mappings, read without tags that make objects."""

from pathlib import Path
from typing import Any

import yaml

from invdesflow.errors import ConfigurationError

__all__ = ["read_yaml"]

MAX_VALUES = 100_000
"""Values in a file: by naming a part again and again, a few lines can stand for more than any memory, or for ever."""


def read_yaml(path: Path, what: str, remedy: str) -> dict[str, Any]:
    """Read a mapping.

    Parameters
    ----------
    path
        The file.
    what
        What an error calls it, such as ``"The recipe"``.
    remedy
        What an error recommends.

    Raises
    ------
    ConfigurationError
        If the file cannot be read, or is no YAML mapping. It never quotes the text, which may hold a password.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{what} {path} cannot be read: {error.strerror}.", remedy) from error
    except (yaml.YAMLError, RecursionError, ValueError):  # such as the date 2026-02-30, or bytes that are no text
        raise ConfigurationError(f"{what} {path} is not YAML.", remedy) from None
    if not isinstance(data, dict):
        raise ConfigurationError(f"{what} {path} is not a YAML mapping.", remedy)
    if _holds_more_than(MAX_VALUES, data):
        raise ConfigurationError(f"{what} {path} holds more than {MAX_VALUES} values.", remedy)
    return data


def _holds_more_than(most: int, data: object) -> bool:
    waiting, count = [data], 0
    while waiting and count <= most:
        value = waiting.pop()
        count += 1
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return count > most
