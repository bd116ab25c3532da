"""Wyckoff templates: a space group and which of its positions are occupied, without elements and coordinates."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from invdesflow.crystals.wyckoff import WyckoffPosition, space_group_table
from invdesflow.errors import StructureError

__all__ = ["Template", "TemplateArrays", "compose"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TemplateArrays:
    """A template as arrays; R orbits, N atoms in the primitive cell. Coordinates are fractional, conventional.

    Attributes
    ----------
    family
        Crystal family.
    primitive
        Rows of the primitive lattice are ``primitive @ rows of the conventional lattice``; shape (3, 3).
    offset, basis
        The representative of an orbit is ``offset + basis @ u``; columns of `basis` beyond n_free are zero; shapes
        (R, 3) and (R, 3, 3).
    n_free
        Number of free parameters; shape (R,).
    multiplicity
        Atoms of the orbit in the primitive cell; shape (R,).
    orbit
        Orbit of every atom, ascending; shape (N,).
    rotation, translation
        An atom lies at ``rotation @ representative + translation``; the first atom of an orbit is its
        representative; shapes (N, 3, 3) and (N, 3).
    """

    family: str
    primitive: FloatArray
    offset: FloatArray
    basis: FloatArray
    n_free: IntArray
    multiplicity: IntArray
    orbit: IntArray
    rotation: FloatArray
    translation: FloatArray

    @property
    def n_orbits(self) -> int:
        """Number of orbits."""
        return len(self.offset)

    @property
    def n_atoms(self) -> int:
        """Number of atoms in the primitive cell."""
        return len(self.orbit)


@dataclass(frozen=True)
class Template:
    """A space group and its occupied Wyckoff positions.

    Parameters
    ----------
    space_group
        International number.
    letters
        One letter per orbit, in the order of the International Tables (a to z, then A).

    Raises
    ------
    StructureError
        If there is no such group or position, no orbit at all, the letters are not in order, or a position without
        free parameters is occupied twice.
    """

    space_group: int
    letters: tuple[str, ...]

    def __post_init__(self) -> None:
        table = space_group_table(self.space_group)
        positions = [table.position(letter) for letter in self.letters]
        ranks = [table.letters.index(letter) for letter in self.letters]
        if not ranks or ranks != sorted(ranks):
            raise StructureError(
                f"The letters {self.letters} are not in the order of space group {self.space_group}.", "Sort them."
            )
        twice = {p.letter for p in positions if p.n_free == 0 and self.letters.count(p.letter) > 1}
        if twice:
            raise StructureError(
                f"Position {min(twice)} of space group {self.space_group} is one point, but is occupied twice.",
                "Occupy it once.",
            )

    def arrays(self) -> TemplateArrays:
        """Return the template as arrays; they are computed once and must not be written to."""
        return _arrays(self)

    def positions(self, parameters: FloatArray) -> FloatArray:
        """Complete the orbits.

        Parameters
        ----------
        parameters
            Free parameters of every orbit; those beyond n_free are ignored; shape (n_orbits, 3).

        Returns
        -------
        ndarray
            Fractional coordinates in the conventional cell of the atoms of the primitive cell, not wrapped; shape
            (n_atoms, 3).
        """
        arrays = self.arrays()
        representatives = arrays.offset + np.einsum("rij,rj->ri", arrays.basis, parameters)
        turned: FloatArray = np.einsum("nij,nj->ni", arrays.rotation, representatives[arrays.orbit])
        return turned + arrays.translation


@cache
def _arrays(template: Template) -> TemplateArrays:
    table = space_group_table(template.space_group)
    positions = [table.position(letter) for letter in template.letters]
    basis = np.zeros((len(positions), 3, 3))
    for index, position in enumerate(positions):
        basis[index, :, : position.n_free] = position.basis
    multiplicity = np.array([len(position.operations) for position in positions], dtype=np.int64)
    operations = np.concatenate([position.operations for position in positions])
    arrays = TemplateArrays(
        family=table.family,
        primitive=table.primitive,
        offset=np.array([position.offset for position in positions]),
        basis=basis,
        n_free=np.array([position.n_free for position in positions], dtype=np.int64),
        multiplicity=multiplicity,
        orbit=np.repeat(np.arange(len(positions), dtype=np.int64), multiplicity),
        rotation=table.rotations[operations].astype(float),
        translation=table.translations[operations],
    )
    for value in vars(arrays).values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    return arrays


def compose(space_group: int, n_atoms: int, random: np.random.Generator, max_orbits: int) -> Template | None:
    """Draw a template, each of those that a space group allows with the same probability.

    Parameters
    ----------
    space_group
        International number.
    n_atoms
        Atoms in the primitive cell.
    random
        Source of randomness.
    max_orbits
        Most orbits.

    Returns
    -------
    Template or None
        None if no choice of positions holds so many atoms in so few orbits.

    Raises
    ------
    StructureError
        If there is no such space group.

    Notes
    -----
    The multisets of positions are counted from the last position to the first, then one is drawn position by position
    with the counts as weights. A template may describe crystals of a supergroup only; the space group is to be
    checked on the crystal.
    """
    positions = space_group_table(space_group).positions
    if not _count(space_group, 0, n_atoms, max_orbits):
        return None
    letters: list[str] = []
    atoms, orbits = n_atoms, max_orbits
    for index, position in enumerate(positions):
        copies = range(_most(position, atoms, orbits) + 1)
        size = len(position.operations)
        ways = [_count(space_group, index + 1, atoms - copy * size, orbits - copy) for copy in copies]
        chosen = int(random.choice(len(ways), p=np.array(ways, dtype=float) / sum(ways)))
        letters += [position.letter] * chosen
        atoms, orbits = atoms - chosen * size, orbits - chosen
    return Template(space_group, tuple(letters))


@cache
def _count(space_group: int, first: int, n_atoms: int, max_orbits: int) -> int:
    """Count the ways to hold atoms in the positions from `first` on."""
    positions = space_group_table(space_group).positions
    if first == len(positions):
        return int(n_atoms == 0 and max_orbits >= 0)
    position = positions[first]
    return sum(
        _count(space_group, first + 1, n_atoms - copies * len(position.operations), max_orbits - copies)
        for copies in range(_most(position, n_atoms, max_orbits) + 1)
    )


def _most(position: WyckoffPosition, n_atoms: int, max_orbits: int) -> int:
    """Return how often a position can be occupied."""
    fitting = min(n_atoms // len(position.operations), max_orbits)
    return fitting if position.n_free else min(fitting, 1)
