"""Training of DPA models by deepmd-kit in processes of their own; an interrupted training goes on where it was."""

import hashlib
import importlib.util
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from invdesflow.errors import LearningError, PotentialError
from invdesflow.espresso.run_folder import wait_for_guard
from invdesflow.learning.potential.deepmd_data import elements_of, frames_digest, write_systems
from invdesflow.learning.potential.deepmd_input import DpaSettings, training_input
from invdesflow.learning.potential.deepmd_program import last_checkpoint, loss_curve, require_finite, run_dp, step_of
from invdesflow.learning.potential.frames import Frame, check_frames, compositions
from invdesflow.learning.potential.lineage import CARD, Seen
from invdesflow.relaxation.potentials import Potential, find_potential

__all__ = ["Parent", "TrainedPotential", "load_trained", "train_committee", "train_potential"]

_QUESTION = "question.json"
_MODEL, _CHECKPOINT = "model.pth", "model.pt"
_RESOLVED = "resolved.json"


@dataclass(frozen=True)
class Parent:
    """A pre-trained model that is fine-tuned.

    Attributes
    ----------
    checkpoint
        File ``*.pt``, as deepmd-kit's training writes it and as published DPA models are; a frozen model cannot be
        trained further.
    branch
        Head of a model that was trained on several tasks; empty for a new one, or where there is one only.
    """

    checkpoint: Path
    branch: str = ""


@dataclass(frozen=True)
class TrainedPotential:
    """A frozen model, the checkpoint it was frozen from, and what is said of it.

    Attributes
    ----------
    potential
        The model, as relaxations name it.
    checkpoint
        What a further training starts from.
    card
        Training set, settings, final losses.
    """

    potential: Potential
    checkpoint: Path
    card: dict[str, Any]

    @property
    def seen(self) -> Seen:
        """Compositions that it and its parents were trained on."""
        return Seen.of_card(self.card)


def train_potential(
    frames: Sequence[Frame],
    settings: DpaSettings,
    folder: Path,
    *,
    held_out: Sequence[Frame] = (),
    parent: Parent | None = None,
) -> TrainedPotential:
    """Train a DPA model, or return it if it was trained before; after a stop, however it came, the same call goes on.

    The folder holds a model only when the training has ended well; what was in other folders stays.

    Parameters
    ----------
    frames
        What to train on.
    settings
        Architecture and training; of a fine-tuned model the architecture is its parent's.
    folder
        Where the model, its checkpoints and the course of the losses go.
    held_out
        What the model will be measured on; nothing of it must be in `frames`, nor in what the parent and its own
        parents were trained on, as far as that is known (`TrainedPotential.seen`). It is not looked at.
    parent
        A model to start from.

    Raises
    ------
    LearningError
        If the frames cannot be trained on (`check_frames`), the parent has seen a held-out composition, the folder is
        of another training or in use, the training diverges, or deepmd-kit fails.
    EspressoError
        If deepmd-kit, as an earlier process started it, still runs in the folder.
    """
    frames = check_frames(frames, held_out)
    before = Seen() if parent is None else Seen.of_file(parent.checkpoint)
    before.require_unseen(held_out)
    _require_deepmd()
    folder = folder.resolve()
    question = _question(frames, settings, parent)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            _claim(folder, question)
            wait_for_guard(folder)
            if not (folder / CARD).is_file():
                _train(frames, settings, folder, parent)
                require_finite(folder)
                _freeze(folder, question, frames, before)
    except Timeout:
        raise LearningError(f"Another process trains in {folder}.", "Wait for it, or choose another folder.") from None
    except OSError as error:
        raise LearningError(
            f"{folder} cannot be written to: {error.strerror}.", "Make room; the same command continues."
        ) from error
    return load_trained(folder)


def train_committee(
    frames: Sequence[Frame], settings: DpaSettings, folder: Path, members: int, **options: Any
) -> list[TrainedPotential]:
    """Train models that differ in their random numbers only, for `committee.Committee`.

    Parameters
    ----------
    frames, settings, folder, **options
        As for `train_potential`; each member has a folder ``member-N``.
    members
        How many.

    Raises
    ------
    LearningError
        As `train_potential`.
    """
    return [
        train_potential(
            frames, settings.model_copy(update={"seed": settings.seed + number}), folder / f"member-{number}", **options
        )
        for number in range(members)
    ]


