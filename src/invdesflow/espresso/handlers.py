"""The form of our error handlers: custodian's, each for failures of the table that no other handler cures."""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from custodian.custodian import ErrorHandler

from invdesflow.espresso.attempts import Attempt, read_attempt
from invdesflow.espresso.input_files import Namelists, patch_input

__all__ = ["FailureHandler", "InputLadder", "twice_the_time"]


class FailureHandler(ErrorHandler):
    """Cures named failures of the last attempt in a folder.

    Attributes
    ----------
    failures
        Names in the table of failures. One cure at a time: no two handlers of a program share a name.
    cure
        What it does, for the documentation.
    max_num_corrections
        How often it may act in one run.
    """

    failures: ClassVar[tuple[str, ...]]
    cure: ClassVar[str]

    def check(self, directory: str = "./") -> bool:
        """Tell whether the last attempt failed in a way that this handler cures."""
        attempt = read_attempt(Path(directory))
        return attempt.may_be_corrected and attempt.failure is not None and attempt.failure.name in self.failures

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Act on the folder; no actions mean that no cure is left."""
        folder = Path(directory)
        attempt = read_attempt(folder)
        errors = [] if attempt.failure is None else [attempt.failure.name]
        return {"errors": errors, "actions": self.act(folder, attempt) or None}

    @abstractmethod
    def act(self, folder: Path, attempt: Attempt) -> list[str]:
        """Change files of the folder, and say how, one line for each change."""


class InputLadder(FailureHandler):
    """Tries one set of input variables after the other.

    Attributes
    ----------
    rungs
        What to set, mildest first; a rung that changes nothing is skipped.
    """

    rungs: ClassVar[tuple[Namelists, ...]]

    def act(self, folder: Path, attempt: Attempt) -> list[str]:
        """Set the variables of the next rung."""
        for rung in self.rungs[self.n_applied_corrections :]:
            if actions := patch_input(folder / attempt.input_name, rung):
                return actions
        return []


def twice_the_time(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Double the time after which a program stops itself, if it has one."""
    return {"max_seconds": 2 * variables["max_seconds"]} if "max_seconds" in variables else {}
