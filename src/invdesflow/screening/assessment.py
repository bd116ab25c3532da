"""Ask every model about many crystals, in worker processes where there are enough of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import joblib
from maggma.utils import grouper
from pymatgen.core import Structure

from invdesflow.errors import ModelError
from invdesflow.model_files import read_card
from invdesflow.screening.cost import CostPrediction
from invdesflow.screening.description import Descriptor
from invdesflow.screening.documents import ModelReference
from invdesflow.screening.kinds import KINDS, Kind, load_model
from invdesflow.screening.predictions import ClassPrediction, FormationEnergyPrediction, TcPrediction

__all__ = ["Assessment", "ModelFiles", "assess", "model_references"]

ModelFiles = Mapping[Kind, Path | str]
"""Kind of model -> its weights file, or the reason why there is none."""
_Wanted = tuple[tuple[Kind, Path | str, int | None], ...]

_NO_ANSWER: dict[Kind, Callable[[str], Any]] = {
    "classifier": lambda reason: ClassPrediction(None, None, reason),
    "formation-energy": lambda reason: FormationEnergyPrediction(None, None, reason),
    "tc": TcPrediction.refused,
    "cost": lambda reason: CostPrediction(None, None, None, None, None, reason),
}
_PIECE = 64
_WORTH_A_PROCESS = 256
"""Crystals below which a further process takes longer to load its models than to use them."""


@dataclass(frozen=True)
class Assessment:
    """What the models say of one crystal, in the order of `KINDS`; a model that is missing gives its reason."""

    superconductor: ClassPrediction
    formation_energy: FormationEnergyPrediction
    tc: TcPrediction
    cost: CostPrediction


def assess(
    structures: Sequence[Structure], files: ModelFiles, mu_star: float = 0.10, workers: int = 1
) -> Iterator[Assessment]:
    """Ask every model about crystals.

    Parameters
    ----------
    structures
        Crystals.
    files
        The models.
    mu_star
        Coulomb pseudopotential of the predicted Tc.
    workers
        Most processes.

    Yields
    ------
    Assessment
        One for each structure in order. Pieces of the structures are held at a time, so that the memory does not
        grow with their number.
    """
    wanted = tuple((kind, file, _stamp(file)) for kind, file in sorted(files.items()))
    processes = min(workers, 1 + len(structures) // _WORTH_A_PROCESS)
    calls = (joblib.delayed(_assess_piece)(piece, wanted, mu_star) for piece in grouper(structures, _PIECE))
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        for piece in joblib.Parallel(n_jobs=processes, return_as="generator")(calls):
            yield from piece


def model_references(files: ModelFiles) -> dict[str, ModelReference]:
    """Name the models that are there, by kind.

    Raises
    ------
    ModelError
        If a file is damaged.
    """
    cards = {kind: read_card(file) for kind, file in files.items() if isinstance(file, Path)}
    return {kind: ModelReference(model_id=card["model_id"], digest=card["sha256"]) for kind, card in cards.items()}


def _assess_piece(structures: Sequence[Structure], files: _Wanted, mu_star: float) -> list[Assessment]:
    descriptor, models = _load(files)
    known = descriptor.describe(structures)
    given: dict[Kind, tuple[Any, ...]] = {
        "classifier": (structures, known),
        "formation-energy": (structures, known),
        "tc": (structures, known, mu_star),
        "cost": (structures,),
    }
    answers = {
        kind: [_NO_ANSWER[kind](model)] * len(structures) if isinstance(model, str) else model.predict(*given[kind])
        for kind, model in models.items()
    }
    return [Assessment(*one) for one in zip(*(answers[kind] for kind in KINDS), strict=True)]


def _stamp(file: Path | str) -> int | None:
    """Return when a weights file was written, so that a process that lives on notices another one in its place."""
    return file.stat().st_mtime_ns if isinstance(file, Path) and file.exists() else None


@lru_cache(maxsize=2)
def _load(files: _Wanted) -> tuple[Descriptor, dict[Kind, Any]]:
    models = {kind: file if isinstance(file, str) else _load_or_say_why(kind, file) for kind, file, _ in files}
    return Descriptor(), models


def _load_or_say_why(kind: Kind, file: Path) -> Any:
    try:
        return load_model(kind, file)
    except ModelError as error:
        return str(error)
