"""The crystals of one training: read from data sets, encoded once, kept beside the training."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from invdesflow.errors import ConfigurationError, TrainingError
from invdesflow.generation.diffusion.dataset import BENCHMARK_GATES, TRAINING_GATES, encode_many
from invdesflow.generation.diffusion.orbits import EncodedCrystals
from invdesflow.generation.diffusion.sources import BENCHMARKS, SOURCES

__all__ = ["DataRequest", "gather", "parse_data"]

LICENCES = MappingProxyType(
    {
        "materials-project": "CC BY 4.0",
        "alexandria": "MIT",
        "jarvis": "NIST terms, public domain in the US",
    }
)


class DataRequest(BaseModel):
    """What to learn from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: tuple[tuple[str, Path], ...] = Field(description="names of readers, see sources.SOURCES, and paths")
    most_given_sites: int | None = Field(
        None, ge=1, description="pass over crystals given in larger cells without a search for a smaller one"
    )
    held_out_templates: tuple[str, ...] = Field((), description="prototypes to leave out, such as 221:abc")
    only_templates: tuple[str, ...] = Field((), description="the only prototypes to take; none: all")
    tc_min_k: float | None = Field(None, ge=0, description="leave out crystals without a Tc of at least this")
    allow_radioactive: bool = Field(False, description="also learn from elements without a stable isotope")


def gather(request: DataRequest, folder: Path, processes: int = 1) -> tuple[EncodedCrystals, dict[str, Any]]:
    """Read and encode crystals, or take them from the folder if they were encoded there before.

    Parameters
    ----------
    request
        What to learn from.
    folder
        Where ``crystals.npz`` and ``data.json`` go.
    processes
        Number of processes that encode.

    Returns
    -------
    crystals, record
        The crystals, and for the model's card what they are: counts, refusals, licences and a content hash.

    Raises
    ------
    ConfigurationError
        If a source is unknown or cannot be read, or the folder holds other crystals.
    TrainingError
        If no crystal is left.
    """
    asked = request.model_dump(mode="json")
    crystals_file, record_file = folder / "crystals.npz", folder / "data.json"
    if record_file.exists():
        record: dict[str, Any] = json.loads(record_file.read_text(encoding="utf-8"))
        if record["request"] != asked:
            raise ConfigurationError(f"{folder} holds a training on other data.", "Give another folder.")
        return EncodedCrystals.load(crystals_file), record["card"]
    parts, counts = [], []
    for name, path in request.data:
        encoded, count = _encode(name, path, request, processes)
        parts.append(encoded)
        counts.append(count)
    crystals = _select(EncodedCrystals.join(parts), request)
    card = {"sources": counts, "crystals": len(crystals), "sha256": _digest(crystals), **_choices(request)}
    folder.mkdir(parents=True, exist_ok=True)
    crystals.save(crystals_file)
    record_file.write_text(json.dumps({"request": asked, "card": card}, indent=1) + "\n", encoding="utf-8")
    return crystals, card


def _encode(name: str, path: Path, request: DataRequest, processes: int) -> tuple[EncodedCrystals, dict[str, Any]]:
    if name not in SOURCES:
        raise ConfigurationError(f"there is no data source {name!r}.", f"Use one of {', '.join(SOURCES)}.")
    gates = TRAINING_GATES.model_copy(update={"allow_radioactive": request.allow_radioactive})
    if name in BENCHMARKS:
        gates = BENCHMARK_GATES
    encoded, refused = encode_many(
        SOURCES[name](path), gates=gates, most_given_sites=request.most_given_sites, processes=processes
    )
    licence = LICENCES.get(name, "as its owner says")
    return encoded, {
        "name": name,
        "licence": licence,
        "encoded": len(encoded),
        "refused": dict(sorted(refused.items())),
    }


def _select(crystals: EncodedCrystals, request: DataRequest) -> EncodedCrystals:
    names = [f"{number}:{letters}" for number, letters in zip(crystals.space_group, crystals.letters, strict=True)]
    keep = ~np.isin(names, request.held_out_templates)
    if request.only_templates:
        keep &= np.isin(names, request.only_templates)
    if request.tc_min_k is not None:
        keep &= crystals.tc_k >= request.tc_min_k
    if not keep.any():
        raise TrainingError("no crystal is left to learn from.", "Hold out fewer, or give more data.")
    return crystals if keep.all() else crystals.subset(np.flatnonzero(keep))


def _choices(request: DataRequest) -> dict[str, Any]:
    chosen = request.model_dump(mode="json", exclude_defaults=True, exclude={"data"})
    return {"choices": chosen}


def _digest(crystals: EncodedCrystals) -> str:
    """Return a hash of which crystals these are, as their sources name them."""
    return hashlib.sha256("\n".join(sorted(map(str, crystals.ids))).encode()).hexdigest()


def parse_data(entries: Sequence[str]) -> tuple[tuple[str, Path], ...]:
    """Read ``NAME=PATH`` pairs of a command line.

    Raises
    ------
    ConfigurationError
        If an entry has no equals sign.
    """
    pairs = []
    for entry in entries:
        name, equals, path = entry.partition("=")
        if not (equals and path):
            raise ConfigurationError(f"{entry!r} is not NAME=PATH.", "Write, for example, alexandria=FILE.")
        pairs.append((name, Path(path)))
    return tuple(pairs)
