"""Reference crystals of the elements, against which formation energies are counted."""

from functools import lru_cache
from importlib.resources import files

import yaml
from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Lattice, Structure

from invdesflow.crystals.space_groups import named_space_group
from invdesflow.errors import StructureError

__all__ = ["ElementalCrystal", "elemental_crystals", "reference_structures"]


class ElementalCrystal(BaseModel):
    """One polymorph of one element, as it was measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    element: str
    prototype: str = Field(description="structure type, which also names the polymorph")
    space_group: str = Field(description="Hermann-Mauguin symbol")
    a: float = Field(gt=0, description="Angstrom")
    b: float | None = Field(None, gt=0, description="Angstrom; absent where symmetry fixes it")
    c: float | None = Field(None, gt=0, description="Angstrom; absent where symmetry fixes it")
    beta: float | None = Field(None, description="degrees, of a monoclinic cell")
    sites: tuple[tuple[float, float, float], ...] = Field(description="one site of each orbit, fractional")
    at: str = Field("25 C", description="conditions of the measurement, and what else the reader must know")
    source: str = Field(description="literature")
    caveat: str = Field("", description="why a semilocal potential differs from this volume or this symmetry")

    @property
    def name(self) -> str:
        """Element and polymorph, for example ``Sn diamond``."""
        return f"{self.element} {self.prototype}"

    def structure(self) -> Structure:
        """Build the primitive cell."""
        b, c = self.b or self.a, self.c or self.a
        system = named_space_group(self.space_group).crystal_system
        gamma = 120 if system in ("hexagonal", "trigonal") else 90
        lattice = Lattice.from_parameters(self.a, b, c, 90, self.beta or 90, gamma)
        crystal = Structure.from_spacegroup(
            self.space_group, lattice, [self.element] * len(self.sites), self.sites, tol=1e-4
        )
        return crystal.get_primitive_structure(tolerance=1e-3)


@lru_cache(maxsize=1)
def elemental_crystals() -> tuple[ElementalCrystal, ...]:
    """Read the polymorphs of all elements, in the order of the periodic table."""
    text = files("invdesflow.relaxation").joinpath("elements.yaml").read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    return tuple(
        ElementalCrystal.model_validate(
            content["prototypes"][entry["prototype"]]
            | entry
            | {"element": element, "source": content["sources"][entry["source"]]}
        )
        for element, polymorphs in content["elements"].items()
        for entry in polymorphs
    )


def reference_structures(element: str) -> dict[str, Structure]:
    """Return the crystals that may be the reference of an element: the lowest with the potential at hand is.

    Parameters
    ----------
    element
        Symbol.

    Returns
    -------
    dict
        Name of the polymorph -> primitive cell at the measured lattice parameters.

    Raises
    ------
    StructureError
        If there is none.
    """
    crystals = {crystal.name: crystal.structure() for crystal in elemental_crystals() if crystal.element == element}
    if not crystals:
        raise StructureError(f"There is no reference crystal of {element}.", "Leave this element out.")
    return crystals
