"""`CrystalField`: how a pymatgen structure lives in a document."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import PlainSerializer, WithJsonSchema
from pydantic.functional_validators import PlainValidator
from pymatgen.core import Element, Lattice, Structure

__all__ = ["CrystalField", "structure_from_dict", "structure_to_dict"]


def structure_to_dict(structure: Structure) -> dict[str, Any]:
    """Describe an ordered structure in the form that pymatgen itself reads.

    Parameters
    ----------
    structure
        Ordered structure; site properties are left out.

    Returns
    -------
    dict
        ``lattice.matrix`` (3x3, Angstrom) and ``sites`` with ``species`` and fractional ``abc``.
    """
    return {
        "@module": "pymatgen.core.structure",
        "@class": "Structure",
        "lattice": {"matrix": structure.lattice.matrix.tolist(), "pbc": [True, True, True]},
        "sites": [
            {
                "species": [{"element": site.specie.symbol, "occu": 1}],
                "abc": [float(x) for x in site.frac_coords],
                "properties": {},
                "label": site.specie.symbol,
            }
            for site in structure
        ],
    }


def structure_from_dict(data: Mapping[str, Any]) -> Structure:
    """Rebuild a structure from lattice, elements and coordinates alone.

    pymatgen's own ``from_dict`` sends site properties through MontyDecoder, which imports and calls what a dictionary
    names. A document may come from anyone who can write to the database, so nothing of it is decoded into code here.

    Parameters
    ----------
    data
        A dictionary as `structure_to_dict` or ``Structure.as_dict`` makes it.

    Raises
    ------
    ValueError
        If a part is missing, a site is partially occupied, or a number is not finite.
    """
    try:
        matrix = np.array(data["lattice"]["matrix"], dtype=float)
        coordinates = np.array([site["abc"] for site in data["sites"]], dtype=float)
        species = [_only_element(site["species"]) for site in data["sites"]]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not an ordered structure: {error!r}") from error
    if matrix.shape != (3, 3) or coordinates.shape != (len(species), 3):
        raise ValueError("the structure has no sites, or a lattice or a coordinate of the wrong shape")
    if not np.isfinite(matrix).all() or not np.isfinite(coordinates).all() or np.linalg.det(matrix) == 0:
        raise ValueError("the structure has a number that is not finite, or a cell without a volume")
    return Structure(Lattice(matrix), species, coordinates)


def _only_element(occupation: Sequence[Mapping[str, Any]]) -> str:
    """Return the element that alone occupies a site."""
    [species] = occupation
    symbol = species["element"]
    if species.get("occu", 1) != 1 or not Element.is_valid_symbol(symbol):
        raise ValueError("a site is disordered, or its species is not an element")
    return str(symbol)


def _validate(value: object) -> Structure:
    if isinstance(value, Structure):
        return value
    if isinstance(value, Mapping):
        return structure_from_dict(value)
    raise ValueError("expected a pymatgen Structure or its dictionary")


CrystalField = Annotated[
    Structure,
    PlainValidator(_validate),
    PlainSerializer(structure_to_dict, return_type=dict[str, Any]),
    WithJsonSchema({"type": "object", "description": "Structure: lattice.matrix (A), sites (species, abc)"}),
]
