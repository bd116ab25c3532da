"""What a check finds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from invdesflow.errors import InvDesFlowError

__all__ = ["Check", "Finding", "carry_out"]

Verdict = Literal["ok", "warning", "missing"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    subject
        What it is.
    verdict
        ``missing`` if a run cannot do without, ``warning`` if some runs can.
    found
        What is there, or what is wrong.
    remedy
        How to mend it.
    """

    subject: str
    verdict: Verdict
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """Something to look at.

    Attributes
    ----------
    subject
        What it is.
    look
        Yields what it finds; an error of ours is a finding, too.
    needed
        Whether every run needs it; else what is missing is a warning.
    """

    subject: str
    look: Callable[[], Iterator[Finding]]
    needed: bool = True


def carry_out(check: Check) -> Iterator[Finding]:
    """Yield what a check finds; what is missing and not needed is a warning."""
    try:
        for finding in check.look():
            yield _weighed(finding, check)
    except InvDesFlowError as error:
        yield _weighed(Finding(check.subject, "missing", error.problem, error.remedy), check)


def _weighed(finding: Finding, check: Check) -> Finding:
    return finding if check.needed or finding.verdict == "ok" else replace(finding, verdict="warning")
