"""`CrystalField`: how a pymatgen structure lives in a document."""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import PlainSerializer, WithJsonSchema
from pydantic.functional_validators import PlainValidator
from pymatgen.core import Lattice, Structure

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
        occupations = [site["species"] for site in data["sites"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not a structure: {error!r}") from error
    if any(len(species) != 1 or species[0].get("occu", 1) != 1 for species in occupations):
        raise ValueError("a site of the structure is disordered")
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all() or not np.isfinite(coordinates).all():
        raise ValueError("the structure has a lattice or a coordinate that is not a finite number")
    return Structure(Lattice(matrix), [species[0]["element"] for species in occupations], coordinates)


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
