"""Data sets whose Tc is known, as features and labels: the material of a replay."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from invdesflow.errors import LearningError, StructureError
from invdesflow.learning.bias import CrystalKind
from invdesflow.progress import track
from invdesflow.screening.elements import periodic_table
from invdesflow.screening.features import FEATURES_VERSION, crystal_features
from invdesflow.superconductors.documents import SuperconductorDocument
from invdesflow.superconductors.importers import Refusal, read_alexandria, read_jarvis
from invdesflow.superconductors.importers.coupling import COMMON_MU_STAR

__all__ = ["LARGEST_LAMBDA", "READERS", "LabelledSet", "SetFormat", "calculated_tc", "label_set", "read_labelled_set"]

SetFormat = Literal["alexandria", "jarvis"]
LARGEST_LAMBDA = 3.5
"""Beyond it a lattice is on the verge of instability, and its harmonic Tc says nothing."""

READERS: dict[SetFormat, Callable[[Path], Iterator[SuperconductorDocument | Refusal]]] = {
    "alexandria": read_alexandria,
    "jarvis": read_jarvis,
}


@dataclass(frozen=True, eq=False)
class LabelledSet:
    """Crystals with a Tc.

    Parameters
    ----------
    names
        Identifiers, each once.
    features
        Shape (crystals, features).
    tc_k
        Calculated Tc in K at one mu*, shape (crystals,).
    kinds
        Elements and prototype of each, for the log of the bias.

    Raises
    ------
    LearningError
        If a name occurs twice, lengths differ, or a number is not finite or a Tc is negative.
    """

    names: tuple[str, ...]
    features: NDArray[np.float64]
    tc_k: NDArray[np.float64]
    kinds: tuple[CrystalKind, ...]

    def __post_init__(self) -> None:
        lengths = {len(self.names), len(self.features), len(self.tc_k), len(self.kinds)}
        if len(lengths) > 1 or len(set(self.names)) < len(self.names):
            raise LearningError("the labelled set needs one row for each crystal, and each crystal once.")
        if not (np.isfinite(self.features).all() and np.isfinite(self.tc_k).all() and (self.tc_k >= 0).all()):
            raise LearningError("the labelled set has a feature that is not finite, or a Tc that is none.")

    def __len__(self) -> int:
        return len(self.names)


def label_set(documents: Sequence[SuperconductorDocument]) -> LabelledSet:
    """Compute the features of known superconductors and take their calculated Tc at mu* = 0.10.

    The first calculation with this mu* counts, which is the published one where there is one. Left out are crystals
    that came before, those without such a Tc or with lambda above `LARGEST_LAMBDA`, and those without features.
    """
    rows: dict[str, tuple[list[float], float, CrystalKind]] = {}
    for document in track(documents, "features", len(documents)):
        tc = calculated_tc(document)
        if tc is None or document.superconductor_id in rows:
            continue
        try:
            row = crystal_features(document.structure, periodic_table())
        except StructureError:
            continue
        rows[document.superconductor_id] = (list(row.values()), tc, CrystalKind.of(document.structure))
    features, labels, kinds = zip(*rows.values(), strict=True) if rows else ((), (), ())
    return LabelledSet(tuple(rows), np.array(features), np.array(labels), tuple(kinds))


def calculated_tc(document: SuperconductorDocument) -> float | None:
    """Return the first Tc at the common mu*, unless its lambda is beyond what can be trusted."""
    known = (one for one in document.theory if one.mu_star == COMMON_MU_STAR and one.tc_k is not None)
    first = next(known, None)
    return None if first is None or (first.lambda_ or 0.0) > LARGEST_LAMBDA else first.tc_k


def read_labelled_set(path: Path, set_format: SetFormat, cache: Path | None = None) -> LabelledSet:
    """Read a data set and compute its features, about three minutes for the 7,220 crystals of Alexandria.

    Parameters
    ----------
    path
        File as the importer of the format takes it.
    set_format
        Which importer.
    cache
        Folder where the result is kept; the file in it is named by the data, the format and the version of the
        features. A kept set is read in a second.

    Raises
    ------
    ConfigurationError
        If the file cannot be read.
    LearningError
        If nothing in it can be used.
    """
    kept = None if cache is None else cache / f"labelled-{_digest(path, set_format)}.npz"
    if kept is not None and kept.is_file():
        return _load(kept)
    entries = list(track(READERS[set_format](path), "reading"))
    data = label_set([entry for entry in entries if isinstance(entry, SuperconductorDocument)])
    if len(data) == 0:
        raise LearningError(f"{path} holds no crystal with a Tc at mu* = {COMMON_MU_STAR}.", "Check the format.")
    if kept is not None:
        _save(kept, data)
    return data


def _digest(path: Path, set_format: SetFormat) -> str:
    rule = f"{set_format} {FEATURES_VERSION} {LARGEST_LAMBDA} {COMMON_MU_STAR}"
    content = hashlib.sha256(rule.encode())
    if path.is_file():
        content.update(path.read_bytes())
    return content.hexdigest()[:24]


def _save(path: Path, data: LabelledSet) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"new-{path.name}")
    np.savez_compressed(
        unfinished,
        names=np.array(data.names),
        features=data.features,
        tc_k=data.tc_k,
        elements=np.array([" ".join(sorted(kind.elements)) for kind in data.kinds]),
        prototypes=np.array([kind.prototype for kind in data.kinds]),
    )
    unfinished.replace(path)


def _load(path: Path) -> LabelledSet:
    with np.load(path) as file:
        arrays = dict(file)
    kinds = (
        CrystalKind(frozenset(elements.split()), prototype)
        for elements, prototype in zip(arrays["elements"].tolist(), arrays["prototypes"].tolist(), strict=True)
    )
    return LabelledSet(tuple(arrays["names"].tolist()), arrays["features"], arrays["tc_k"], tuple(kinds))
