"""Distance to the training set."""

import numpy as np
import pytest

from invdesflow.errors import ModelError
from invdesflow.screening.domain import TrainingDomain

# Two centres at x = 0 and x = 4 in the plane; the third direction is outside of it.
PLANE = TrainingDomain(
    mean=np.zeros(3, np.float32),
    projection=np.eye(3, 2, dtype=np.float32),
    centres=np.array([[0, 0], [4, 0]], np.float32),
    unit=np.array([2.0], np.float32),
)


def test_distance_by_hand():
    points = np.array([[0, 0, 0], [1, 0, 0], [4, 0, 2], [2, 3, 6], [4, 0, -0.5]])
    expected = np.array([0, 1, 2, np.sqrt(4 + 9 + 36), 0.5]) / 2
    np.testing.assert_allclose(PLANE.distance(points), expected, rtol=1e-6)


def test_arrays_round_trip_and_missing_ones_are_refused():
    arrays = PLANE.to_arrays()
    points = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_array_equal(TrainingDomain.from_arrays(arrays).distance(points), PLANE.distance(points))
    with pytest.raises(ModelError, match="lack unit"):
        TrainingDomain.from_arrays({k: v for k, v in arrays.items() if k != "unit"})


def test_fitted_domain_tells_far_from_near():
    pytest.importorskip("sklearn", reason="scikit-learn (the train extra) is not installed")
    from invdesflow.screening.training.fitting import fit_domain

    rng = np.random.default_rng(1)
    seen = rng.normal(size=(500, 40))
    domain = fit_domain(seen, 1.0, seed=0)
    far = rng.normal(size=(50, 40)) + 5 * np.eye(40)[0]
    assert np.median(domain.distance(far)) > 1.1 * np.median(domain.distance(seen))
