"""Typed filters over the summary collection; the only place where a user's wish becomes a MongoDB query."""

import re
from typing import Any, Self, TypedDict

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pymatgen.core import Composition, Element

from invdesflow.database.summary import Stage
from invdesflow.errors import ConfigurationError
from invdesflow.settings import one_line

__all__ = ["SORT_FIELDS", "CandidateFilter", "CandidateFilterFields", "sort_key"]

# name on the command line -> fields and directions of the best first; Tc are ranked only among those of one mu*
SORT_FIELDS: dict[str, list[tuple[str, int]]] = {
    "tc": [("tc_mu_star", 1), ("tc_k", -1)],
    "ehull": [("e_above_hull_ev_per_atom", 1)],
    "formation_energy": [("predicted_formation_energy_ev_per_atom", 1)],
    "volume": [("volume_per_atom", 1)],
    "updated": [("updated_at", -1)],
}


class CandidateFilterFields(TypedDict, total=False):
    """Keyword arguments of `invdesflow.Database.candidates`."""

    elements: list[str]
    exclude: list[str]
    formula: str
    formula_contains: str
    tc_min: float
    tc_max: float
    mu_star: float
    ehull_max: float
    pressure: float
    spacegroup: int
    stage: Stage
    campaign: str
    origin: str
    rejected: bool
    nelements: int


class CandidateFilter(BaseModel):
    """What a user asks of the candidates."""

    model_config = ConfigDict(extra="forbid")

    elements: list[str] = Field(default_factory=list, description="elements that must be present")
    exclude: list[str] = Field(default_factory=list, description="elements that must be absent")
    formula: str | None = Field(None, description="formula, in any order of the elements")
    formula_contains: str | None = Field(None, max_length=40, description="text within the reduced formula")
    tc_min: float | None = Field(None, allow_inf_nan=False, description="K")
    tc_max: float | None = Field(None, allow_inf_nan=False, description="K")
    mu_star: float | None = Field(None, allow_inf_nan=False, description="Coulomb pseudopotential of the predicted Tc")
    ehull_max: float | None = Field(None, allow_inf_nan=False, description="eV/atom")
    pressure: float | None = Field(None, allow_inf_nan=False, description="of the relaxation (GPa)")
    spacegroup: int | None = Field(None, ge=1, le=230)
    stage: Stage | None = Field(None, description="last stage reached")
    campaign: str | None = None
    origin: str | None = Field(None, description="kind of origin, such as 'substitution'")
    rejected: bool | None = Field(None, description="only rejected (True) or only passed (False)")
    nelements: int | None = Field(None, ge=1)

    @classmethod
    def checked(cls, **fields: Any) -> Self:
        """Validate the filters.

        Raises
        ------
        ConfigurationError
            If one is unknown or has a wrong value.
        """
        try:
            return cls(**fields)
        except ValidationError as error:
            raise ConfigurationError(
                f"The query is wrong: {one_line(error)}.", f"Filters are: {', '.join(cls.model_fields)}."
            ) from error

    @field_validator("elements", "exclude")
    @classmethod
    def _are_elements(cls, symbols: list[str]) -> list[str]:
        unknown = [symbol for symbol in symbols if not Element.is_valid_symbol(symbol)]
        if unknown:
            raise ValueError(f"no such element: {', '.join(unknown)}")
        return symbols

    @field_validator("formula")
    @classmethod
    def _is_formula(cls, formula: str | None) -> str | None:
        if formula is None:
            return None
        composition = Composition(formula)
        if not composition or not all(isinstance(element, Element) for element in composition):
            raise ValueError(f"not a chemical formula: {formula}")
        return str(composition.reduced_formula)

    def to_mongo(self) -> dict[str, Any]:
        """Return the MongoDB filter."""
        # Plain equality on one element is what an index serves best; the other conditions filter what it finds.
        first = self.elements[0] if self.elements else None
        further: list[dict[str, Any]] = [{"elements": element} for element in self.elements[1:]]
        if self.exclude:
            further.append({"elements": {"$nin": self.exclude}})
        formula = {
            "$eq": self.formula,
            "$regex": None if self.formula_contains is None else re.escape(self.formula_contains),
        }
        tc = {op: value for op, value in (("$gte", self.tc_min), ("$lte", self.tc_max)) if value is not None}
        conditions: dict[str, Any] = {
            "elements": first,
            "$and": further or None,
            "reduced_formula": {op: value for op, value in formula.items() if value is not None} or None,
            "tc_k": tc or None,
            "tc_mu_star": self.mu_star,
            "pressure_gpa": self.pressure,
            "e_above_hull_ev_per_atom": None if self.ehull_max is None else {"$lte": self.ehull_max},
            "space_group_number": self.spacegroup,
            "stage": self.stage,
            "campaigns": self.campaign,
            "origins": self.origin,
            "rejected": self.rejected,
            "nelements": self.nelements,
        }
        return {field: condition for field, condition in conditions.items() if condition is not None}


def sort_key(sort: str) -> list[tuple[str, int]]:
    """Return fields and directions of a named order.

    Raises
    ------
    ConfigurationError
        If there is no such order.
    """
    if sort not in SORT_FIELDS:
        raise ConfigurationError(f"Candidates cannot be sorted by {sort!r}.", f"Use one of {', '.join(SORT_FIELDS)}.")
    return SORT_FIELDS[sort]
