"""Structure prototypes: a space group and Wyckoff sites with free parameters, from which crystals are built."""

from bisect import bisect_left
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files

import numpy as np
import spglib
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Lattice, Structure
from pymatgen.core.operations import SymmOp

from invdesflow.crystals.symmetry import primitive
from invdesflow.errors import StructureError

__all__ = ["Prototype", "Site", "build_crystal", "load_prototypes"]

SITE_TOLERANCE = 1e-4
"""Distance in fractional coordinates below which two images of a site are one atom."""
_LAST_OF_SYSTEM = (2, 15, 74, 142, 194, 230)
_FREE_LATTICE_PARAMETERS = ("a b c alpha beta gamma", "a b c beta", "a b c", "a c", "a c", "a")
"""Last space group number, and free lattice parameters, of the triclinic to the cubic lattices (hexagonal axes)."""


class Site(BaseModel):
    """One Wyckoff position."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str = Field(description="name of the site, unique in the prototype")
    role: str = Field(description="which of the prototype's elements sits here, such as A")
    wyckoff: str = Field(pattern=r"^\d+[a-zA-Z]$", description="multiplicity and letter")
    position: str = Field(description="representative coordinates, such as 'x, 2x, 1/4'")


class Prototype(BaseModel):
    """A structure type.

    Hexagonal axes are meant in rhombohedral groups, and origin choice 1 where there are two.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    space_group: str = Field(description="short Hermann-Mauguin symbol as spglib writes it")
    sites: tuple[Site, ...] = Field(min_length=1)
    comment: str | None = None

    @property
    def roles(self) -> set[str]:
        """The element roles, such as ``{"A", "B"}``."""
        return {site.role for site in self.sites}


@lru_cache(maxsize=1)
def load_prototypes() -> dict[str, Prototype]:
    """Read the prototypes that ship with the project, by name."""
    text = files("invdesflow.superconductors").joinpath("prototypes.yaml").read_text(encoding="utf-8")
    return {name: Prototype.model_validate(content) for name, content in yaml.safe_load(text).items()}


def build_crystal(
    prototype: Prototype,
    elements: Mapping[str, str],
    lattice: Mapping[str, float],
    coordinates: Mapping[str, Mapping[str, float]],
) -> Structure:
    """Build the primitive cell of a crystal from its prototype.

    Parameters
    ----------
    prototype
        Structure type.
    elements
        Element of every role.
    lattice
        Free lattice parameters of the conventional cell: a, b, c in Angstrom, alpha, beta, gamma in degrees.
    coordinates
        Free coordinates ``{site label: {"x": ..., "y": ..., "z": ...}}``, fractional, conventional cell.

    Returns
    -------
    Structure
        Primitive cell.

    Raises
    ------
    StructureError
        If an element, a lattice parameter or a coordinate is missing or superfluous, or a site does not have the
        multiplicity that its Wyckoff position states.
    """
    _refuse_mismatch("element", prototype.roles, set(elements))
    _refuse_mismatch("site with free coordinates", {s.label for s in prototype.sites if _free(s)}, set(coordinates))
    cell = _lattice(prototype.space_group, lattice)
    species: list[str] = []
    positions: list[NDArray[np.float64]] = []
    for site in prototype.sites:
        orbit = _orbit(prototype.space_group, _place(site, coordinates.get(site.label, {})))
        if len(orbit) != int(site.wyckoff[:-1]):
            raise StructureError(
                f"Site {site.label} has {len(orbit)} images instead of {site.wyckoff}.", "Check its coordinates."
            )
        species += [elements[site.role]] * len(orbit)
        positions += list(orbit)
    return primitive(Structure(cell, species, positions))


@lru_cache(maxsize=1)
def _hall_numbers() -> dict[str, int]:
    """Return the first of spglib's settings for every symbol: origin choice 1, hexagonal axes, unique axis b."""
    settings = ((spglib.get_spacegroup_type(hall).international_short, hall) for hall in range(530, 0, -1))
    return dict(settings)


def _orbit(space_group: str, position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the images of a position in the cell; shape (multiplicity, 3)."""
    operations = spglib.get_symmetry_from_database(_hall_numbers()[space_group])
    images = (operations["rotations"] @ position + operations["translations"]) % 1.0
    separations = images[:, None] - images[None]
    same = np.abs(separations - np.round(separations)).max(axis=-1) < SITE_TOLERANCE
    orbit: NDArray[np.float64] = images[np.unique(same.argmax(axis=1))]
    return orbit


def _free(site: Site) -> set[str]:
    return set(site.position) & set("xyz")


def _place(site: Site, values: Mapping[str, float]) -> NDArray[np.float64]:
    _refuse_mismatch(f"free coordinate of site {site.label}", _free(site), set(values))
    point = [values.get(axis, 0.0) for axis in "xyz"]
    return np.asarray(SymmOp.from_xyz_str(site.position).operate(point), dtype=float)


def _lattice(space_group: str, given: Mapping[str, float]) -> Lattice:
    number = spglib.get_spacegroup_type(_hall_numbers()[space_group]).number
    free = _FREE_LATTICE_PARAMETERS[bisect_left(_LAST_OF_SYSTEM, number)]
    _refuse_mismatch("lattice parameter", set(free.split()), set(given))
    a, b, c = given["a"], given.get("b", given["a"]), given.get("c", given["a"])
    gamma = 120.0 if free == "a c" and number > _LAST_OF_SYSTEM[3] else given.get("gamma", 90.0)
    return Lattice.from_parameters(a, b, c, given.get("alpha", 90.0), given.get("beta", 90.0), gamma)


def _refuse_mismatch(what: str, expected: set[str], given: set[str]) -> None:
    if expected != given:
        raise StructureError(
            f"Expected for every {what}: {sorted(expected)}; given: {sorted(given)}.", "Correct the entry."
        )
