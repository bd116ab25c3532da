"""A value, or the reason why there is none."""

from collections.abc import Callable
from typing import TypeVar

from invdesflow.errors import InvDesFlowError

__all__ = ["value_or_reason"]

T = TypeVar("T")


def value_or_reason(compute: Callable[[], T]) -> tuple[T | None, str]:
    """Compute a value; where crystals, calculations or what is left of them forbid it, return the reason instead."""
    try:
        return compute(), ""
    except InvDesFlowError as error:
        return None, error.problem
