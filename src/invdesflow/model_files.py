"""A model on disk: safetensors for the numbers, a JSON card for everything that is said of them; no pickle."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from invdesflow.errors import ModelError

__all__ = ["arrays_under", "digest_of", "read_card", "read_model", "write_file", "write_model"]

Arrays = dict[str, NDArray[Any]]
REINSTALL = "Install the package again, or train the model again as its card says."


def read_card(path: Path) -> dict[str, Any]:
    """Read the card of a model and check that the weights beside it are those that it names.

    Raises
    ------
    ModelError
        If a file is missing or cannot be read, or the SHA-256 is not that of the card.
    """
    return _read(path)[1]


def read_model(path: Path, kind: str, version: int) -> tuple[Arrays, dict[str, Any]]:
    """Read the weights and the card of a model and check that they belong together.

    Parameters
    ----------
    path
        The ``.safetensors`` file; its card has the same name with ``.json``.
    kind, version
        What the card must say.

    Returns
    -------
    arrays, card
        Arrays by name, and the card with the ``sha256`` of the weights.

    Raises
    ------
    ModelError
        If a file is missing or cannot be read, or if kind, version or SHA-256 are not the expected ones.
    """
    from safetensors.numpy import load

    weights, card = _read(path)
    if (card.get("kind"), card.get("version")) != (kind, version):
        found = f"{card.get('kind')} version {card.get('version')}"
        raise ModelError(f"the model {path} is {found}; {kind} version {version} is needed.", REINSTALL)
    return load(weights), card


def _read(path: Path) -> tuple[bytes, dict[str, Any]]:
    try:
        card: dict[str, Any] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        weights = path.read_bytes()
    except (OSError, ValueError) as error:
        raise ModelError(f"the model {path} cannot be read: {error}.", REINSTALL) from error
    if hashlib.sha256(weights).hexdigest() != card.get("sha256"):
        raise ModelError(f"the weights {path} do not match the SHA-256 of their card.", REINSTALL)
    return weights, card


def arrays_under(arrays: Mapping[str, NDArray[Any]], prefix: str) -> Arrays:
    """Return the arrays whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def digest_of(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 that weights get when they are written."""
    return hashlib.sha256(_packed(arrays)).hexdigest()


def _packed(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    from safetensors.numpy import save

    weights: bytes = save({name: np.ascontiguousarray(array) for name, array in sorted(arrays.items())})
    return weights


def write_model(path: Path, arrays: Mapping[str, NDArray[Any]], card: Mapping[str, Any]) -> str:
    """Write the weights and their card; return the SHA-256 of the weights."""
    weights = _packed(arrays)
    digest = hashlib.sha256(weights).hexdigest()
    write_file(path, weights, dict(card) | {"sha256": digest})
    return digest


def write_file(path: Path, weights: bytes, card: Mapping[str, Any]) -> None:
    """Write weights and their card as they are, each whole and the card last: a kill or a full disk leaves no half."""
    text = json.dumps(dict(card), indent=1, sort_keys=True, allow_nan=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    for file, content in ((path, weights), (path.with_suffix(".json"), text.encode())):
        new = file.with_name(f"new-{uuid4().hex[:8]}-{file.name}")
        try:
            new.write_bytes(content)
            new.replace(file)
        finally:
            new.unlink(missing_ok=True)
