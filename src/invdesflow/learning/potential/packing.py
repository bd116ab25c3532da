"""A trained potential as a model of the registry: one file of safetensors and its card."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from invdesflow.errors import LearningError
from invdesflow.learning.potential.deepmd_data import frames_digest
from invdesflow.learning.potential.deepmd_training import TrainedPotential
from invdesflow.learning.potential.evaluation import evaluate_frames
from invdesflow.learning.potential.frames import Frame, compositions
from invdesflow.learning.potential.lineage import UNKNOWN
from invdesflow.model_files import write_model
from invdesflow.relaxation.potentials import load_calculator, weights_path
from invdesflow.relaxation.registered import ARRAY, KIND, SCORE, VERSION

__all__ = ["labels_digest", "pack_potential"]


def labels_digest(held_out: Sequence[Frame]) -> str:
    """Identify what potentials are measured on, by theory, geometries and labels: what makes errors comparable."""
    theories = sorted({frame.theory for frame in held_out})
    return hashlib.sha256(json.dumps([theories, frames_digest(held_out)]).encode()).hexdigest()


def pack_potential(trained: TrainedPotential, model_id: str, held_out: Sequence[Frame], path: Path) -> Path:
    """Write a potential so that ``invdesflow models import`` takes it.

    Parameters
    ----------
    trained
        The potential.
    model_id
        Its name in the registry.
    held_out
        Labelled crystals of compositions that it has not seen; by the errors on them potentials are compared.
    path
        File to write, ``*.safetensors``; its card goes beside it.

    Raises
    ------
    LearningError
        If there are no held-out crystals, they are of another theory, or the potential or a model that it was
        fine-tuned from has seen one of their compositions.
    PotentialError
        If the model cannot be loaded.
    """
    theory = str(trained.card["theory"])
    others = sorted({frame.theory for frame in held_out} - {theory})
    if others:
        raise LearningError(
            f"The potential learned {theory}; held-out labels are of {'; '.join(others)}.",
            "Measure it on labels of its own theory.",
        )
    trained.seen.require_unseen(held_out)
    errors = evaluate_frames(held_out, load_calculator(trained.potential))
    frozen = np.frombuffer(weights_path(trained.potential).read_bytes(), dtype=np.uint8)
    card = trained.card | {
        "kind": KIND,
        "version": VERSION,
        "model_id": model_id,
        "frozen_sha256": trained.potential.digest,
        "training_sets": [{"name": theory} | trained.card["training_set"]],
        "held_out": {
            "formulas": sorted(compositions(held_out)),
            "caveat": "" if trained.seen.complete else UNKNOWN,
            "formulas_digest": labels_digest(held_out),
            "metrics": {
                "energy RMSE (eV/atom)": errors.energy_rmse,
                SCORE[0]: errors.force_rmse,
                "virial RMSE (eV/atom)": errors.virial_rmse,
                "pressure RMSE (GPa)": errors.pressure_rmse_gpa,
            },
        },
    }
    write_model(path, {ARRAY: frozen}, card)
    return path
