"""An entry that an importer does not take, and why."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError

from invdesflow.errors import InvDesFlowError
from invdesflow.settings import one_line

__all__ = ["Refusal", "attempt"]

T = TypeVar("T")


@dataclass(frozen=True)
class Refusal:
    """What was refused and the reason, in one sentence."""

    name: str
    reason: str


def attempt(name: str, make: Callable[[], T]) -> T | Refusal:
    """Make one entry; what is wrong with it becomes a refusal, so that the others are read.

    Parameters
    ----------
    name
        What the source calls the entry.
    make
        Reads the entry. Errors of ours and what a missing or malformed field raises are caught, nothing else.
    """
    try:
        return make()
    except InvDesFlowError as error:
        return Refusal(name, error.problem)
    except ValidationError as error:
        return Refusal(name, one_line(error))
    except KeyError as error:
        return Refusal(name, f"it has no field {error}")
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        problem = str(error).splitlines()[0] if str(error) else type(error).__name__
        return Refusal(name, f"it cannot be read: {problem}")
