"""Potentials of our own in the registry of models.

The registry keeps safetensors, deepmd-kit runs a frozen TorchScript file: the bytes of that file are the one array of
the model, and are written out again, under their own SHA-256, where a potential is asked for.
"""

import hashlib
from pathlib import Path

import numpy as np

from invdesflow.database import Database
from invdesflow.errors import ModelError
from invdesflow.model_files import read_model
from invdesflow.registry.registry import Registry, Score
from invdesflow.relaxation.potentials import Kind, Potential, find_potential

__all__ = ["ARRAY", "KIND", "SCORE", "SHIPPED", "VERSION", "find_registered_potential", "unpack_potential"]

KIND = "potential"
VERSION = 1
ARRAY = "frozen_model"
SHIPPED: tuple[Path, ...] = ()
SCORE: Score = ("force RMSE (eV/A)", False)


def find_registered_potential(database: Database, kind: Kind = "CHGNet", model: str | None = None) -> Potential:
    """Find a potential as `find_potential` does, and a DeePMD model also by its name in the registry.

    Parameters
    ----------
    database
        With the registry.
    kind
        Program that evaluates it.
    model
        Name of weights that come with the program, path of a file, or, for DeePMD, name of a model in the registry;
        none is the default of the program, for DeePMD the promoted potential.

    Raises
    ------
    DatabaseError
        If the weights are not in the database.
    ModelError
        If the registry has no such potential.
    PotentialError
        If the potential cannot be used.
    """
    if kind == "DeePMD" and not (model and Path(model).is_file()):
        packed = Registry(database, {KIND: SHIPPED}, {KIND: SCORE}).find(KIND, model)
        model = str(unpack_potential(packed, database.settings.data_dir / "models"))
    return find_potential(kind, model)


def unpack_potential(packed: Path, folder: Path) -> Path:
    """Write the frozen model of a file of the registry into a folder, unless it is there.

    Raises
    ------
    ModelError
        If the file is damaged or no potential.
    """
    arrays, _ = read_model(packed, KIND, VERSION)
    if ARRAY not in arrays:
        raise ModelError(f"{packed} holds no frozen model.", "Import a potential that InvDesFlow trained.")
    content = arrays[ARRAY].astype(np.uint8).tobytes()
    path = folder / f"{hashlib.sha256(content).hexdigest()}.pth"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".new")
        draft.write_bytes(content)
        draft.replace(path)
    return path
