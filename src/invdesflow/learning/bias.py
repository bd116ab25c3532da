"""Does the loop drift? Elements and prototypes of what was chosen against what there was to choose from.

A loop that follows its own predictions comes to ask for more of what it already knows: a published one drifted towards
crystals with gold. The log says how far the shares moved, and whether so few draws could have done it by chance.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Structure
from scipy.sparse import csr_matrix
from scipy.spatial.distance import jensenshannon
from scipy.stats import false_discovery_control, hypergeom

from invdesflow.crystals.symmetry import space_group
from invdesflow.errors import LearningError

__all__ = ["BiasLog", "CrystalKind", "Representation", "bias_log"]

FALSE_DISCOVERIES = 0.05
"""Share of false alarms among the over-represented (Benjamini & Hochberg 1995)."""
RANDOM_DRAWS = 200
_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


@dataclass(frozen=True)
class CrystalKind:
    """What of a crystal a loop can drift towards.

    Parameters
    ----------
    elements
        Symbols.
    prototype
        Anonymous formula and space group, such as ``"AB2 P6/mmm"``.
    """

    elements: frozenset[str]
    prototype: str

    @classmethod
    def of(cls, structure: Structure) -> Self:
        """Describe an ordered crystal.

        Raises
        ------
        StructureError
            If its symmetry cannot be found.
        """
        composition = structure.composition
        symbols = frozenset(composition.get_el_amt_dict())
        return cls(symbols, f"{composition.anonymized_formula} {space_group(structure)[1]}")


class Representation(BaseModel):
    """How often one element or prototype was chosen."""

    model_config = _CONFIG

    name: str
    share_chosen: float = Field(ge=0, le=1, description="of the chosen crystals that have it")
    share_pool: float = Field(ge=0, le=1, description="of the crystals in the pool that have it")
    p_value: float = Field(ge=0, le=1, description="probability that a random batch has it so often or more often")


class BiasLog(BaseModel):
    """Drift of one batch, or of all batches so far, from the pool."""

    model_config = _CONFIG

    chosen: int = Field(ge=1)
    pool: int = Field(ge=1)
    elements: list[Representation] = Field(description="those of the chosen, the least likely by chance first")
    prototypes: list[Representation] = Field(description="those of the chosen, the least likely by chance first")
    element_divergence: float = Field(ge=0, description="Jensen-Shannon divergence (bit) of the chosen from the pool")
    element_divergence_by_chance: float = Field(ge=0, description="its mean over random batches of the same size")
    prototype_divergence: float = Field(ge=0)
    prototype_divergence_by_chance: float = Field(ge=0)
    over_represented: list[str] = Field(
        description="elements, then prototypes, more often than chance explains (false discovery rate 5 %)"
    )


def bias_log(pool: Sequence[CrystalKind], chosen: Collection[int], seed: int = 0) -> BiasLog:
    """Compare what was chosen with what there was.

    Parameters
    ----------
    pool
        All there was to choose from, what was chosen included.
    chosen
        Rows of the pool: those of one round, or of all rounds to see the drift that adds up.
    seed
        Of the random batches that the divergence is compared with.

    Raises
    ------
    LearningError
        If nothing was chosen, or a row that is not in the pool.

    Notes
    -----
    The p-value is the upper tail of the hypergeometric distribution: drawing without replacement, one name at a time.
    The divergence is between the distributions of all occurrences. It is above zero for nearly every batch, so that
    only its excess over random batches says anything.
    """
    rows = sorted(set(chosen))
    if not rows or rows[0] < 0 or rows[-1] >= len(pool):
        raise LearningError("what was chosen is not in the pool.", "Give at least one row of it.")
    rng = np.random.default_rng(seed)
    batches = [rows, *(rng.choice(len(pool), len(rows), replace=False).tolist() for _ in range(RANDOM_DRAWS))]
    elements = _Occurrences.of([sorted(kind.elements) for kind in pool])
    prototypes = _Occurrences.of([[kind.prototype] for kind in pool])
    of_elements, of_prototypes = ([names.divergence(batch) for batch in batches] for names in (elements, prototypes))
    return BiasLog(
        chosen=len(rows),
        pool=len(pool),
        elements=elements.represented(rows),
        prototypes=prototypes.represented(rows),
        element_divergence=of_elements[0],
        element_divergence_by_chance=float(np.mean(of_elements[1:])),
        prototype_divergence=of_prototypes[0],
        prototype_divergence_by_chance=float(np.mean(of_prototypes[1:])),
        over_represented=[*elements.over_represented(rows), *prototypes.over_represented(rows)],
    )


@dataclass(frozen=True, eq=False)
class _Occurrences:
    """Which names each crystal has: a sparse matrix of 0 and 1, shape (crystals, names), and its column sums."""

    names: tuple[str, ...]
    matrix: Any
    available: NDArray[np.float64]

    @classmethod
    def of(cls, names: Sequence[Sequence[str]]) -> Self:
        number = {name: column for column, name in enumerate(sorted({name for row in names for name in row}))}
        columns = [number[name] for row in names for name in row]
        ends = np.cumsum([0, *(len(row) for row in names)])
        matrix = csr_matrix((np.ones(len(columns)), columns, ends), shape=(len(names), len(number)))
        return cls(tuple(number), matrix, np.bincount(columns, minlength=len(number)).astype(np.float64))

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    def count(self, rows: Sequence[int]) -> NDArray[np.float64]:
        """Return how many of the rows have each name, shape (names,)."""
        return np.asarray(self.matrix[rows].sum(axis=0), dtype=np.float64).ravel()

    def divergence(self, rows: Sequence[int]) -> float:
        """Return the Jensen-Shannon divergence (bit) between the occurrences in the rows and in the pool."""
        return float(jensenshannon(self.available, self.count(rows), base=2)) ** 2

    def p_values(self, rows: Sequence[int]) -> NDArray[np.float64]:
        """Return the probability that as many random rows have each name as often or more often, shape (names,)."""
        tail = hypergeom.sf(self.count(rows) - 1, len(self), self.available, len(rows))
        return np.asarray(np.clip(tail, 0.0, 1.0), dtype=np.float64)

    def represented(self, rows: Sequence[int]) -> list[Representation]:
        """Describe the names that the rows have, the least likely by chance first."""
        taken, available = self.count(rows) / len(rows), self.available / len(self)
        numbers = zip(self.names, taken, available, self.p_values(rows), strict=True)
        found = [Representation(name=n, share_chosen=c, share_pool=a, p_value=p) for n, c, a, p in numbers if c > 0]
        return sorted(found, key=lambda one: (one.p_value, one.name))

    def over_represented(self, rows: Sequence[int]) -> list[str]:
        """Return the names that chance does not explain, when all names of the pool are tested."""
        p_values = self.p_values(rows)
        adjusted = false_discovery_control(p_values)
        return [self.names[k] for k in np.argsort(p_values, kind="stable") if adjusted[k] <= FALSE_DISCOVERIES]
