"""The log of the bias."""

from itertools import combinations

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.errors import LearningError
from invdesflow.learning.bias import CrystalKind, bias_log


def kinds(*formulas: str) -> list[CrystalKind]:
    return [CrystalKind(frozenset(formula.split("-")), "AB Fm-3m") for formula in formulas]


def test_kind_of_a_crystal() -> None:
    sodium_chloride = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.6), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    assert CrystalKind.of(sodium_chloride) == CrystalKind(frozenset({"Na", "Cl"}), "AB Fm-3m")
    assert CrystalKind.of(sodium_chloride.get_primitive_structure()) == CrystalKind.of(sodium_chloride)


def test_probability_by_chance_counts_all_batches() -> None:
    pool = kinds("Au-B", "Au-C", "Au-N", "Nb-B", "Nb-C", "Nb-N", "Ti-B", "Ti-C")
    chosen = [0, 1, 3]
    gold = {0, 1, 2}
    as_many = [batch for batch in combinations(range(8), 3) if len(gold.intersection(batch)) >= 2]
    by_name = {one.name: one for one in bias_log(pool, chosen).elements}
    assert by_name["Au"].p_value == pytest.approx(len(as_many) / 56)
    assert by_name["Au"].share_chosen == pytest.approx(2 / 3)
    assert by_name["Au"].share_pool == pytest.approx(3 / 8)
    assert set(by_name) == {"Au", "Nb", "B", "C"}


def test_drift_to_gold_is_seen_and_chance_is_not() -> None:
    rng = np.random.default_rng(0)
    metals, others = ["Au", "Nb", "Ti", "V", "Mo", "Zr", "Hf", "Ta"], ["B", "C", "N", "Si", "Ge"]
    pool = kinds(*(f"{rng.choice(metals)}-{rng.choice(others)}" for _ in range(2000)))
    gold = [row for row, kind in enumerate(pool) if "Au" in kind.elements]
    drifted = bias_log(pool, gold[:25] + list(range(25)))
    assert drifted.over_represented == ["Au"]
    assert drifted.elements[0].name == "Au"
    assert drifted.element_divergence > 2 * drifted.element_divergence_by_chance
    fair = [bias_log(pool, rng.choice(2000, 50, replace=False)) for _ in range(20)]
    assert sum(bool(log.over_represented) for log in fair) <= 4  # 5 % of 20, and three standard deviations
    excess = [log.element_divergence - log.element_divergence_by_chance for log in fair]
    assert abs(np.mean(excess)) < 0.2 * drifted.element_divergence


def test_divergence_has_its_limits() -> None:
    pool = kinds("Au-B", "Nb-C")
    assert bias_log(pool, [0, 1]).element_divergence == pytest.approx(0.0)
    # p = (1/2, 1/2, 0, 0) against (1/4, 1/4, 1/4, 1/4): by hand from its definition, in bit
    mixed, p, q = np.array([3, 3, 1, 1]) / 8, np.array([0.5, 0.5]), np.full(4, 0.25)
    expected = 0.5 * (p * np.log2(p / mixed[:2])).sum() + 0.5 * (q * np.log2(q / mixed)).sum()
    assert bias_log(pool, [0]).element_divergence == pytest.approx(expected)


def test_the_log_is_the_same_again_and_can_be_stored() -> None:
    pool = kinds("Au-B", "Au-C", "Nb-B", "Nb-C", "Ti-N")
    first = bias_log(pool, [0, 1])
    assert first == bias_log(pool, [1, 0])
    assert type(first).model_validate(first.model_dump(mode="json")) == first


@pytest.mark.parametrize("chosen", [[], [5], [-1]])
def test_rows_must_be_in_the_pool(chosen: list[int]) -> None:
    with pytest.raises(LearningError, match="not in the pool"):
        bias_log(kinds("Au-B", "Nb-C"), chosen)
