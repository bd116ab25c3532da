"""Every kind of model in one registry, and how each is evaluated."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from invdesflow.errors import ConfigurationError
from invdesflow.learning.models import model_registry
from invdesflow.screening import kinds

__all__ = ["EVALUATED", "evaluate", "model_registry"]

EVALUATED: dict[kinds.Kind, str] = {
    "classifier": "invdesflow.screening.training.classifier",
    "formation-energy": "invdesflow.screening.training.formation_energy",
    "tc": "invdesflow.screening.training.tc_alignn",
}
"""Kinds that are measured on formulas held out of training -> the module that does it."""


def evaluate(kind: str, weights: Path, data: Mapping[str, Path], cache: Path | None = None) -> dict[str, float]:
    """Measure a model on the held-out formulas of data sets.

    Parameters
    ----------
    kind
        Kind of the model.
    weights
        Its file.
    data
        Name of the set, such as ``alexandria``, ``jarvis`` or ``materials-project`` -> its file.
    cache
        Folder that keeps the descriptions of the crystals for the next time.

    Returns
    -------
    dict
        Metric -> value, by the names that the card has under ``held_out``.

    Raises
    ------
    ConfigurationError
        If models of this kind are not measured on formulas.
    ModelError
        If model or data cannot be read.
    """
    module = {str(known): name for known, name in EVALUATED.items()}.get(kind)
    if module is None:
        raise ConfigurationError(
            f"Models of the kind {kind} are not measured on held-out formulas.",
            f"Kinds that are: {', '.join(EVALUATED)}; for the generator there is `invdesflow generator evaluate`.",
        )
    measure: Callable[..., dict[str, float]] = import_module(module).evaluate
    screening_kind: Any = kind
    return measure(kinds.load_model(screening_kind, weights), data, cache)
