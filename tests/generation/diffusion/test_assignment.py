"""Sharing out orbits among elements, against trying everything."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invdesflow.generation.diffusion.assignment import assign_composition, assign_required, can_hold

EVEN = np.zeros((8, 100))


def ways_by_hand(multiplicities, amounts):
    """Try every element on every orbit."""
    units, rest = divmod(sum(multiplicities), sum(amounts.values()))
    found = set()
    for way in product(amounts, repeat=len(multiplicities)):
        atoms = Counter()
        for number, multiplicity in zip(way, multiplicities, strict=True):
            atoms[number] += multiplicity
        if not rest and atoms == Counter({number: units * amount for number, amount in amounts.items()}):
            found.add(way)
    return found


@settings(max_examples=150)
@given(
    st.lists(st.sampled_from([1, 2, 3, 4, 6]), min_size=1, max_size=6),
    st.dictionaries(st.integers(1, 9), st.integers(1, 4), min_size=1, max_size=3),
)
def test_can_hold_is_what_trying_everything_finds(multiplicities, amounts):
    assert can_hold(multiplicities, amounts) == bool(ways_by_hand(multiplicities, amounts))


@pytest.mark.parametrize(
    ("multiplicities", "amounts"),
    [
        ((1, 1, 3), {22: 1, 38: 1, 8: 3}),
        ((2, 2, 2, 4), {5: 3, 6: 2}),
        ((1, 1, 1, 1), {3: 1}),
        ((1, 2, 3), {4: 1, 5: 1}),
    ],
)
def test_every_way_is_drawn_as_often(multiplicities, amounts):
    random = np.random.default_rng(0)
    expected = ways_by_hand(multiplicities, amounts)
    draws = 200 * len(expected)
    preference = EVEN[: len(multiplicities)]
    drawn = Counter(tuple(assign_composition(multiplicities, amounts, preference, random)) for _ in range(draws))
    assert set(drawn) == expected
    assert all(count == pytest.approx(200, abs=80) for count in drawn.values())  # over five standard deviations


def test_preferences_are_odds():
    """Two orbits, two elements: the odds of the two ways are the products of the probabilities."""
    probabilities = np.full((2, 100), 1e-3)
    probabilities[0, [10, 11]] = 0.6, 0.2
    probabilities[1, [10, 11]] = 0.3, 0.3
    random = np.random.default_rng(1)
    draws = [
        tuple(assign_composition([2, 2], {11: 1, 12: 1}, np.log(probabilities), random).tolist()) for _ in range(4000)
    ]
    odds = 0.6 * 0.3 / (0.2 * 0.3)
    assert draws.count((11, 12)) / draws.count((12, 11)) == pytest.approx(odds, rel=0.2)


def test_many_ways_end():
    random = np.random.default_rng(2)
    chosen = assign_composition([1] * 20, {1: 1, 2: 1}, np.zeros((20, 100)), random)
    assert Counter(chosen.tolist()) == {1: 10, 2: 10}


@settings(max_examples=50)
@given(st.sets(st.integers(1, 100), max_size=5), st.integers(5, 8), st.integers(0, 1000))
def test_required_elements_get_orbits_of_their_own(required, n_orbits, seed):
    random = np.random.default_rng(seed)
    log_probabilities = random.normal(size=(n_orbits, 100))
    chosen = assign_required(sorted(required), log_probabilities, random)
    assert sorted(chosen[chosen > 0].tolist()) == sorted(required)
    assert chosen.shape == (n_orbits,)


def test_required_elements_go_where_they_are_likely():
    log_probabilities = np.full((3, 100), -20.0)
    log_probabilities[2, 7] = log_probabilities[0, 21] = 0.0
    chosen = assign_required([8, 22], log_probabilities, np.random.default_rng(0))
    assert chosen.tolist() == [22, 0, 8]
