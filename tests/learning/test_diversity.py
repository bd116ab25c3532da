"""Diverse batches against exhaustive searches."""

from itertools import combinations

import numpy as np
import pytest

from invdesflow.learning.diversity import determinantal, farthest_points, similarity, standardise


@pytest.mark.parametrize("seed", range(5))
def test_greedy_steps_are_the_best_determinants(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kernel, log_quality, weight = similarity(rng.normal(size=(9, 3))), rng.normal(size=9), 0.7
    batch: list[int] = []
    for chosen, left in determinantal(log_quality, kernel, 5, weight):

        def objective(members: list[int]) -> float:
            _, log_determinant = np.linalg.slogdet(kernel[np.ix_(members, members)])
            return float(log_quality[members].sum() + weight * log_determinant)

        best = max((k for k in range(9) if k not in batch), key=lambda k: objective([*batch, k]))
        assert chosen == best
        before = np.linalg.det(kernel[np.ix_(batch, batch)]) if batch else 1.0
        batch.append(chosen)
        assert left == pytest.approx(np.linalg.det(kernel[np.ix_(batch, batch)]) / before, rel=1e-6)


def test_greedy_batch_is_near_the_best_of_all() -> None:
    # for a monotone submodular gain, greedy is within 1 - 1/e of the optimum (Nemhauser, Wolsey & Fisher 1978)
    kernel = similarity(np.random.default_rng(3).normal(size=(10, 4))) + np.eye(10)
    kernel /= kernel[0, 0]
    log_quality = np.full(10, 5.0)

    def gain(members: tuple[int, ...]) -> float:
        return float(log_quality[list(members)].sum() + np.linalg.slogdet(kernel[np.ix_(members, members)])[1])

    greedy = gain(tuple(k for k, _ in determinantal(log_quality, kernel, 4, 1.0)))
    best = max(gain(members) for members in combinations(range(10), 4))
    assert (1 - 1 / np.e) * best <= greedy <= best + 1e-9


def test_copies_and_hopeless_points_come_last() -> None:
    points = np.array([[0.0], [0.0], [3.0], [6.0]])
    chosen = determinantal(np.array([2.0, 1.9, -np.inf, 0.0]), similarity(points), 4, 1.0)
    assert [index for index, _ in chosen] == [0, 3, 1, 2]
    assert chosen[2][1] == 0.0


def test_farthest_points_are_those_of_an_exhaustive_search() -> None:
    points = np.random.default_rng(5).normal(size=(12, 3))
    chosen = farthest_points(points, 6)
    assert chosen[0] == (0, np.inf)
    for step in range(1, 6):
        before = [index for index, _ in chosen[:step]]
        gaps = {k: min(np.linalg.norm(points[k] - points[j]) for j in before) for k in range(12) if k not in before}
        best = max(gaps, key=lambda k: gaps[k])
        assert chosen[step] == (best, pytest.approx(gaps[best]))


def test_farthest_points_takes_no_point_twice() -> None:
    assert sorted(index for index, _ in farthest_points(np.zeros((5, 2)), 5)) == [0, 1, 2, 3, 4]


def test_standardise() -> None:
    features = np.random.default_rng(0).normal(7.0, 3.0, size=(50, 3)) * [1.0, 1e6, 1e-6]
    features[:, 1] = 4.2e9
    standard = standardise(features)
    assert standard.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-9)
    assert standard.std(axis=0) == pytest.approx([1.0, 0.0, 1.0])
    assert not standard[:, 1].any()
