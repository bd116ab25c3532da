"""Crystals that a potential should learn from: strained, displaced, and along the way of a relaxation."""

from collections.abc import Iterator, Sequence

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from invdesflow.crystals.symmetry import primitive
from invdesflow.relaxation.relaxation import DEFAULT_SETTINGS, RelaxationSettings, relax
from invdesflow.relaxation.symmetry import (
    FloatArray,
    SpaceGroupOperations,
    free_displacements,
    free_strains,
    space_group_operations,
)

__all__ = ["DistortionSettings", "distorted", "relaxation_path"]

_SYMPREC = 0.01
_DRAWS = 200
_STEPS = 16  # elements of two rotations that differ do so by more than a step, whatever the last bits


class DistortionSettings(BaseModel):
    """How far crystals are taken from where they are at rest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stretch: float = Field(0.03, ge=0, lt=0.3, description="largest change of all lengths alike, either way")
    strain: float = Field(0.015, ge=0, lt=0.2, description="standard deviation of each further strain")
    displacement: float = Field(0.06, ge=0, description="root mean square displacement along an axis (A)")
    operations: int = Field(
        1, ge=1, description="symmetry operations that are kept at least: each spares a calculation some of its work"
    )


def distorted(structure: Structure, settings: DistortionSettings, n: int, seed: int) -> Iterator[Structure]:
    """Yield the primitive cell of a crystal stretched, strained and displaced at random.

    Each keeps a subgroup of the space group, drawn at random among those that two operations generate and that have
    `settings.operations` to twice as many operations: strains and displacements are drawn from those that it leaves
    free. Over the crystals the subgroups differ, so that all strains and displacements are reached although each
    crystal is cheap.

    Parameters
    ----------
    structure
        Ordered crystal.
    settings
        How far.
    n
        Number of crystals.
    seed
        The crystal of one number is the same for the same seed, however many are drawn.

    Raises
    ------
    StructureError
        If the symmetry cannot be found.
    """
    atoms = AseAtomsAdaptor.get_atoms(primitive(structure), msonable=False)
    group = space_group_operations(atoms, _SYMPREC)
    for number in range(n):
        yield _distorted(atoms, group, settings, np.random.default_rng([seed, number]))


def _distorted(
    atoms: Atoms, group: SpaceGroupOperations, settings: DistortionSettings, generator: np.random.Generator
) -> Structure:
    kept = _subgroup(group, settings.operations, generator)
    strains, displacements = free_strains(kept), free_displacements(kept)
    deformation = (1 + settings.stretch * generator.uniform(-1, 1)) * np.eye(3)
    deformation += np.einsum("k,kij->ij", generator.normal(0, settings.strain, len(strains)), strains)
    moved = atoms.copy()
    if len(displacements):
        # Few patterns move as far as many do.
        size = settings.displacement * np.sqrt(3 * len(atoms) / len(displacements))
        moved.positions += np.einsum("k,kai->ai", generator.normal(0, size, len(displacements)), displacements)
    moved.set_cell(atoms.cell[:] @ deformation, scale_atoms=True)
    return AseAtomsAdaptor.get_structure(moved)


def _subgroup(group: SpaceGroupOperations, at_least: int, generator: np.random.Generator) -> SpaceGroupOperations:
    """Draw a subgroup of little more than so many operations; the whole group if none turns up."""
    n_operations = len(group.rotations)
    numbers = {_encoded(group.rotations[one], group.permutations[one]): one for one in range(n_operations)}
    for _ in range(_DRAWS if at_least < n_operations else 0):
        members = _generated(group, numbers, generator.integers(n_operations, size=2).tolist())
        if at_least <= len(members) <= 2 * at_least:
            return SpaceGroupOperations(group.rotations[members], group.permutations[members])
    return group


def _generated(group: SpaceGroupOperations, numbers: dict[bytes, int], generators: Sequence[int]) -> list[int]:
    """Return the operations that are products of some."""
    found = new = set(generators)
    while new:
        new = {_product(group, numbers, one, by) for one in new for by in generators} - found
        found = found | new
    return sorted(found)


def _product(group: SpaceGroupOperations, numbers: dict[bytes, int], first: int, second: int) -> int:
    rotation = group.rotations[second] @ group.rotations[first]
    return numbers[_encoded(rotation, group.permutations[second][group.permutations[first]])]


def _encoded(rotation: FloatArray, permutation: NDArray[np.int64]) -> bytes:
    return np.round(_STEPS * rotation).astype(np.int8).tobytes() + permutation.astype(np.int64).tobytes()


def relaxation_path(
    structure: Structure, calculator: Calculator, settings: RelaxationSettings = DEFAULT_SETTINGS
) -> list[Structure]:
    """Return the crystals that a relaxation goes through, the first one included, in primitive cells.

    Raises
    ------
    Exception
        Whatever the calculator raises.
    """
    path: list[Structure] = []
    relax(structure, calculator, settings, observe=lambda atoms: path.append(AseAtomsAdaptor.get_structure(atoms)))
    return path
