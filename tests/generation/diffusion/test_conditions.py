"""What can be asked of the generator, and what is refused."""

import dataclasses

import pytest
from pydantic import ValidationError

from invdesflow.errors import ConfigurationError
from invdesflow.generation.diffusion.conditions import Conditions


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"elements": ("K", "Xx")}, "'Xx' is not an element"),
        ({"required_elements": ("k",)}, "'k' is not an element"),
        ({"excluded_elements": ("",)}, "'' is not an element"),
        ({"composition": "K2Xx"}, "'K2Xx' is not a"),
        ({"composition": ""}, "'' is not a"),
        ({"composition": "K2GaCuH6)"}, "is not a"),
        ({"composition": "K0.5Ga"}, "whole numbers of atoms"),
        ({"composition": "K", "elements": ("K",)}, "give no elements beside it"),
        ({"composition": "K", "required_elements": ("K",)}, "give no elements beside it"),
        ({"composition": "KH", "excluded_elements": ("H",)}, "both required and excluded: H"),
        ({"elements": ("K",), "required_elements": ("H",)}, "required elements are not allowed: H"),
        ({"required_elements": ("H",), "excluded_elements": ("H",)}, "both required and excluded: H"),
        ({"n_atoms": 0}, "n_atoms"),
        ({"space_group": 231}, "space_group"),
        ({"space_group": 0}, "space_group"),
        ({"tc_k": -1.0}, "tc_k"),
        ({"tc_k": float("nan")}, "tc_k"),
        ({"guidance": -0.1}, "guidance"),
        ({"element": ("K",)}, "element"),
    ],
)
def test_what_makes_no_sense_is_refused(asked, problem):
    with pytest.raises(ValidationError, match=problem.replace("(", r"\(").replace(")", r"\)")):
        Conditions(**asked)


def test_a_formula_is_reduced():
    assert Conditions(composition="K4Ga2Cu2H12").amounts == {"K": 2, "Ga": 1, "Cu": 1, "H": 6}
    assert Conditions(composition="Ca3(PO4)2").amounts == {"Ca": 3, "P": 2, "O": 8}
    assert Conditions().amounts == {}
    assert Conditions(composition="H2").amounts == {"H": 1}


def test_elements_of_the_model(small_model):
    known = set(small_model.elements)
    assert Conditions().allowed_numbers(small_model) == sorted(known)
    assert Conditions(elements=("Ti", "N")).allowed_numbers(small_model) == [7, 22]
    assert Conditions(composition="TiN").allowed_numbers(small_model) == [7, 22]
    assert Conditions(required_elements=("Ti",)).allowed_numbers(small_model) == sorted(known)
    assert Conditions(excluded_elements=("Ti", "He")).allowed_numbers(small_model) == sorted(known - {22})


@pytest.mark.parametrize("asked", [{"elements": ("Ti", "Og")}, {"required_elements": ("Og",)}, {"composition": "TiOg"}])
def test_an_element_that_was_never_seen_is_named(small_model, asked):
    with pytest.raises(ConfigurationError, match="never saw Og"):
        Conditions(**asked).allowed_numbers(small_model)


def test_some_element_has_to_be_left(small_model):
    model = dataclasses.replace(small_model, elements=(7, 22))
    with pytest.raises(ConfigurationError, match="no element is left"):
        Conditions(excluded_elements=("N", "Ti")).allowed_numbers(model)
    with pytest.raises(ConfigurationError, match="no element is left"):
        Conditions(elements=()).allowed_numbers(model)
