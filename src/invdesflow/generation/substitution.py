"""New crystals from known ones: replace elements by similar ones and scale the lattice to them."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product
from zlib import crc32

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator
from pymatgen.core import Lattice, Structure

from invdesflow.crystals.geometry import usual_volume
from invdesflow.crystals.identity import candidate_id
from invdesflow.crystals.symmetry import primitive, space_group
from invdesflow.errors import ConfigurationError
from invdesflow.generation.similarity import DEFAULT_ELEMENTS, dissimilarity

__all__ = ["Parent", "Proposal", "SubstitutionSettings", "propose", "substitute"]


@dataclass(frozen=True)
class Parent:
    """A known crystal to start from.

    Attributes
    ----------
    id
        Identifier of its document.
    structure
        Ordered crystal in any cell.
    weight
        How often it is drawn, relative to the other parents.
    pressure_gpa
        Pressure at which it was found, in GPa.
    """

    id: str
    structure: Structure
    weight: float = 1.0
    pressure_gpa: float = 0.0


@dataclass(frozen=True)
class Proposal:
    """A substituted crystal and how it was made.

    Attributes
    ----------
    index
        Position in the sequence of this seed, these parents and these settings.
    candidate_id
        Identifier of the crystal.
    structure
        Primitive cell.
    parent_id
        Identifier of the parent.
    replacements
        Element of the parent -> element here.
    intended_space_group
        Space group number of the parent; none where two sublattices became the same element.
    """

    index: int
    candidate_id: str
    structure: Structure
    parent_id: str
    replacements: dict[str, str]
    intended_space_group: int | None


class SubstitutionSettings(BaseModel):
    """What may replace what."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)

    max_replaced: int = Field(2, ge=1, description="most elements of a parent that are replaced at once")
    min_elements: int = Field(
        2, ge=1, description="fewest elements of a proposal; the crystals of the elements are known"
    )
    softness: float = Field(1.0, gt=0, description="decay of a replacement's weight with its dissimilarity")
    max_dissimilarity: float = Field(4.0, gt=0, description="largest dissimilarity of an element and its replacement")
    allowed_elements: list[str] = Field(list(DEFAULT_ELEMENTS), description="elements a proposal may contain")
    excluded_elements: list[str] = Field([], description="elements a proposal must not contain")
    required_elements: list[str] = Field([], description="elements every proposal must contain")
    fixed_elements: list[str] = Field(["H"], description="elements of a parent that are never replaced")
    allow_merging: bool = Field(False, description="let two sublattices end in the same element")
    max_parent_pressure_gpa: float = Field(1.0, ge=0, description="parents found above this pressure are left out")

    @field_validator("allowed_elements", "excluded_elements", "required_elements", "fixed_elements")
    @classmethod
    def _known(cls, symbols: list[str]) -> list[str]:
        unknown = sorted(set(symbols) - set(DEFAULT_ELEMENTS))
        if unknown:
            raise ValueError(f"no similarity is tabulated for {', '.join(unknown)}")
        return sorted(set(symbols))


def propose(
    parents: Sequence[Parent], seed: int, settings: SubstitutionSettings | None = None, start: int = 0
) -> Iterator[Proposal]:
    """Draw distinct substituted crystals until there are no more.

    1. Draw a parent by its weight.
    2. Draw which of its elements are replaced, 1 to `max_replaced` of them, every number and every set equally likely.
    3. Take the next replacement of that set from an order drawn without return by ``exp(-dissimilarity / softness)``.
    4. Leave out a crystal whose identifier came before.

    The sequence depends on the seed, the parents (not on their order) and the settings alone.

    Parameters
    ----------
    parents
        Known crystals.
    seed
        Seed of the sequence.
    settings
        What may replace what; default `SubstitutionSettings()`.
    start
        Index of the first proposal to yield, to go on where an earlier call stopped.

    Yields
    ------
    Proposal
        With consecutive indices. The iterator ends when every possible replacement was made.

    Raises
    ------
    ConfigurationError
        If two parents share an identifier, a weight is not positive, or no parent is left to draw from.
    StructureError
        If a parent is disordered or degenerate.
    """
    settings = settings or SubstitutionSettings()
    pools = [_Pool(parent, seed, settings) for parent in _eligible(parents, settings)]
    rng = np.random.default_rng(seed)
    seen: set[str] = set()
    index = 0
    while pools := [pool for pool in pools if pool.remaining]:
        weights = np.array([pool.parent.weight for pool in pools])
        pool = pools[rng.choice(len(pools), p=weights / weights.sum())]
        replacements = pool.draw(rng)
        if replacements is None:
            continue
        structure = substitute(pool.structure, replacements)
        identifier = candidate_id(structure)
        if identifier in seen:
            continue
        seen.add(identifier)
        if index >= start:
            kept = None if len(structure.composition) < len(pool.structure.composition) else pool.space_group
            yield Proposal(index, identifier, structure, pool.parent.id, replacements, kept)
        index += 1


