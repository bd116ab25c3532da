from types import SimpleNamespace

import pytest
from scipy.integrate import quad
from scipy.stats import norm

from invdesflow.errors import LearningError
from invdesflow.learning.prospects import DynamicRecord, stays_near_the_hull, success_probability


def screening(**changes):
    known = {
        "superconductor_probability": 0.8,
        "relaxation_id": "rlx-1",
        "e_above_hull_ev_per_atom": 0.05,
        "predicted_formation_energy_std_ev_per_atom": 0.04,
    }
    return SimpleNamespace(**known | changes)


def test_without_experience_a_crystal_is_stable_or_not():
    assert DynamicRecord().probability("stable") == 0.5
    assert DynamicRecord().probability(None) == 0.5


def test_experience_counts_for_its_own_verdict():
    record = DynamicRecord([("stable", True)] * 7 + [("stable", False)] + [("unstable", False)] * 3)
    assert record.probability("stable") == pytest.approx(8 / 10)
    assert record.probability("unstable") == pytest.approx(1 / 5)
    assert record.probability("failed") == 0.5


@pytest.mark.parametrize(("energy", "std"), [(0.0, 0.02), (0.1, 0.05), (0.3, 0.1)])
def test_near_the_hull_is_the_normal_integral(energy, std):
    expected, _ = quad(norm(energy, std).pdf, energy - 12 * std, 0.1)
    assert stays_near_the_hull(energy, std, 0.1) == pytest.approx(expected, abs=1e-9)


def test_an_energy_without_uncertainty_is_an_error():
    with pytest.raises(LearningError, match="uncertainty"):
        stays_near_the_hull(0.0, 0.0, 0.1)


def test_success_is_the_product_of_its_parts():
    record = DynamicRecord([("stable", True)] * 3)
    probability = success_probability(screening(), "stable", record, 0.1)
    assert probability == pytest.approx(0.8 * norm.cdf(0.05 / 0.04) * 4 / 5)


def test_a_crystal_that_was_not_relaxed_is_judged_by_the_classifier_alone():
    assert success_probability(screening(relaxation_id=None), None, DynamicRecord(), 0.1) == 0.8


@pytest.mark.parametrize(
    "missing",
    [
        {"superconductor_probability": None},
        {"e_above_hull_ev_per_atom": None},
        {"predicted_formation_energy_std_ev_per_atom": None},
    ],
)
def test_without_an_answer_of_a_model_there_is_no_probability(missing):
    assert success_probability(screening(**missing), "stable", DynamicRecord(), 0.1) is None
