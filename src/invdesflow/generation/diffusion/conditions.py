"""What is asked of the crystals that are to be drawn."""

import math
from functools import reduce
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pymatgen.core import Composition, Element

from invdesflow.errors import ConfigurationError
from invdesflow.generation.diffusion.model import GeneratorModel

__all__ = ["Conditions"]


def _symbol(symbol: str) -> str:
    if not Element.is_valid_symbol(symbol):
        raise ValueError(f"{symbol!r} is not an element")
    return symbol


def _formula(formula: str) -> str:
    try:
        composition = Composition(formula, strict=True)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{formula!r} is not a chemical formula") from error
    if not composition.valid or any(amount != int(amount) for amount in composition.values()):
        raise ValueError(f"{formula!r} is not a formula of whole numbers of atoms")
    return formula


Symbol = Annotated[str, AfterValidator(_symbol)]


class Conditions(BaseModel):
    """Conditions on the crystals; all are optional and can be combined."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    elements: tuple[Symbol, ...] | None = Field(
        None, description="elements that are allowed; none: all the model knows"
    )
    required_elements: tuple[Symbol, ...] = Field((), description="elements that every crystal has")
    excluded_elements: tuple[Symbol, ...] = Field((), description="elements that no crystal has")
    composition: Annotated[str, AfterValidator(_formula)] | None = Field(
        None, description="exact composition, for example K2GaCuH6; the number of formula units is left open"
    )
    n_atoms: int | None = Field(None, ge=1, description="atoms in the primitive cell")
    space_group: int | None = Field(None, ge=1, le=230, description="international number of the space group")
    tc_k: float | None = Field(
        None, ge=0, description="Tc (K, Allen-Dynes at mu* = 0.10) that the crystals should have"
    )
    guidance: float = Field(
        2.0,
        ge=0,
        description="how strongly Tc guides: 1 is the plain conditional model, more exaggerates what Tc changes",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.composition is not None and (self.elements is not None or self.required_elements):
            raise ValueError("a composition says which elements there are: give no elements beside it")
        missing = set(self.required_elements) - set(self.elements or self.required_elements)
        if missing:
            raise ValueError(f"required elements are not allowed: {', '.join(sorted(missing))}")
        unwanted = set(self.excluded_elements) & self.present
        if unwanted:
            raise ValueError(f"elements are both required and excluded: {', '.join(sorted(unwanted))}")
        return self

    @property
    def present(self) -> set[str]:
        """Elements that every crystal has."""
        return set(self.required_elements) | set(self.amounts)

    @property
    def amounts(self) -> dict[str, int]:
        """Atoms of every element in the smallest formula unit, empty without a composition."""
        if self.composition is None:
            return {}
        amounts = {element.symbol: int(amount) for element, amount in Composition(self.composition).items()}
        divisor = reduce(math.gcd, amounts.values())
        return {symbol: amount // divisor for symbol, amount in amounts.items()}

    def allowed_numbers(self, model: GeneratorModel) -> list[int]:
        """Return the atomic numbers that a crystal may have.

        Raises
        ------
        ConfigurationError
            If an element that is asked for never occurred in the model's training, or none is left.
        """
        known = {Element.from_Z(number).symbol: number for number in model.elements}
        asked = set(self.elements) if self.elements is not None else set(known)
        if self.composition is not None:
            asked = set(self.amounts)
        unknown = (asked | self.present) - set(known)
        if unknown:
            raise ConfigurationError(
                f"the generator never saw {', '.join(sorted(unknown))}.",
                "Ask for other elements, or fine-tune it on crystals with them.",
            )
        allowed = asked - set(self.excluded_elements)
        if not allowed:
            raise ConfigurationError("no element is left to draw.", "Exclude fewer elements.")
        return sorted(known[symbol] for symbol in allowed)
