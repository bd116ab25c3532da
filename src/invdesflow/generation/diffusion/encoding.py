"""Crystals as Wyckoff orbits with free parameters, and back."""

from dataclasses import dataclass, replace

import numpy as np
import spglib
from numpy.typing import NDArray
from pymatgen.core import Element, Lattice, Structure

from invdesflow.crystals.spglib_search import found
from invdesflow.crystals.wyckoff import OriginShift, WyckoffPosition, space_group_table
from invdesflow.errors import StructureError
from invdesflow.generation.diffusion.orbits import OrbitCrystal
from invdesflow.generation.diffusion.templates import Template

__all__ = ["decode", "encode"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

TOLERANCE = 1e-3
"""Largest distance in Angstrom of a standardised atom from where its orbit puts it; spglib's rounding is far less."""


@dataclass(frozen=True, eq=False)
class _Standard:
    """The standardised conventional cell: lattice, and for every atom its position, element, orbit and letter."""

    number: int
    lattice: FloatArray
    positions: FloatArray
    elements: IntArray
    orbits: IntArray
    letters: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Orbit:
    """One orbit; `order` sorts the orbits of a crystal, `atoms` are where the standardised crystal has them."""

    rank: int
    letter: str
    element: int
    choices: FloatArray
    atoms: FloatArray

    @property
    def order(self) -> tuple[int, int, tuple[float, ...]]:
        return self.rank, self.element, tuple(np.round(self.choices[0], 6))


def encode(structure: Structure, symprec: float = 0.01) -> OrbitCrystal:
    """Describe a crystal by its Wyckoff orbits in the standard setting of its space group.

    Parameters
    ----------
    structure
        Ordered crystal in any cell.
    symprec
        Tolerance of spglib in Angstrom.

    Returns
    -------
    OrbitCrystal
        Orbits sorted by letter, atomic number and parameters. Of all atoms of an orbit that may represent it, the one
        with the lexicographically smallest parameters does; of the origins that the space group allows, one that
        brings the first letters, and then the lightest elements to them.

    Raises
    ------
    StructureError
        If the structure is disordered, spglib finds no symmetry, or the orbits do not give back the standardised atoms.
    """
    return _describe(_with_first_letters(_standardise(structure, symprec)))


def decode(crystal: OrbitCrystal) -> Structure:
    """Return the crystal in the primitive cell, orbit by orbit, positions wrapped into [0, 1)."""
    arrays = crystal.template.arrays()
    positions = crystal.template.positions(crystal.parameters) @ np.linalg.inv(arrays.primitive)
    symbols = [Element.from_Z(crystal.elements[orbit]).symbol for orbit in arrays.orbit]
    return Structure(Lattice(arrays.primitive @ crystal.lattice), symbols, positions, to_unit_cell=True)


def _standardise(structure: Structure, symprec: float) -> _Standard:
    if not structure.is_ordered:
        raise StructureError("A disordered structure has no orbits of elements.", "Give an ordered approximant.")
    numbers = [site.specie.Z for site in structure]
    dataset = found(
        spglib.get_symmetry_dataset, (structure.lattice.matrix, structure.frac_coords, numbers), symprec=symprec
    )
    if dataset is None:
        raise StructureError("The symmetry of the structure cannot be found.", "Check it for overlapping atoms.")
    # Atoms of the standard cell and of the input are brought together by the primitive cell, which both map to.
    known = {int(atom): index for index, atom in enumerate(dataset.mapping_to_primitive)}
    inputs = [known[int(atom)] for atom in dataset.std_mapping_to_primitive]
    return _Standard(
        number=int(dataset.number),
        lattice=np.array(dataset.std_lattice, dtype=float),
        positions=np.array(dataset.std_positions, dtype=float),
        elements=np.asarray(dataset.std_types, dtype=np.int64),
        orbits=np.asarray(dataset.crystallographic_orbits, dtype=np.int64)[inputs],
        letters=tuple(dataset.wyckoffs[atom] for atom in inputs),
    )


def _with_first_letters(standard: _Standard) -> _Standard:
    """Choose the origin: spglib takes any that the space group allows, so that one crystal has several templates."""
    table = space_group_table(standard.number)
    ranks = [table.letters.index(letter) for letter in standard.letters]
    first = np.unique(standard.orbits, return_index=True)[1]

    def order(origin: OriginShift) -> tuple[list[int], list[int]]:
        moved = [table.letters.index(origin.letters[ranks[atom]]) for atom in first]
        orbits = sorted((rank, int(standard.elements[atom])) for rank, atom in zip(moved, first, strict=True))
        return [rank for rank, _ in orbits], [element for _, element in orbits]

    origin = min(table.origins, key=order)
    letters = tuple(origin.letters[rank] for rank in ranks)
    return replace(standard, positions=standard.positions + origin.shift, letters=letters)


def _describe(standard: _Standard) -> OrbitCrystal:
    """Read template and parameters off a standardised crystal."""
    table = space_group_table(standard.number)
    orbits = []
    for orbit in np.unique(standard.orbits):
        members = np.flatnonzero(standard.orbits == orbit)
        letter = standard.letters[members[0]]
        atoms = standard.positions[members]
        choices = _parameters(table.position(letter), atoms, standard.lattice)
        rank = table.letters.index(letter)
        orbits.append(_Orbit(rank, letter, int(standard.elements[members[0]]), choices, atoms))
    orbits.sort(key=lambda orbit: orbit.order)
    crystal = OrbitCrystal(
        template=Template(standard.number, tuple(orbit.letter for orbit in orbits)),
        elements=tuple(orbit.element for orbit in orbits),
        parameters=np.array([orbit.choices[0] for orbit in orbits]),
        lattice=standard.lattice,
        alternatives=tuple(orbit.choices for orbit in orbits),
    )
    _require_same(crystal, orbits)
    return crystal


def _parameters(position: WyckoffPosition, atoms: FloatArray, lattice: FloatArray) -> FloatArray:
    """Return the parameters of all atoms that lie on the position's variety, sorted; shape (n_choices, 3)."""
    charted = (atoms - position.offset) @ position.chart.T
    free = charted[:, : position.n_free]
    beside = charted[:, position.n_free :]
    astray = np.zeros_like(charted)
    astray[:, position.n_free :] = beside - np.rint(beside)
    distances = np.linalg.norm(astray @ np.linalg.inv(position.chart).T @ lattice, axis=1)
    on_it = distances < TOLERANCE
    if not on_it.any():
        raise StructureError(
            f"No atom of an orbit lies on Wyckoff position {position.letter}.", "Try a smaller symmetry tolerance."
        )
    choices = np.zeros((int(on_it.sum()), 3))
    choices[:, : position.n_free] = free[on_it] % 1.0
    choices[choices > 1 - 1e-9] = 0.0  # a parameter a rounding below zero wraps to a rounding below one
    return choices[np.unique(np.round(choices, 6) % 1, axis=0, return_index=True)[1]]


def _require_same(crystal: OrbitCrystal, orbits: list[_Orbit]) -> None:
    """Raise StructureError unless the orbits put an atom, and one only, where each standardised atom is."""
    table = space_group_table(crystal.template.space_group)
    arrays = crystal.template.arrays()
    completed = crystal.template.positions(crystal.parameters)
    for index, orbit in enumerate(orbits):
        made = (completed[arrays.orbit == index][:, None] + table.centring).reshape(-1, 3)
        apart = orbit.atoms[:, None] - made
        distances = np.linalg.norm((apart - np.rint(apart)) @ crystal.lattice, axis=2)
        partners = distances.argmin(axis=1)
        if len(made) != len(orbit.atoms) or len(set(partners)) != len(made) or distances.min(axis=1).max() > TOLERANCE:
            raise StructureError(
                f"Wyckoff position {orbit.letter} of space group {table.number} does not give back its atoms.",
                "Try another symmetry tolerance.",
            )
