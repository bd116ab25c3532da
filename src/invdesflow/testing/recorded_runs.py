"""Recorded runs of Quantum ESPRESSO: fixture folders, made from real run folders and replayed by the mocks.

A case is a folder::

    run.json     program, input and output file, return code, sizes of the files that are too large to keep
    inputs/      the input file, and other files that the user writes, such as a path of q-points
    outputs/     what the program wrote, at the same relative paths as in the run folder
"""

import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

__all__ = ["RecordedRun", "record_run"]


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """What ``run.json`` says.

    Attributes
    ----------
    program
        Name of the executable, such as ``pw.x``.
    input
        Name of its input file.
    output
        Name of the file that took its standard output.
    returncode
        Exit status.
    sizes
        Relative path -> bytes of files that are replayed with their size and no content.
    """

    program: str
    input: str
    output: str
    returncode: int
    sizes: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, case: Path) -> "RecordedRun":
        """Read the ``run.json`` of a case."""
        return cls(**json.loads((case / "run.json").read_text()))


def record_run(
    folder: Path,
    case: Path,
    run: RecordedRun,
    *,
    inputs: Iterable[str] = (),
    outputs: Iterable[str] = (),
    too_large: Iterable[str] = (),
) -> None:
    """Make a case of a run folder.

    Parameters
    ----------
    folder
        The run folder.
    case
        Folder to write; an older recording in it is replaced.
    run
        What was run; its input and output file are always kept.
    inputs, outputs
        Patterns (as of `pathlib.Path.glob`) of further files to keep.
    too_large
        Patterns of files of which only the size is kept.
    """
    shutil.rmtree(case, ignore_errors=True)
    for place, patterns in (("inputs", (run.input, *inputs)), ("outputs", (run.output, *outputs))):
        for path in _matching(folder, patterns):
            target = case / place / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / path, target)
    sizes = {path.as_posix(): (folder / path).stat().st_size for path in _matching(folder, too_large)}
    content = asdict(run) | {"sizes": run.sizes | sizes}
    (case / "run.json").write_text(json.dumps(content, indent=2) + "\n")


def _matching(folder: Path, patterns: Iterable[str]) -> list[Path]:
    found = {path.relative_to(folder) for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return sorted(found)
