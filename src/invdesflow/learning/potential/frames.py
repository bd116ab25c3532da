"""Labelled crystals: energy, forces and virial of one geometry, and with what theory they were found."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from pymatgen.core import Composition, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from invdesflow.database.documents import content_hash
from invdesflow.errors import LearningError
from invdesflow.relaxation.symmetry import FloatArray

__all__ = ["Frame", "check_frames", "compositions", "label_with"]

_DECIMALS = 8
"""Coordinates (A) and forces are rounded to what an extended XYZ file keeps: a frame is the same once read back."""
_SAME_ENERGY = 1e-3  # eV per atom, between two labels of one crystal


@dataclass(frozen=True, eq=False)
class Frame:
    """One geometry with its labels.

    Attributes
    ----------
    symbols
        Elements in the order of the atoms.
    cell
        Rows are the cell vectors (Angstrom), shape (3, 3).
    positions
        Cartesian (Angstrom), shape (n_atoms, 3).
    energy_ev
        Energy (eV per cell).
    forces
        Minus the derivative of the energy with the positions (eV/Angstrom), shape (n_atoms, 3).
    virial_ev
        Minus the derivative of the energy with the strain (eV), shape (3, 3): positive diagonal when the crystal wants
        to expand. It is minus ASE's stress, and plus that of pw.x, times the volume.
    theory
        What the labels depend on beside the geometry, in words; labels of different theories do not go together.
    pseudopotentials
        Element -> SHA-256; empty where there are none.
    source
        Where it comes from: a task_id, or what was done.
    """

    symbols: tuple[str, ...]
    cell: FloatArray
    positions: FloatArray
    energy_ev: float
    forces: FloatArray
    virial_ev: FloatArray
    theory: str
    pseudopotentials: Mapping[str, str] = field(default_factory=dict)
    source: str = ""

    def __post_init__(self) -> None:
        for name in ("cell", "positions", "forces"):
            object.__setattr__(self, name, np.round(np.asarray(getattr(self, name), dtype=float), _DECIMALS))

    @classmethod
    def of(cls, structure: Structure, **labels: object) -> Self:
        """Label a crystal."""
        symbols = tuple(site.specie.symbol for site in structure)
        return cls(symbols, structure.lattice.matrix, structure.cart_coords, **labels)  # type: ignore[arg-type]

    @property
    def formula(self) -> str:
        """Reduced formula."""
        return str(Composition(Counter(self.symbols)).reduced_formula)

    @property
    def identifier(self) -> str:
        """Hash of the geometry, which the labels answer."""
        geometry = {"symbols": self.symbols, "cell": self.cell, "positions": self.positions}
        return content_hash("frame", geometry)

    @property
    def structure(self) -> Structure:
        """The crystal."""
        return Structure(self.cell, list(self.symbols), self.positions, coords_are_cartesian=True)

    @property
    def atoms(self) -> Atoms:
        """The crystal, for ASE."""
        return Atoms(self.symbols, cell=self.cell, positions=self.positions, pbc=True)

    @property
    def volume(self) -> float:
        """Volume (Angstrom^3)."""
        return float(abs(np.linalg.det(self.cell)))

    def is_finite(self) -> bool:
        """Tell whether every number is one."""
        numbers = (self.cell, self.positions, self.energy_ev, self.forces, self.virial_ev)
        return all(bool(np.isfinite(value).all()) for value in numbers)


def label_with(structures: Iterable[Structure], calculator: Calculator, theory: str) -> Iterator[Frame]:
    """Label crystals with any ASE calculator, such as another potential: what a model distilled from it learns.

    Parameters
    ----------
    structures
        Crystals.
    calculator
        With energy, forces and stress.
    theory
        What it is, such as ``CHGNet 0.3.0`` with the digest of its weights.

    Raises
    ------
    Exception
        Whatever the calculator raises.
    """
    for structure in structures:
        atoms = AseAtomsAdaptor.get_atoms(structure, msonable=False)
        atoms.calc = calculator
        yield Frame.of(
            structure,
            energy_ev=float(atoms.get_potential_energy()),
            forces=np.asarray(atoms.get_forces(), dtype=float),
            virial_ev=-np.asarray(atoms.get_stress(voigt=False), dtype=float) * atoms.get_volume(),
            theory=theory,
            source="calculator",
        )


def compositions(frames: Iterable[Frame]) -> dict[str, int]:
    """Count the frames of every reduced formula."""
    return dict(sorted(Counter(frame.formula for frame in frames).items()))


def check_frames(training: Iterable[Frame], held_out: Iterable[Frame] = ()) -> list[Frame]:
    """Refuse what a potential must not be trained on, and leave out what comes twice.

    Parameters
    ----------
    training
        Frames to train on.
    held_out
        Frames that it will be measured on.

    Returns
    -------
    list of Frame
        Those to train on, each geometry once.

    Raises
    ------
    LearningError
        If there is nothing to train on, a label is not a number, labels of one geometry contradict each other, theories
        are mixed, or a held-out composition is among those to train on.
    """
    training, held_out = list(training), list(held_out)
    if not training:
        raise LearningError(
            "There are no labelled crystals to train on.", "Label some with `invdesflow potential label`."
        )
    for frame in (*training, *held_out):
        if not frame.is_finite():
            raise LearningError(
                f"A label of {frame.formula} ({frame.source or frame.identifier}) is not a number.",
                "Remove that frame.",
            )
    _require_one_theory([*training, *held_out])
    shared = sorted(set(compositions(training)) & set(compositions(held_out)))
    if shared:
        raise LearningError(
            f"{', '.join(shared)} would be trained on and measured on.", "Hold a composition out as a whole."
        )
    unique: dict[str, Frame] = {}
    for frame in training:
        same = unique.setdefault(frame.identifier, frame)
        if abs(same.energy_ev - frame.energy_ev) > _SAME_ENERGY * len(frame.symbols):
            raise LearningError(
                f"Two labels of one {frame.formula} crystal differ ({same.source}, {frame.source}).", "Remove one."
            )
    return list(unique.values())


def _require_one_theory(frames: list[Frame]) -> None:
    theories = sorted({frame.theory for frame in frames})
    if len(theories) > 1:
        raise LearningError(
            f"The labels are of {len(theories)} theories: {'; '.join(theories)}.", "Choose those of one with --theory."
        )
    known: dict[str, str] = {}
    for frame in frames:
        for element, digest in frame.pseudopotentials.items():
            if known.setdefault(element, digest) != digest:
                raise LearningError(
                    f"The labels were found with two pseudopotentials of {element}.", "Choose those of one family."
                )
