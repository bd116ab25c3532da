"""A program that plays recorded runs: it stands in for pw.x and the others on a machine without them.

It compares the input that it is given with the recorded ones and plays the run that fits. If none fits it fails as the
real programs do, and its message says what differs from the recorded input that is nearest.
"""

import json
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from invdesflow.errors import EspressoError
from invdesflow.espresso.input_files import read_namelists
from invdesflow.testing.recorded_runs import RecordedRun, play

__all__ = ["JOURNAL", "differences", "main"]

JOURNAL = "journal.jsonl"
_OF_THE_MACHINE = {"outdir", "pseudo_dir", "wfcdir", "dvscf_dir", "max_seconds"}
_RELATIVE, _ABSOLUTE = 1e-6, 1e-9


def differences(written: str, recorded: str) -> list[str]:
    """Compare two input files: all namelists, and the cards or lists behind them.

    Titles, folders and time limits are not compared; numbers are, to a relative 1e-6.

    Returns
    -------
    list of str
        One line for each difference; empty if they ask for the same.
    """
    ours, theirs = _variables(written), _variables(recorded)
    found = [
        f"{name} is {ours.get(name, 'missing')} and was {theirs.get(name, 'missing')}"
        for name in sorted(ours.keys() | theirs.keys())
        if not _same(ours.get(name), theirs.get(name))
    ]
    our_lines, their_lines = _cards(written), _cards(recorded)
    found += [
        f"line {' '.join(ours_)!r} was {' '.join(theirs_)!r}"
        for ours_, theirs_ in zip(our_lines, their_lines, strict=False)
        if not _same(ours_, theirs_)
    ]
    if len(our_lines) != len(their_lines):
        found.append(f"{len(our_lines)} lines behind the namelists were {len(their_lines)}")
    return found


def main(program: str, folder: Path, arguments: Sequence[str]) -> int:
    """Play the recorded run that fits the input; the body of the executables of `MockEspresso`.

    Parameters
    ----------
    program
        Which program this is.
    folder
        Folder of the executables, with the list of cases and the journal.
    arguments
        Command line; only ``-in FILE`` is looked at.

    Returns
    -------
    int
        Exit status.
    """
    listed = [Path(line) for line in (folder / "cases").read_text().splitlines()]
    cases = [case for case in listed if RecordedRun.of(case).program == program]
    try:
        text = Path(arguments[arguments.index("-in") + 1]).read_text()
        case = _fitting(program, text, cases, folder)
        _check_needs(program, case)
    except (EspressoError, ValueError, OSError) as error:
        print(_banner(program) + _complaint("Error in routine mock (1):", str(error)))  # noqa: T201 (its output file)
        Path("CRASH").write_text(_complaint("task #         0\n     from mock : error #         1", str(error)))
        return 1
    print(play(case, Path.cwd()), end="")  # noqa: T201
    with (folder / JOURNAL).open("a") as journal:
        journal.write(json.dumps({"program": program, "case": case.name, "folder": str(Path.cwd())}) + "\n")
    return RecordedRun.of(case).returncode


def _fitting(program: str, text: str, cases: list[Path], folder: Path) -> Path:
    if not cases:
        raise ValueError(f"no run of {program} is recorded")
    if not text.strip():
        raise ValueError("the input is empty")  # this is how a version is asked for
    found = {case: differences(text, (case / "inputs" / RecordedRun.of(case).input).read_text()) for case in cases}
    fitting = [case for case in cases if not found[case]]
    if not fitting:
        nearest = min(cases, key=lambda case: len(found[case]))
        raise ValueError(f"the input differs from that of {nearest.name}: {'; '.join(found[nearest])}")
    played = [entry["case"] for entry in read_journal(folder)]
    # Several outcomes of one input are played in their order, such as a run that is stopped and then goes on.
    return next((case for case in fitting if case.name not in played), fitting[-1])


def read_journal(folder: Path) -> list[dict[str, str]]:
    """Read what has been played: program, case and folder of each run."""
    journal = folder / JOURNAL
    return [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []


def _check_needs(program: str, case: Path) -> None:
    missing = [pattern for pattern in RecordedRun.of(case).needs if not any(Path.cwd().glob(pattern))]
    if missing:
        raise ValueError(f"{program} needs {', '.join(missing)} in {os.fspath(Path.cwd())}")


def _banner(program: str) -> str:
    name = {"pw.x": "PWSCF", "ph.x": "PHONON"}.get(program, program.removesuffix(".x").upper())
    return f"\n     Program {name} v.6.7 (recorded runs)\n"


def _complaint(head: str, message: str) -> str:
    rule = " " + "%" * 78
    return f"\n{rule}\n     {head}\n     {message}\n{rule}\n"


def _variables(text: str) -> dict[str, Any]:
    groups = read_namelists(text)
    return {
        f"{group}.{name}": _placed(groups[group], name, value)
        for group in groups
        for name, value in groups[group].items()
        if name not in _OF_THE_MACHINE
    }


def _placed(group: Any, name: str, value: Any) -> Any:
    """Write a list with the index of its first element, so that x(2) = 1 is not x(1) = 1."""
    if not isinstance(value, list):
        return value
    start = (group.start_index.get(name) or [1])[0] or 1
    return value if start == 1 else [None] * (start - 1) + value


def _cards(text: str) -> list[list[str]]:
    behind = re.split(r"^\s*/\s*$", text, flags=re.MULTILINE)[-1]
    lines = [re.sub(r"[!#].*|[{}()]", " ", line).split() for line in behind.splitlines()]
    return [line for line in lines if line]


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, list) or isinstance(theirs, list):
        ours, theirs = (value if isinstance(value, list) else [value] for value in (ours, theirs))
        return len(ours) == len(theirs) and all(_same(*pair) for pair in zip(ours, theirs, strict=True))
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return ours is theirs
    try:
        return math.isclose(_number(ours), _number(theirs), rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
    except (ValueError, TypeError):
        return bool(ours == theirs)


def _number(value: Any) -> float:
    return float(value.lower().replace("d", "e") if isinstance(value, str) else value)
