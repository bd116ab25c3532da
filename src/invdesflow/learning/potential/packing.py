"""A trained potential as a model of the registry: one file of safetensors and its card."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from invdesflow.errors import LearningError
from invdesflow.learning.potential.deepmd_training import TrainedPotential
from invdesflow.learning.potential.evaluation import evaluate_frames
from invdesflow.learning.potential.frames import Frame, compositions
from invdesflow.model_files import write_model
from invdesflow.relaxation.potentials import load_calculator, weights_path
from invdesflow.relaxation.registered import ARRAY, KIND, SCORE, VERSION

__all__ = ["pack_potential"]


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
        If there are no held-out crystals, or the potential has seen one of their compositions.
    PotentialError
        If the model cannot be loaded.
    """
    training_set = trained.card["training_set"]
    seen = sorted(set(compositions(held_out)) & set(training_set["compositions"]))
    if seen:
        raise LearningError(f"The potential was trained on {', '.join(seen)}.", "Measure it on other compositions.")
    errors = evaluate_frames(held_out, load_calculator(trained.potential))
    frozen = np.frombuffer(weights_path(trained.potential).read_bytes(), dtype=np.uint8)
    formulas = sorted(compositions(held_out))
    card = trained.card | {
        "kind": KIND,
        "version": VERSION,
        "model_id": model_id,
        "frozen_sha256": trained.potential.digest,
        "training_sets": [{"name": trained.card["theory"]} | training_set],
        "held_out": {
            "formulas": formulas,
            "formulas_digest": hashlib.sha256(json.dumps(formulas).encode()).hexdigest(),
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