def load_trained(folder: Path) -> TrainedPotential:
    """Load what `train_potential` left in a folder.

    Raises
    ------
    LearningError
        If no training has ended there.
    PotentialError
        If the model cannot be loaded.
    """
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LearningError(f"No training has ended in {folder}.", "Train a model there.") from None
    return TrainedPotential(find_potential("DeePMD", str(folder / _MODEL)), folder / _CHECKPOINT, card)


def _require_deepmd() -> None:
    for package in ("deepmd", "dpdata"):
        if importlib.util.find_spec(package) is None:
            raise LearningError(f"Training a DPA model needs {package}.", "Install the extra 'dpa', as the docs say.")


def _question(frames: Sequence[Frame], settings: DpaSettings, parent: Parent | None) -> dict[str, Any]:
    question: dict[str, Any] = {"frames": frames_digest(frames), "settings": settings.model_dump(mode="json")}
    if parent is not None:
        if parent.checkpoint.suffix != ".pt" or not parent.checkpoint.is_file():
            raise LearningError(
                f"{parent.checkpoint} is no checkpoint of a DPA model.", "Give a file *.pt; frozen models cannot learn."
            )
        question["parent"] = hashlib.sha256(parent.checkpoint.read_bytes()).hexdigest()
        question["branch"] = parent.branch
    return question


def _claim(folder: Path, question: dict[str, Any]) -> None:
    """Make a folder that of one training."""
    path = folder / _QUESTION
    text = json.dumps(question, indent=1, sort_keys=True)
    if not path.is_file():
        _replace(path, text)
    elif path.read_text(encoding="utf-8").strip() != text:
        raise LearningError(
            f"{folder} holds the training of another model.", "Choose another folder, or remove that one."
        )


def _train(frames: Sequence[Frame], settings: DpaSettings, folder: Path, parent: Parent | None) -> None:
    """Run ``dp train`` to its end, from the last checkpoint if there is one."""
    checkpoint = last_checkpoint(folder)
    if checkpoint is None:
        shutil.rmtree(folder / "data", ignore_errors=True)
        systems = write_systems(frames, folder / "data")
        text = json.dumps(training_input(settings, frames, [path.relative_to(folder) for path in systems]), indent=1)
        (folder / "input.json").write_text(text, encoding="utf-8")
        start = ["input.json", "--output", _RESOLVED, *_fine_tuning(parent)]
    elif step_of(checkpoint) < settings.steps:  # of a fine-tuned model the resolved input has the parent's architecture
        start = [_RESOLVED, "--output", "restarted.json", "--restart", checkpoint.name]
    else:  # deepmd-kit would repeat the last step
        return
    run_dp(folder, "train", "--skip-neighbor-stat", *start)


def _fine_tuning(parent: Parent | None) -> list[str]:
    if parent is None:
        return []
    branch = ["--model-branch", parent.branch] if parent.branch else []
    return ["--finetune", str(parent.checkpoint.resolve()), "--use-pretrain-script", *branch]


def _freeze(folder: Path, question: dict[str, Any], frames: Sequence[Frame], before: Seen) -> None:
    """Freeze the last checkpoint; the card, written last, says that all is there."""
    checkpoint = last_checkpoint(folder)
    if checkpoint is None:
        raise LearningError(f"deepmd-kit left no checkpoint in {folder}.", "See train.log there.")
    run_dp(folder, "freeze", "-c", checkpoint.name, "-o", "draft.pth")
    (folder / "draft.pth").replace(folder / _MODEL)
    shutil.copy(checkpoint, folder / _CHECKPOINT)
    try:
        potential = find_potential("DeePMD", str(folder / _MODEL))
    except PotentialError as error:
        raise LearningError(
            f"The frozen model cannot be used: {error.problem}", f"Train again in another folder than {folder}."
        ) from error
    card = {
        "kind": "potential",
        "version": 1,
        "sha256": potential.digest,
        "elements": elements_of(frames),
        "theory": frames[0].theory,
        "training_set": {
            "rows": len(frames),
            "digest": question["frames"],
            "compositions": compositions(frames),
        },
        "seen_by_parent": before.to_card(),
        "settings": question["settings"],
        "parent_sha256": question.get("parent"),
        "final_losses": loss_curve(folder)[-1],
    }
    _replace(folder / CARD, json.dumps(card, indent=1, sort_keys=True, allow_nan=False))


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(path.name + ".new")
    draft.write_text(text + "\n", encoding="utf-8")
    draft.replace(path)
