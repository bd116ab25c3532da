"""Searching with spglib, whichever of its two ways to report a failure is switched on."""

from collections.abc import Callable
from typing import Any, TypeVar

import spglib

__all__ = ["found"]

T = TypeVar("T")


def found(search: Callable[..., T | None], *arguments: Any, **options: Any) -> T | None:
    """Return what a function of spglib finds, or None if it finds nothing.

    spglib returns None or raises, as ``spglib.error.OLD_ERROR_HANDLING`` says, and phonopy changes that for the whole
    process when it is imported.

    Parameters
    ----------
    search
        Function of spglib, such as ``spglib.get_symmetry_dataset``.
    arguments, options
        What it is given.
    """
    try:
        return search(*arguments, **options)
    except spglib.SpglibError:
        return None
