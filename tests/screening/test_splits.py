"""Splits by formula."""

from itertools import product

import pytest

from invdesflow.screening.training.splits import FOLDS, fold_of, formulas_digest, is_held_out

FORMULAS = [f"{a}{m}{b}{n}" for a, b, m, n in product(["Nb", "Ti", "Mg", "La"], "BCNOHSP", range(1, 8), range(1, 8))]


def test_folds_and_the_held_out_tenth_are_evenly_filled_and_independent():
    held = [formula for formula in FORMULAS if is_held_out(formula)]
    assert len(held) / len(FORMULAS) == pytest.approx(0.1, abs=0.03)
    for fold in range(FOLDS):
        assert sum(fold_of(formula) == fold for formula in FORMULAS) / len(FORMULAS) == pytest.approx(0.2, abs=0.04)
        assert sum(fold_of(formula) == fold for formula in held) / len(held) == pytest.approx(0.2, abs=0.1)


def test_the_split_never_changes():
    """A change would let models that ship be judged on what they have learned from."""
    assert [fold_of(formula) for formula in ("NbN", "MgB2", "H3S", "Al")] == [4, 0, 1, 4]
    assert formulas_digest([formula for formula in FORMULAS if is_held_out(formula)]) == (
        "6ff29f4cd497a6c9c4b30f81ef49aec192cee459d45107447b6ffaf5c7495d80"
    )


def test_a_digest_knows_neither_order_nor_repetition():
    assert formulas_digest(["NbN", "MgB2", "NbN"]) == formulas_digest(["MgB2", "NbN"]) != formulas_digest(["MgB2"])
