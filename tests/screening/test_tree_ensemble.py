"""The tree evaluator against scikit-learn and against a tree written by hand."""

import numpy as np
import pytest

from invdesflow.errors import ModelError
from invdesflow.screening.tree_ensemble import TreeEnsemble


def two_trees():
    # Tree 0: x0 <= 1 ? 10 : (x1 <= 2 ? 20 : 30). Tree 1: a single leaf.
    return TreeEnsemble(
        feature=np.array([0, -1, 1, -1, -1, -1], dtype=np.int16),
        threshold=np.array([1, 0, 2, 0, 0, 0], dtype=np.float32),
        right=np.array([2, 0, 4, 0, 0, 0], dtype=np.uint16),
        values=np.array([[10], [20], [30], [7]], dtype=np.float32),
        roots=np.array([0, 5], dtype=np.int32),
    )


def test_trees_by_hand():
    leaves = two_trees().predict(np.array([[1.0, 9.0], [1.1, 2.0], [1.1, 2.1]]))
    np.testing.assert_array_equal(leaves[:, :, 0], [[10, 7], [20, 7], [30, 7]])


def test_arrays_round_trip():
    trees = two_trees()
    again = TreeEnsemble.from_arrays(trees.to_arrays())
    samples = np.random.default_rng(0).normal(size=(20, 2)) * 3
    np.testing.assert_array_equal(again.predict(samples), trees.predict(samples))


def test_missing_and_inconsistent_arrays_are_refused():
    arrays = two_trees().to_arrays()
    with pytest.raises(ModelError, match="lack values"):
        TreeEnsemble.from_arrays({name: array for name, array in arrays.items() if name != "values"})
    with pytest.raises(ModelError, match="not consistent"):
        TreeEnsemble.from_arrays(arrays | {"right": np.array([9, 0, 4, 0, 0, 0], dtype=np.uint16)})
    with pytest.raises(ModelError, match="not consistent"):
        TreeEnsemble.from_arrays(arrays | {"values": arrays["values"][:-1]})


@pytest.mark.parametrize("depth", [None, 3])
def test_equals_scikit_learn(depth):
    ensemble = pytest.importorskip("sklearn.ensemble", reason="scikit-learn (the train extra) is not installed")
    from invdesflow.screening.training.fitting import forest_arrays

    rng = np.random.default_rng(3)
    samples, targets = rng.normal(size=(400, 6)), rng.normal(size=(400, 2))
    samples[:, 0] = np.round(samples[:, 0], 1)  # ties with thresholds
    forest = ensemble.ExtraTreesRegressor(25, max_depth=depth, min_samples_leaf=2, random_state=1)
    forest.fit(samples, targets)
    unseen = np.vstack([rng.normal(size=(300, 6)), samples])
    ours = forest_arrays(forest).predict(unseen)
    theirs = np.stack([tree.predict(unseen) for tree in forest.estimators_], axis=1)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    np.testing.assert_allclose(ours.mean(axis=1), forest.predict(unseen), atol=1e-6)
