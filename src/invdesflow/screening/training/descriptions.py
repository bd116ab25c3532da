"""Descriptions of a whole training set, computed once and kept in a file."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from maggma.utils import grouper
from pymatgen.core import Structure

from invdesflow.progress import track
from invdesflow.screening.description import CrystalDescription, Descriptor

__all__ = ["describe_set"]

_PIECE = 256


def describe_set(structures: Sequence[Structure], cache: Path | None = None) -> list[CrystalDescription | str]:
    """Describe a training set.

    Parameters
    ----------
    structures
        Its crystals.
    cache
        Folder for what is described; a set that is there is read. It goes out of date with nothing: the file is named
        by the crystals and the weights.

    Returns
    -------
    list
        One description for each structure in order, or the reason why there is none.
    """
    descriptor = Descriptor()
    path = None if cache is None else cache / f"{_digest(structures, descriptor.potential.digest)}.npz"
    if path is not None and path.exists():
        return list(_read(path))
    pieces = list(grouper(structures, _PIECE))
    found = [one for piece in track(pieces, "describing", len(pieces)) for one in descriptor.describe(piece)]
    if path is not None and not all(isinstance(one, str) for one in found):
        _write(path, found)
    return found


def _digest(structures: Sequence[Structure], weights: str) -> str:
    content = hashlib.sha256(weights.encode())
    for structure in structures:
        content.update(np.array(structure.atomic_numbers).tobytes())
        content.update(structure.lattice.matrix.tobytes() + structure.frac_coords.tobytes())
    return content.hexdigest()


def _write(path: Path, found: Sequence[CrystalDescription | str]) -> None:
    known = [one for one in found if not isinstance(one, str)]
    new = path.with_name(f"new-{path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        new,
        reasons=np.array([one if isinstance(one, str) else "" for one in found]),
        energies=np.array([one.energy_ev_per_atom for one in known]),
        sites=np.array([len(one.magnetic_moments) for one in known], dtype=np.int64),
        moments=np.concatenate([one.magnetic_moments for one in known]),
        atoms=np.concatenate([one.atoms for one in known]),
    )
    new.replace(path)


def _read(path: Path) -> Iterator[CrystalDescription | str]:
    with np.load(path) as file:
        arrays = dict(file)
    ends = np.cumsum(arrays["sites"])
    known = 0
    for reason in arrays["reasons"].tolist():
        if reason:
            yield reason
            continue
        sites = slice(ends[known] - arrays["sites"][known], ends[known])
        energy = float(arrays["energies"][known])
        yield CrystalDescription(energy, arrays["moments"][sites], arrays["atoms"][sites])
        known += 1
