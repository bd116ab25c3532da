"""What is counted in a training set."""

from collections import Counter

import numpy as np
import pytest

from invdesflow.generation.diffusion.prior import TemplatePrior, label_of
from invdesflow.generation.diffusion.templates import Template

ROCKSALT, RUTILE, PEROVSKITE = Template(225, ("a", "b")), Template(136, ("a", "f")), Template(221, ("a", "b", "c"))


def test_marginals_are_the_frequencies_of_the_training_set(training_set):
    prior = training_set.prior()
    n = len(training_set)
    for marginal, observed in (
        (prior.space_groups, [template.space_group for template in training_set.templates]),
        (prior.n_atoms, training_set.n_atoms.tolist()),
    ):
        for value, count in Counter(observed).items():
            assert prior.weights()[marginal == value].sum() == pytest.approx(count / n)
    shares = dict(zip(prior.templates, prior.weights(), strict=True))
    assert shares == pytest.approx({t: count / n for t, count in Counter(training_set.templates).items()})


def test_every_crystal_is_counted_once(training_set):
    prior = training_set.prior()
    assert prior.counts.sum() == len(training_set)
    assert prior.counts[:, 0].sum() == np.isnan(training_set.tc_k).sum()


def test_arrays_round_trip():
    templates = [Template(47, ("a", "q", "q", "A")), Template(1, ("a",)), ROCKSALT, ROCKSALT]
    prior = TemplatePrior.count(templates, np.array([1.0, np.nan, 12.0, 150.0]))
    again = TemplatePrior.from_arrays(prior.to_arrays())
    assert again.templates == prior.templates
    np.testing.assert_array_equal(again.counts, prior.counts)


def test_a_tc_prefers_templates_with_such_a_tc():
    templates = [ROCKSALT] * 10 + [RUTILE] * 10 + [PEROVSKITE] * 10
    tc_k = np.array([0.5] * 10 + [20.0] * 10 + [np.nan] * 10)
    prior = TemplatePrior.count(templates, tc_k)
    low, high = (dict(zip(prior.templates, prior.weights(tc), strict=True)) for tc in (0.5, 20.0))
    assert low[ROCKSALT] > 0.9
    assert high[RUTILE] > 0.9
    assert min(low.values()) > 0  # nothing becomes impossible
    assert sum(high.values()) == pytest.approx(1)


@pytest.mark.parametrize("tc_k", [0.0, 147.0, 1e4, 1e12])
def test_weights_are_finite_for_every_tc(tc_k):
    prior = TemplatePrior.count([ROCKSALT, RUTILE], np.array([1.0, 200.0]))
    weights = prior.weights(tc_k)
    assert np.isfinite(weights).all()
    assert weights.sum() == pytest.approx(1)


def test_labels_are_logarithms():
    assert label_of(np.array([0.0, np.e - 1])) == pytest.approx([0, 1])
    assert np.isnan(label_of(np.array([np.nan]))).all()
