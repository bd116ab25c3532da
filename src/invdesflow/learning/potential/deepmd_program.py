"""deepmd-kit's command in a folder: running it, the losses that it wrote, the checkpoint to go on from."""

import math
import sys
from pathlib import Path

from invdesflow.errors import LearningError
from invdesflow.espresso.processes import run_guarded

__all__ = ["last_checkpoint", "loss_curve", "require_finite", "run_dp", "step_of"]

_CURVE, _POINTER = "lcurve.out", "checkpoint"
_NOT_FINITE = ("NaN detected", "non-finite", "Non-finite")  # with which deepmd-kit breaks off


def run_dp(folder: Path, *arguments: str) -> None:
    """Run ``dp --pt`` in a folder; it ends with us, however we do, and what it says goes into a log of its own.

    Raises
    ------
    LearningError
        If it fails, with its last words; if a loss or a gradient was not a number.
    """
    path = folder / f"{arguments[0]}.log"
    status = run_guarded([sys.executable, "-m", "deepmd", "--pt", *arguments], folder, "dp.out", path.name)
    if status == 0:
        return
    log = path.read_text(encoding="utf-8", errors="replace")
    if any(words in log for words in _NOT_FINITE) or _diverged(folder):
        raise _divergence(folder)
    lines = [line for line in log.splitlines() if line.strip()] or ["nothing"]
    raise LearningError(f"dp {arguments[0]} failed: {lines[-1].strip()}", f"See {path}.")


def require_finite(folder: Path) -> None:
    """Refuse a training whose losses stopped to be numbers, and forget its checkpoints: nothing goes on from there.

    Raises
    ------
    LearningError
        If it diverged.
    """
    if _diverged(folder):
        (folder / _POINTER).unlink(missing_ok=True)
        raise _divergence(folder)


def _diverged(folder: Path) -> bool:
    return any(not math.isfinite(value) for row in loss_curve(folder) for value in row.values())


def _divergence(folder: Path) -> LearningError:
    return LearningError(
        f"The training in {folder} diverged: a loss is not a number.",
        "Lower start_learning_rate, look for wrong labels, and train in another folder.",
    )


def loss_curve(folder: Path) -> list[dict[str, float]]:
    """Read the course of the losses: column -> value for every line of ``lcurve.out``."""
    path = folder / _CURVE
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    header = next((line[1:].split() for line in lines if line.startswith("#")), [])
    rows = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    return [dict(zip(header, map(float, row), strict=True)) for row in rows if len(row) == len(header)]


def last_checkpoint(folder: Path) -> Path | None:
    """Return the last checkpoint that was written to its end: deepmd-kit names it in a file afterwards."""
    pointer = folder / _POINTER
    if not pointer.is_file():
        return None
    path = folder / Path(pointer.read_text(encoding="utf-8").strip()).name
    return path if path.is_file() else None


def step_of(checkpoint: Path) -> int:
    """Return how many training steps a checkpoint has behind it, which is in its name."""
    return int(checkpoint.stem.rpartition("-")[2])
