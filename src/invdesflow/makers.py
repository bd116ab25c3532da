"""`SettingsMaker`: the base of our jobflow makers."""

from dataclasses import dataclass
from typing import Any

from jobflow import Maker
from monty.json import jsanitize

__all__ = ["SettingsMaker"]


@dataclass
class SettingsMaker(Maker):
    """A maker whose fields may be pydantic models.

    jobflow sends a job to FireWorks through monty's ``jsanitize`` in its lenient form, which turns a pydantic model
    into its string without a word. Here a maker describes itself in plain JSON, from which MontyDecoder rebuilds it.
    """

    def as_dict(self) -> dict[str, Any]:
        """Return the maker as JSON-like data."""
        return dict(jsanitize(super().as_dict(), strict=True, recursive_msonable=True))
