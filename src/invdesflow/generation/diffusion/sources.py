"""Crystals to train on, from the files that the field publishes them in."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from pymatgen.core import Structure

from invdesflow.crystals.reading import structure_from_text
from invdesflow.errors import ConfigurationError
from invdesflow.superconductors.documents import SuperconductorDocument
from invdesflow.superconductors.importers import (
    Refusal,
    read_alexandria,
    read_folder,
    read_jarvis,
    read_materials_project,
)
from invdesflow.superconductors.importers.coupling import COMMON_MU_STAR
from invdesflow.superconductors.importers.refusal import attempt
from invdesflow.superconductors.importers.source import read_text

__all__ = ["BENCHMARKS", "SOURCES", "LabelledCrystal", "read_benchmark"]


@dataclass(frozen=True)
class LabelledCrystal:
    """A crystal of a data set.

    Attributes
    ----------
    source_id
        Name of the data set and of the crystal in it, such as ``"jarvis:JVASP-934"``.
    structure
        Ordered crystal.
    tc_k
        Critical temperature in K at mu* = 0.10; none where nobody calculated one.
    """

    source_id: str
    structure: Structure
    tc_k: float | None


def read_benchmark(path: Path | str, split: str) -> Iterator[LabelledCrystal | Refusal]:
    r"""Read one part of a benchmark of generative models (perov_5, carbon_24).

    Parameters
    ----------
    path
        JSON, also compressed: part -> name of the crystal -> POSCAR text with ``\n`` written out.
    split
        Part: ``"train"``, ``"val"`` or ``"test"``.

    Yields
    ------
    LabelledCrystal or Refusal
        Every crystal, or why it is not taken.

    Raises
    ------
    ConfigurationError
        If the file cannot be read or has no such part.
    """
    try:
        parts = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"{path} is not JSON: {error}.", "Fetch it again.") from error
    if not isinstance(parts, dict) or split not in parts:
        raise ConfigurationError(f"{path} has no part {split!r}.", "Ask for a part that it has.")
    for name, poscar in parts[split].items():
        yield attempt(name, partial(_from_poscar, f"{Path(path).name.split('.')[0]}:{name}", poscar))


def _from_poscar(source_id: str, poscar: str) -> LabelledCrystal:
    return LabelledCrystal(source_id, structure_from_text(poscar.replace("\\n", "\n"), "poscar", source_id), None)


def _materials_project(path: Path | str) -> Iterator[LabelledCrystal | Refusal]:
    for entry in read_materials_project(path):
        if isinstance(entry, Refusal):
            yield entry
        else:
            yield LabelledCrystal(entry.dataset_id, entry.structure, None)


def _documents(
    read: Callable[[Path | str], Iterator[SuperconductorDocument | Refusal]], path: Path | str
) -> Iterator[LabelledCrystal | Refusal]:
    for entry in read(path):
        if isinstance(entry, Refusal):
            yield entry
        else:
            recomputed = [
                value.tc_k for value in entry.theory if value.mu_star == COMMON_MU_STAR and _ours(value.method)
            ]
            yield LabelledCrystal(entry.dataset_ids[0], entry.structure, recomputed[0] if recomputed else None)


def _ours(method: str) -> bool:
    """Tell the Tc that we recomputed from a published one at the same mu*: one formula for all data sets."""
    return method.startswith("recomputed")


BENCHMARKS = ("perov_5", "carbon_24", "mp_20")
"""Benchmarks of generative models; as a source each is its training part."""
SOURCES: Mapping[str, Callable[[Path | str], Iterator[LabelledCrystal | Refusal]]] = MappingProxyType(
    {
        "materials-project": _materials_project,
        "alexandria": partial(_documents, read_alexandria),
        "jarvis": partial(_documents, read_jarvis),
        "folder": partial(_documents, read_folder),
        **{name: partial(read_benchmark, split="train") for name in BENCHMARKS},
    }
)
"""Readers of data sets by name; each takes a path, as the importer of that name describes the file."""
