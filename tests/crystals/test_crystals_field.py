"""Structures in documents: what pymatgen writes is read, and nothing else is."""

import copy

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError
from pymatgen.core import Lattice, Structure

from invdesflow.crystals.field import CrystalField, structure_from_dict, structure_to_dict


class Holder(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    structure: CrystalField


@pytest.fixture
def magnesium_diboride():
    layers = [[0, 0, 0], [1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]]
    return Structure(Lattice.hexagonal(3.086, 3.524), ["Mg", "B", "B"], layers)


def test_a_round_trip_changes_no_bit(magnesium_diboride):
    again = structure_from_dict(structure_to_dict(magnesium_diboride))
    assert again == magnesium_diboride
    assert (again.lattice.matrix == magnesium_diboride.lattice.matrix).all()
    assert (again.frac_coords == magnesium_diboride.frac_coords).all()


def test_pymatgen_reads_what_we_write_and_we_read_what_pymatgen_writes(magnesium_diboride):
    assert Structure.from_dict(structure_to_dict(magnesium_diboride)) == magnesium_diboride
    assert structure_from_dict(magnesium_diboride.as_dict()) == magnesium_diboride


def test_a_document_cannot_name_code_to_call(magnesium_diboride, tmp_path):
    data = structure_to_dict(magnesium_diboride)
    marker = tmp_path / "called"
    data["sites"][0]["properties"] = {"x": {"@module": "os", "@callable": "system", "args": [f"touch {marker}"]}}
    assert structure_from_dict(data).site_properties == {}
    assert not marker.exists()


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("lattice",), None),
        (("lattice", "matrix"), [[1, 0], [0, 1]]),
        (("lattice", "matrix"), [[1, 0, 0], [0, 1, 0], [0, 0, float("nan")]]),
        (("lattice", "matrix"), [[1, 0, 0], [1, 0, 0], [0, 0, 1]]),
        (("sites",), []),
        (("sites", 0, "abc"), [0, 0]),
        (("sites", 0, "abc"), [0, 0, "x"]),
        (("sites", 0, "species"), "B"),
        (("sites", 0, "species"), ["B"]),
        (("sites", 0, "species"), [{}]),
        (("sites", 0, "species"), [{"element": "Xx", "occu": 1}]),
        (("sites", 0, "species"), [{"element": "B", "occu": 0.5}]),
        (("sites", 0, "species"), [{"element": "B", "occu": 0.5}, {"element": "C", "occu": 0.5}]),
    ],
)
def test_damage_is_a_validation_error(magnesium_diboride, place, value):
    data = copy.deepcopy(structure_to_dict(magnesium_diboride))
    target = data
    for step in place[:-1]:
        target = target[step]
    target[place[-1]] = value
    with pytest.raises(ValidationError):
        Holder(structure=data)
