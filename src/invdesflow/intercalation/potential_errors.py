"""How far potentials are from published lattices of families of hosts, as `benchmarks/hydride_lattices.py` found."""

from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files

import yaml
from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Structure

from invdesflow.crystals.symmetry import space_group

__all__ = ["Family", "LatticeErrors", "lattice_warnings", "load_lattice_errors"]

_NOTABLE_PERCENT = 1.0


class Family(BaseModel):
    """Crystals of one structure type around one element."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prototype: str = Field(description="structure type in the catalogue, such as K2PtCl6")
    anonymous_formula: str
    space_group_number: int
    element: str = Field(description="that all of them have, such as H")

    def holds(self, structure: Structure) -> bool:
        """Tell whether a crystal is of this family.

        Raises
        ------
        StructureError
            If its symmetry cannot be found.
        """
        return (
            self.element in structure.symbol_set
            and structure.composition.anonymized_formula == self.anonymous_formula
            and space_group(structure)[0] == self.space_group_number
        )


class LatticeErrors(BaseModel):
    """Deviations of the relaxed lattice constants of a family with one potential from published ones."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    family: Family
    potential: str = Field(description="kind and name")
    digest: str = Field(description="SHA-256 of the weights")
    count: int = Field(ge=1, description="crystals that were relaxed")
    failed: dict[str, str] = Field(default_factory=dict, description="crystals that could not be, and why")
    mean_percent: float = Field(ge=0, description="mean of the moduli")
    worst_percent: float = Field(description="the largest in modulus, with its sign: positive when too large")
    worst_crystal: str
    command: str = Field(description="what gave these numbers")


@lru_cache(maxsize=1)
def load_lattice_errors() -> tuple[LatticeErrors, ...]:
    """Read the measured errors."""
    text = files("invdesflow.intercalation").joinpath("potential_errors.yaml").read_text(encoding="utf-8")
    return tuple(LatticeErrors.model_validate(entry) for entry in yaml.safe_load(text))


def lattice_warnings(structure: Structure, digest: str) -> Iterator[str]:
    """Say where a potential differs from published lattices by more than a percent for the like of a crystal.

    Parameters
    ----------
    structure
        Host or crystal with guests, as it was before the potential relaxed it.
    digest
        SHA-256 of the weights.

    Raises
    ------
    StructureError
        If the symmetry of the crystal cannot be found.
    """
    for known in load_lattice_errors():
        if known.digest == digest and known.mean_percent > _NOTABLE_PERCENT and known.family.holds(structure):
            family = known.family
            yield (
                f"{known.potential} relaxes crystals with {family.element} of the type {family.prototype} to lattice "
                f"constants that differ from the published ones by {known.mean_percent:.1f} % on average over "
                f"{known.count}, at worst by {known.worst_percent:+.0f} % ({known.worst_crystal}): take volumes, bonds "
                "and phonons as rough."
            )
