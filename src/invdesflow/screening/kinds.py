"""The four kinds of model that screen candidates, and where those are that ship."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args

from invdesflow.errors import ModelError
from invdesflow.registry.registry import Score

__all__ = ["KINDS", "SCORES", "SHIPPED", "SHIPPED_FILES", "Kind", "load_model"]

Kind = Literal["classifier", "formation-energy", "tc", "cost"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_WEIGHTS = Path(__file__).parent / "weights"
SHIPPED: Mapping[str, tuple[Path, ...]] = {
    "classifier": (_WEIGHTS / "classifier.safetensors",),
    "formation-energy": (_WEIGHTS / "formation_energy.safetensors",),
    "tc": (_WEIGHTS / "tc_alignn.safetensors",),
    "cost": (_WEIGHTS / "cost.safetensors",),
}
SHIPPED_FILES: Mapping[Kind, Path] = {kind: SHIPPED[kind][0] for kind in KINDS}
"""What is asked where there is no database."""
SCORES: Mapping[str, Score] = {
    "classifier": ("AP", True),
    "formation-energy": ("MAE (eV/atom)", False),
    "tc": ("MAE (K)", False),
}
"""The held-out metric of each kind; an estimate of costs is not measured on formulas."""

_CLASSES: dict[Kind, str] = {
    "classifier": "invdesflow.screening.classifier:Classifier",
    "formation-energy": "invdesflow.screening.formation_energy:FormationEnergy",
    "tc": "invdesflow.screening.tc_alignn:TcEnsemble",
    "cost": "invdesflow.screening.cost:CostModel",
}


def load_model(kind: Kind, path: Path) -> Any:
    """Load a model of a kind.

    Raises
    ------
    ModelError
        If a file is missing, damaged or of another version, or a package that it needs is not installed.
    """
    # Named, not imported: what a model needs is loaded when it is asked.
    module, _, name = _CLASSES[kind].partition(":")
    try:
        load: Callable[[Path], Any] = getattr(import_module(module), name).load
    except ImportError as error:
        raise ModelError(f"the {kind} model needs {error.name}.", "Install it with the extra that names it.") from error
    return load(path)