def substitute(structure: Structure, replacements: dict[str, str]) -> Structure:
    """Replace elements of a crystal and scale its lattice to the new ones.

    The cell keeps its shape and the positions their fractional coordinates; the volume changes as the sum of the
    usual atomic volumes does.

    Parameters
    ----------
    structure
        Ordered crystal.
    replacements
        Element of the crystal -> new element; all are replaced at once, so that two may be exchanged.

    Raises
    ------
    StructureError
        If no usual volume is known for an element.
    """
    old = [site.specie.symbol for site in structure]
    new = [replacements.get(symbol, symbol) for symbol in old]
    factor = sum(map(usual_volume, new)) / sum(map(usual_volume, old))
    return Structure(Lattice(structure.lattice.matrix * factor ** (1 / 3)), new, structure.frac_coords)


def _eligible(parents: Sequence[Parent], settings: SubstitutionSettings) -> list[Parent]:
    if len({parent.id for parent in parents}) < len(parents):
        raise ConfigurationError("Two parents share an identifier.", "Give every parent once.")
    if not all(np.isfinite(parent.weight) and parent.weight > 0 for parent in parents):
        raise ConfigurationError("The weight of a parent is not a positive number.", "Leave the parent out instead.")
    eligible = sorted(
        (parent for parent in parents if parent.pressure_gpa <= settings.max_parent_pressure_gpa),
        key=lambda parent: parent.id,
    )
    if not eligible:
        raise ConfigurationError(
            f"None of {len(parents)} parents was found at {settings.max_parent_pressure_gpa:g} GPa or less.",
            "Import known superconductors, or raise max_parent_pressure_gpa.",
        )
    return eligible


class _Pool:
    """What is left to be drawn from one parent."""

    def __init__(self, parent: Parent, seed: int, settings: SubstitutionSettings) -> None:
        self.parent = parent
        self._seed = [seed, crc32(parent.id.encode())]
        self._settings = settings
        self._elements = sorted(element.symbol for element in parent.structure.composition.elements)
        replaceable = [symbol for symbol in self._elements if symbol not in settings.fixed_elements]
        sizes = range(1, min(settings.max_replaced, len(replaceable)) + 1)
        self._sets = {size: list(combinations(replaceable, size)) for size in sizes}
        self._orders: dict[tuple[str, ...], list[dict[str, str]]] = {}

    @cached_property
    def structure(self) -> Structure:
        """Primitive cell of the parent; made at the first draw, because the symmetry search takes up to 30 ms."""
        return primitive(self.parent.structure)

    @cached_property
    def space_group(self) -> int:
        """Space group number of the parent."""
        return space_group(self.structure)[0]

    @property
    def remaining(self) -> bool:
        """Whether a set of elements is left that was not found empty."""
        return bool(self._sets)

    def draw(self, rng: np.random.Generator) -> dict[str, str] | None:
        """Draw a set of elements and take its next replacement; none, and the set is dropped, if it has no more."""
        size = sorted(self._sets)[rng.integers(len(self._sets))]
        replaced = self._sets[size][rng.integers(len(self._sets[size]))]
        if replaced not in self._orders:
            self._orders[replaced] = self._order(replaced)
        if self._orders[replaced]:
            return self._orders[replaced].pop()
        self._sets[size].remove(replaced)
        if not self._sets[size]:
            del self._sets[size]
        return None

    def _order(self, replaced: tuple[str, ...]) -> list[dict[str, str]]:
        """Return all replacements of a set of elements in random order, likely ones towards the end."""
        settings = self._settings
        kept = set(self._elements).difference(replaced)
        permitted = set(settings.allowed_elements).difference(settings.excluded_elements)
        missing = set(settings.required_elements) - kept
        if not kept <= permitted:
            return []
        choices = [_choices(symbol, permitted, settings.max_dissimilarity) for symbol in replaced]
        possible = [
            new
            for new in product(*choices)
            if missing.issubset(new)
            and len(kept.union(new)) >= settings.min_elements
            and (settings.allow_merging or (len({*new}) == len(new) and kept.isdisjoint(new)))
        ]
        # Sorting by log-weight plus Gumbel noise is drawing by weight without return.
        rng = np.random.default_rng([*self._seed, *"-".join(replaced).encode()])
        costs = np.array([sum(map(dissimilarity, replaced, new)) for new in possible])
        scores = rng.gumbel(size=len(possible)) - costs / settings.softness
        return [dict(zip(replaced, possible[k], strict=True)) for k in np.argsort(scores, kind="stable")]


def _choices(symbol: str, permitted: Collection[str], max_dissimilarity: float) -> list[str]:
    others = sorted(set(permitted) - {symbol})
    return [other for other in others if dissimilarity(symbol, other) <= max_dissimilarity]
