"""Recorded runs of Quantum ESPRESSO: fixture folders, made from real run folders and played again by the mocks.

A case is a folder::

    run.json     program, names of input and output, return code, what the run needs, what is too large to keep
    inputs/      the input file, and other files that the user writes, such as a path of q-points
    outputs/     what the program wrote, at the same relative paths as in the run folder
"""

import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

__all__ = ["RecordedRun", "play", "record"]


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """What ``run.json`` says.

    Attributes
    ----------
    program
        Name of the executable, such as ``pw.x``.
    returncode
        Exit status.
    input, output
        Names of its input file and of the file of its standard output; by default ``pw.in``, ``pw.out`` and so on.
    needs
        Patterns of files of earlier steps without which the real program would have failed.
    sizes
        Relative path -> bytes of files that are played with their size and no content.
    """

    program: str
    returncode: int = 0
    input: str = ""
    output: str = ""
    needs: list[str] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        stem = self.program.removesuffix(".x")
        object.__setattr__(self, "input", self.input or f"{stem}.in")
        object.__setattr__(self, "output", self.output or f"{stem}.out")

    @classmethod
    def of(cls, case: Path) -> "RecordedRun":
        """Read the ``run.json`` of a case."""
        return cls(**json.loads((case / "run.json").read_text()))


def record(
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
        What was run; its input, its output and a file ``CRASH`` are always kept.
    inputs, outputs
        Patterns (as of `pathlib.Path.glob`) of further files to keep.
    too_large
        Patterns of files of which only the size is kept.
    """
    shutil.rmtree(case, ignore_errors=True)
    for place, patterns in (("inputs", (run.input, *inputs)), ("outputs", (run.output, "CRASH", *outputs))):
        for path in _matching(folder, patterns):
            target = case / place / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / path, target)
    sizes = {path.as_posix(): (folder / path).stat().st_size for path in _matching(folder, too_large)}
    content = asdict(run) | {"sizes": run.sizes | sizes}
    (case / "run.json").write_text(json.dumps(content, indent=2) + "\n")


def play(case: Path, folder: Path) -> str:
    """Put what a recorded run wrote into a run folder.

    Files that stand there as links to another run are replaced, not written through.

    Returns
    -------
    str
        Its standard output.
    """
    run = RecordedRun.of(case)
    recorded = case / "outputs"
    for source in sorted(path for path in recorded.rglob("*") if path.is_file()):
        path = source.relative_to(recorded)
        if path != Path(run.output):
            shutil.copyfile(source, _fresh(folder / path))
    for name, size in run.sizes.items():
        with _fresh(folder / name).open("wb") as file:
            file.truncate(size)
    return (recorded / run.output).read_text()


def _fresh(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    return path


def _matching(folder: Path, patterns: Iterable[str]) -> list[Path]:
    found = {path.relative_to(folder) for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return sorted(found)
