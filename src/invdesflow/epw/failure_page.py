"""The table of failures and cures in the documentation: ``python -m invdesflow.epw.failure_page PAGE``."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from invdesflow.epw.handlers import epw_handlers
from invdesflow.espresso.failure_table import FAILURES, FailureKind
from invdesflow.espresso.handlers import FailureHandler
from invdesflow.espresso.handlers_ph import ph_handlers
from invdesflow.espresso.handlers_pw import pw_handlers
from invdesflow.espresso.programs import PROGRAMS, Program

__all__ = ["failure_table", "write_failure_table"]

_HEADING = "## The table\n"


def failure_table() -> str:
    """Write the table of failures, with the cures of the handlers, as Markdown."""
    handlers: dict[Program, Sequence[FailureHandler]] = {
        "pw.x": pw_handlers(),
        "ph.x": ph_handlers(),
        "epw.x": epw_handlers(),
    }
    rows = [
        f"| {kind.code} | `{kind.name}` | {_programs(kind)} | {kind.message} | {_cures(kind, handlers)} |"
        for kind in sorted(FAILURES, key=lambda kind: kind.code)
    ]
    return "\n".join(["| code | name | programs | meaning | cure |", "| --- | --- | --- | --- | --- |", *rows]) + "\n"


def _programs(kind: FailureKind) -> str:
    return "all" if kind.programs == PROGRAMS else ", ".join(kind.programs)


def _cures(kind: FailureKind, handlers: Mapping[Program, Sequence[FailureHandler]]) -> str:
    cures = [
        f"{program}: {handler.cure} (at most {handler.max_num_corrections}x)"
        for program, ours in handlers.items()
        for handler in ours
        if kind.name in handler.failures
    ]
    return "; ".join(cures) or ("none; run it again" if kind.transient else "none")


def write_failure_table(page: Path) -> None:
    """Replace the table at the end of a page."""
    prose, heading, _ = page.read_text().partition(_HEADING)
    page.write_text(f"{prose}{heading}\n{failure_table()}")


if __name__ == "__main__":
    write_failure_table(Path(sys.argv[1]))
