"""Frames on disk: one extended XYZ file, which ASE and every other program of the field reads."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress

from invdesflow.errors import LearningError
from invdesflow.learning.potential.frames import Frame

__all__ = ["read_frames", "write_frames"]

_MANY_COLUMNS = re.compile(r":[A-Z]:\d{3}")


def write_frames(path: Path, frames: Iterable[Frame]) -> None:
    """Write frames into a file, in one step."""
    draft = path.with_name(path.name + ".new")
    ase.io.write(draft, [_labelled(frame) for frame in frames], format="extxyz")
    draft.replace(path)


def _labelled(frame: Frame) -> Atoms:
    atoms = frame.atoms
    stress = -frame.virial_ev / frame.volume
    atoms.calc = SinglePointCalculator(
        atoms, energy=frame.energy_ev, forces=frame.forces, stress=full_3x3_to_voigt_6_stress(stress)
    )
    atoms.info = {"theory": frame.theory, "source": frame.source, "pseudopotentials": dict(frame.pseudopotentials)}
    return atoms


def read_frames(path: Path) -> list[Frame]:
    """Read all frames of an extended XYZ file.

    The energy is in eV, forces in eV/A, and the stress, as ASE has it, in eV/A^3, positive under tension.

    Raises
    ------
    LearningError
        If the file cannot be read, or a crystal in it has no energy, forces or stress, or is damaged.
    """
    try:
        _require_sane_counts(path.read_text(encoding="utf-8").splitlines())
        images = ase.io.read(path, index=":", format="extxyz")
    except Exception as error:  # ASE raises anything on a damaged file
        raise LearningError(f"{path} cannot be read: {error}.", "Give an extended XYZ file.") from error
    frames = []
    for number, atoms in enumerate(images):
        results = atoms.calc.results if atoms.calc is not None else {}
        missing = [name for name in ("energy", "forces", "stress") if name not in results]
        if missing:
            raise LearningError(
                f"Crystal {number + 1} of {path} has no {', '.join(missing)}.", "Label it, or remove it."
            )
        try:
            frames.append(_frame(atoms, results))
        except (ArithmeticError, LookupError, NotImplementedError, TypeError, ValueError) as error:
            raise LearningError(f"Crystal {number + 1} of {path} is damaged: {error}.", "Remove it.") from error
    return frames


def _require_sane_counts(lines: Sequence[str]) -> None:
    """Refuse more atoms than lines, and hundreds of columns: ASE would count to any number that is written there."""
    position = 0
    while position < len(lines) and lines[position].strip():
        atoms = int(lines[position])
        position += 2 + atoms
        if atoms < 1 or position > len(lines):
            raise ValueError(f"a crystal of {atoms} atoms has fewer lines")
        if _MANY_COLUMNS.search(lines[position - atoms - 1]):
            raise ValueError("a property has hundreds of columns")


def _frame(atoms: Atoms, results: Mapping[str, Any]) -> Frame:
    return Frame(
        symbols=tuple(atoms.get_chemical_symbols()),
        cell=atoms.cell[:],
        positions=atoms.positions,
        energy_ev=float(results["energy"]),
        forces=np.asarray(results["forces"], dtype=float),
        virial_ev=-atoms.get_stress(voigt=False) * atoms.get_volume(),
        theory=str(atoms.info.get("theory", "unknown")),
        pseudopotentials=dict(atoms.info.get("pseudopotentials") or {}),
        source=str(atoms.info.get("source", "")),
    )
