"""What has been published on hosts and their guests, with its contradictions."""

from functools import lru_cache
from importlib.resources import files
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Composition

from invdesflow.crystals.space_groups import named_space_group
from invdesflow.superconductors.prototypes import load_prototypes

__all__ = ["PublishedCrystal", "PublishedValue", "Quantity", "load_published", "published_crystal"]

Quantity = Literal["tc_k", "lambda_", "omega_log_mev", "dos_per_ev", "lattice_constant_a"]

_CONFIG = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PublishedValue(BaseModel):
    """One number of one source."""

    model_config = _CONFIG

    quantity: Quantity
    value: float = Field(gt=0)
    source: str = Field(description="citation")
    where: str = Field("", description="place in the source, where it is known")
    method: str = Field("", description="how Tc was obtained")
    mu_star: float | None = None


class PublishedCrystal(BaseModel):
    """A host, or a crystal with guests."""

    model_config = _CONFIG

    formula: str = Field(description="as the source writes it")
    prototype: str
    host: str | None = Field(None, description="formula of the host; none for a host")
    guest: str | None = Field(None, description="element that was put in")
    values: tuple[PublishedValue, ...] = Field(min_length=1)
    contradictions: tuple[str, ...] = Field((), description="what the sources say against themselves")

    def of(self, quantity: Quantity) -> tuple[PublishedValue, ...]:
        """Return all published values of a quantity, those of tables first."""
        return tuple(value for value in self.values if value.quantity == quantity)


@lru_cache(maxsize=1)
def load_published() -> tuple[PublishedCrystal, ...]:
    """Read the published results."""
    text = files("invdesflow.intercalation").joinpath("published.yaml").read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    citations = {key: source["citation"] for key, source in content["sources"].items()}
    return tuple(
        PublishedCrystal.model_validate(
            crystal | {"values": [value | {"source": citations[value["source"]]} for value in crystal["values"]]}
        )
        for crystal in content["crystals"]
    )


def published_crystal(reduced_formula: str, space_group_number: int | None) -> PublishedCrystal | None:
    """Find a crystal by its formula, however it is ordered, and its space group; none where nothing is known.

    Another space group than that of the prototype is another polymorph, of which nothing was published.
    """
    wanted = Composition(reduced_formula)
    for crystal in load_published():
        prototype = load_prototypes()[crystal.prototype]
        if (
            Composition(crystal.formula) == wanted
            and named_space_group(prototype.space_group).int_number == space_group_number
        ):
            return crystal
    return None
