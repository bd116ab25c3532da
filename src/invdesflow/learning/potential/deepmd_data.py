"""Frames as deepmd-kit reads them: ``deepmd/npy/mixed``, written by dpdata."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from invdesflow.learning.potential.frames import Frame

__all__ = ["elements_of", "frames_digest", "write_systems"]

_DECIMALS = 8  # of labels (eV, eV/A) that are told apart; a file keeps as many


def elements_of(frames: Sequence[Frame]) -> list[str]:
    """Return the elements of frames in alphabetical order, which is the type map of a model trained on them."""
    return sorted({symbol for frame in frames for symbol in frame.symbols})


def frames_digest(frames: Sequence[Frame]) -> str:
    """Return the SHA-256 of all geometries and labels, whatever their order."""
    contents = sorted(frame.identifier + _labels_digest(frame) for frame in frames)
    return hashlib.sha256("".join(contents).encode()).hexdigest()


def _labels_digest(frame: Frame) -> str:
    labels = np.concatenate([[frame.energy_ev], frame.forces.ravel(), frame.virial_ev.ravel()])
    rounded = np.round(labels, _DECIMALS) + 0.0  # which turns -0.0 into 0.0
    return hashlib.sha256(" ".join(f"{value:.{_DECIMALS}f}" for value in rounded).encode()).hexdigest()


def write_systems(frames: Sequence[Frame], folder: Path) -> list[Path]:
    """Write frames into a folder; those with equally many atoms share a system, whatever their elements.

    Energies are in eV, forces in eV/A, virials in eV with deepmd-kit's sign, which is that of `Frame`.

    Returns
    -------
    list of Path
        The folders of the systems.
    """
    from dpdata import LabeledSystem, MultiSystems

    systems = MultiSystems(type_map=elements_of(frames))
    for frame in frames:
        systems.append(LabeledSystem(data=_dpdata(frame)))
    systems.to("deepmd/npy/mixed", str(folder))
    return sorted(path.parent for path in folder.glob("*/type.raw"))


def _dpdata(frame: Frame) -> dict[str, object]:
    names = sorted(set(frame.symbols))
    return {
        "atom_names": names,
        "atom_numbs": [frame.symbols.count(name) for name in names],
        "atom_types": np.array([names.index(symbol) for symbol in frame.symbols]),
        "orig": np.zeros(3),
        "cells": frame.cell[None],
        "coords": frame.positions[None],
        "energies": np.array([frame.energy_ev]),
        "forces": frame.forces[None],
        "virials": frame.virial_ev[None],
    }
