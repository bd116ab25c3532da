"""What all screening models share: they are rebuilt from the arrays of a weights file and from its card."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from numpy.typing import NDArray

from invdesflow.errors import ModelError
from invdesflow.model_files import read_model

__all__ = ["ShippedModel"]


class ShippedModel:
    """A trained model whose weights ship with the package; a subclass names its files and rebuilds its own parts.

    Parameters
    ----------
    arrays
        Arrays of the weights file.
    card
        Card of the weights file.

    Attributes
    ----------
    model_id, version, digest
        Name, version of the format, and SHA-256 of the weights.
    card
        All that is said of the model.

    Raises
    ------
    ModelError
        If arrays or entries of the card are missing, or the features are of another version.
    """

    kind: ClassVar[str]
    format_version: ClassVar[int]
    weights: ClassVar[Path]

    def __init__(self, arrays: Mapping[str, NDArray[Any]], card: Mapping[str, Any]) -> None:
        try:
            self.model_id = str(card["model_id"])
            self.version = int(card["version"])
            self.digest = str(card["sha256"])
            self.card = dict(card)
            self._rebuild(arrays, card)
        except (KeyError, TypeError) as error:
            raise ModelError(f"the model lacks {error.args[0]}.", "Install the package again.") from error

    def _rebuild(self, arrays: Mapping[str, NDArray[Any]], card: Mapping[str, Any]) -> None:
        """Rebuild the parts of the model; a missing array or entry may raise KeyError."""
        raise NotImplementedError

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Load the shipped model, or the one at `path`.

        Raises
        ------
        ModelError
            If a file is missing, damaged or of another version.
        """
        return cls(*read_model(path or cls.weights, cls.kind, cls.format_version))
