"""Model deviation: where the members of a committee disagree, none of them knows the crystal."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from ase.calculators.calculator import Calculator
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from invdesflow.errors import ConfigurationError
from invdesflow.relaxation.potentials import Device, Potential, load_calculator
from invdesflow.relaxation.symmetry import FloatArray

__all__ = ["Committee", "Deviation", "TrustLevels", "choose_for_labels"]

Trust = Literal["known", "to label", "absurd"]


class TrustLevels(BaseModel):
    """What the members of a committee may disagree by; the defaults are where to begin."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    known: float = Field(0.10, gt=0, description="deviation (eV/A, eV) below which a crystal is known")
    absurd: float = Field(0.80, gt=0, description="deviation from which the geometry itself is doubtful")

    @model_validator(mode="after")
    def _in_order(self) -> "TrustLevels":
        if self.known >= self.absurd:
            raise ValueError("known must be below absurd")
        return self

    def of(self, deviation: "Deviation") -> Trust:
        """Judge a deviation; one that is not a number is absurd."""
        if deviation.largest < self.known:
            return "known"
        return "to label" if deviation.largest < self.absurd else "absurd"


@dataclass(frozen=True)
class Deviation:
    """How far the members of a committee are apart in one crystal.

    Attributes
    ----------
    force
        Largest over the atoms of the standard deviation of the force over the members (eV/Angstrom).
    energy_per_atom
        Standard deviation of the energy (eV/atom).
    virial_per_atom
        Largest over the rows of the virial per atom of the same standard deviation (eV/atom), as relaxations compare it
        with forces: where symmetry forbids forces, only it tells that the members disagree.
    """

    force: float
    energy_per_atom: float
    virial_per_atom: float

    @property
    def largest(self) -> float:
        """What is judged: the larger of force (eV/Angstrom) and virial per atom (eV)."""
        return float(np.max([self.force, self.virial_per_atom]))  # not a number if either is not


class Committee:
    r"""Potentials that were trained alike, with different random numbers.

    The deviation of a crystal is

    .. math:: \epsilon = \max_i \sqrt{\langle |F_i - \langle F_i \rangle|^2 \rangle}

    with the mean over the members: Zhang et al., Comput. Phys. Commun. 253, 107206 (2020), equation 3.

    Parameters
    ----------
    members
        Two calculators or more.

    Raises
    ------
    ConfigurationError
        If there are fewer.
    """

    def __init__(self, members: Sequence[Calculator]) -> None:
        if len(members) < 2:
            raise ConfigurationError("A committee needs two members or more.", "Train with --members 3.")
        self._members = members

    @classmethod
    def of(cls, potentials: Sequence[Potential], device: Device = "cpu") -> "Committee":
        """Load the members.

        Raises
        ------
        ConfigurationError
            If there are fewer than two.
        PotentialError
            If one cannot be loaded.
        """
        return cls([load_calculator(potential, device) for potential in potentials])

    def deviation(self, structure: Structure) -> Deviation:
        """Measure the disagreement in one crystal."""
        atoms = AseAtomsAdaptor.get_atoms(structure, msonable=False)
        per_atom = atoms.get_volume() / len(atoms)
        energies, forces, virials = [], [], []
        for member in self._members:
            atoms.calc = member
            energies.append(float(atoms.get_potential_energy()) / len(atoms))
            forces.append(np.asarray(atoms.get_forces(), dtype=float))
            virials.append(np.asarray(atoms.get_stress(voigt=False), dtype=float) * per_atom)
        return Deviation(_spread(forces), float(np.std(energies)), _spread(virials))


def _spread(vectors: Sequence[FloatArray]) -> float:
    """Return the largest standard deviation over the members of the rows of a matrix."""
    return float(np.sqrt(np.var(vectors, axis=0).sum(axis=1).max()))


def choose_for_labels(
    structures: Iterable[Structure], committee: Committee, levels: TrustLevels, most: int
) -> list[Structure]:
    """Choose the crystals that labels from first principles would teach most: those that are disputed, not absurd.

    Parameters
    ----------
    structures
        Crystals to choose from.
    committee, levels
        Who disputes, and from where.
    most
        At most so many, the most disputed first.
    """
    disputed = []
    for structure in structures:
        deviation = committee.deviation(structure)
        if levels.of(deviation) == "to label":
            disputed.append((deviation.largest, structure))
    disputed.sort(key=lambda pair: -pair[0])
    return [structure for _, structure in disputed[:most]]
