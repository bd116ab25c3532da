"""Gates: limits belong to the passing side, and what is missing fails with its reason."""

import math

import pytest
from pydantic import ValidationError

from invdesflow.screening.gates import Thresholds, domain_gate, formation_energy_gate, hull_gate, passes, tc_gate


@pytest.mark.parametrize(("value", "passed"), [(-0.5, True), (0.0, True), (0.01, False)])
def test_formation_energy(value, passed):
    result = formation_energy_gate(value, 0.0)
    assert (result.passed, result.value, result.unit) == (passed, value, "eV/atom")
    assert (result.reason is None) == passed


@pytest.mark.parametrize(("value", "passed"), [(0.0, True), (0.1, True), (0.1001, False)])
def test_hull(value, passed):
    assert hull_gate(value, 0.1).passed is passed


@pytest.mark.parametrize(("value", "passed"), [(4.999, False), (5.0, True), (50.0, True)])
def test_tc(value, passed):
    result = tc_gate(value, 5.0, 1.5)
    assert (result.passed, result.uncertainty) == (passed, 1.5)


@pytest.mark.parametrize("gate", [formation_energy_gate, hull_gate, tc_gate])
@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_missing_value_fails_with_the_reason(gate, value):
    result = gate(value, 0.0, missing_reason="the hull has no entries")
    assert not result.passed
    assert result.value is None
    assert result.reason == "the hull has no entries"
    assert "not known" in gate(value, 0.0).reason


def test_domain_is_a_flag_that_rejects_nothing():
    outside, inside = domain_gate(1.7), domain_gate(0.4)
    assert (outside.passed, inside.passed) == (False, True)
    good = tc_gate(10.0, 5.0)
    assert passes([good, outside])
    assert not passes([outside])
    assert not passes([good, tc_gate(1.0, 5.0)])
    assert not passes([])


def test_thresholds_refuse_nonsense():
    with pytest.raises(ValidationError):
        Thresholds(tc_k=math.nan)
    with pytest.raises(ValidationError):
        Thresholds(tc=5.0)
