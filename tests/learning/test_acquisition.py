"""Choosing a batch."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from invdesflow.errors import LearningError
from invdesflow.learning.acquisition import AcquisitionSettings, choose
from invdesflow.learning.pool import Pool

STRATEGIES = ("expected_improvement", "upper_confidence_bound", "committee", "expected_model_change", "random")


def make_pool(size: int = 40, seed: int = 0) -> Pool:
    rng = np.random.default_rng(seed)
    committee = rng.uniform(0, 20, size=(size, 5))
    return Pool(
        names=tuple(f"cand-{k:03d}" for k in rng.permutation(size)),
        tc_mean_k=committee.mean(axis=1),
        tc_std_k=committee.std(axis=1),
        p_stable=rng.uniform(0.1, 1.0, size),
        cost_core_hours=rng.uniform(10, 500, size),
        features=rng.normal(size=(size, 4)),
        committee=committee,
    )


def permuted(pool: Pool, order: np.ndarray) -> Pool:
    rows = {name: getattr(pool, name)[order] for name in Pool.__dataclass_fields__ if name != "names"}
    return replace(pool, names=tuple(pool.names[k] for k in order), **rows)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("diversity", ["none", "farthest_point", "determinantal"])
def test_the_batch_does_not_depend_on_the_order_of_the_pool(strategy: str, diversity: str) -> None:
    if strategy == "random" and diversity != "none":
        return
    pool = make_pool()
    settings = AcquisitionSettings(strategy=strategy, diversity=diversity, batch=7, seed=3)
    first = choose(pool, settings, 10.0)
    again = choose(permuted(pool, np.random.default_rng(9).permutation(40)), settings, 10.0)
    assert [choice.name for choice in first] == [choice.name for choice in again]
    assert [choice.rank for choice in first] == list(range(7))
    assert all(pool.names[choice.index] == choice.name for choice in first)
    assert len({choice.name for choice in first}) == 7


def test_score_is_utility_times_stability_over_cost() -> None:
    pool = make_pool()
    settings = AcquisitionSettings(strategy="upper_confidence_bound", kappa=2.0, cost_exponent=0.5, batch=40)
    scores = (pool.tc_mean_k + 2 * pool.tc_std_k) * pool.p_stable / np.sqrt(pool.cost_core_hours)
    chosen = choose(pool, settings, 0.0)
    assert [choice.index for choice in chosen] == np.argsort(-scores).tolist()
    assert [choice.score for choice in chosen] == pytest.approx(np.sort(scores)[::-1])
    assert chosen[0].terms["utility"] == pytest.approx((pool.tc_mean_k + 2 * pool.tc_std_k)[chosen[0].index])


def test_a_target_replaces_the_best_tc() -> None:
    pool = make_pool()
    by_target = choose(pool, AcquisitionSettings(strategy="expected_improvement", target_tc_k=15.0), 39.0)
    by_best = choose(pool, AcquisitionSettings(strategy="expected_improvement"), 15.0)
    assert by_target == by_best
    assert by_best != choose(pool, AcquisitionSettings(strategy="expected_improvement"), 39.0)


def test_a_hopeless_pool_is_still_ranked_by_tc() -> None:
    pool = replace(
        make_pool(), tc_mean_k=np.linspace(0, 3, 40), tc_std_k=np.full(40, 0.05), p_stable=np.ones(40),
        cost_core_hours=np.ones(40),
    )  # fmt: skip
    chosen = choose(pool, AcquisitionSettings(strategy="expected_improvement", batch=3), 39.0)
    assert [choice.index for choice in chosen] == [39, 38, 37]
    assert chosen[0].score == 0.0
    assert np.isfinite(chosen[0].terms["log_score"])


def test_equal_scores_come_by_name() -> None:
    pool = replace(make_pool(), tc_mean_k=np.ones(40), tc_std_k=np.zeros(40), p_stable=np.zeros(40))
    chosen = choose(pool, AcquisitionSettings(batch=6), 0.0)
    assert [choice.name for choice in chosen] == sorted(pool.names)[:6]
    assert chosen[0].score == 0.0
    assert "log_score" not in chosen[0].terms


def test_random_depends_on_the_seed_alone() -> None:
    pool, other = make_pool(seed=0), replace(make_pool(seed=1), names=make_pool(seed=0).names)
    by_seed = {
        seed: [c.name for c in choose(pool, AcquisitionSettings(strategy="random", seed=seed), 0)] for seed in (0, 1)
    }
    assert by_seed[0] != by_seed[1]
    assert by_seed[0] == [c.name for c in choose(other, AcquisitionSettings(strategy="random", seed=0), 30.0)]


def test_random_is_fair() -> None:
    pool = make_pool(size=10)
    counts = np.zeros(10)
    for seed in range(2000):
        for choice in choose(pool, AcquisitionSettings(strategy="random", batch=3, seed=seed), 0.0):
            counts[choice.index] += 1
    # binomial with p = 0.3: standard deviation 20.5
    assert np.abs(counts - 600).max() < 100


@pytest.mark.parametrize("diversity", ["farthest_point", "determinantal"])
def test_a_diverse_batch_covers_groups_that_scores_would_leave_out(diversity: str) -> None:
    # Three groups of near copies; the ten best scores are all of one group.
    groups = np.repeat([0, 1, 2], 10)
    centres = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    pool = Pool(
        names=tuple(f"c{k:02d}" for k in range(30)),
        tc_mean_k=20.0 - groups - np.linspace(0, 0.5, 30),
        tc_std_k=np.zeros(30),
        p_stable=np.ones(30),
        cost_core_hours=np.ones(30),
        features=centres[groups] + np.random.default_rng(0).normal(scale=0.05, size=(30, 2)),
    )
    plain = choose(pool, AcquisitionSettings(batch=3, kappa=0), 0.0)
    diverse = choose(pool, AcquisitionSettings(batch=3, kappa=0, diversity=diversity, shortlist=10), 0.0)
    assert {groups[c.index] for c in plain} == {0}
    assert {groups[c.index] for c in diverse} == {0, 1, 2}
    assert diverse[0].index == 0


def test_a_small_pool_is_taken_whole() -> None:
    assert len(choose(make_pool(size=4), AcquisitionSettings(batch=20, diversity="determinantal"), 0.0)) == 4


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("tc_mean_k", np.nan, "tc_mean_k is not finite for 1 of 40 candidates, the first is"),
        ("tc_mean_k", -1.0, "tc_mean_k is not at least 0 K"),
        ("tc_std_k", -0.1, "tc_std_k is not at least 0 K"),
        ("p_stable", 1.1, "p_stable is not a probability"),
        ("cost_core_hours", 0.0, "cost_core_hours is not above 0 core-hours"),
        ("features", np.inf, "features is not finite"),
        ("committee", np.nan, "committee is not finite"),
    ],
)
def test_impossible_numbers_are_refused(field: str, value: float, problem: str) -> None:
    pool = make_pool()
    damaged = getattr(pool, field).copy()
    damaged[5] = value
    with pytest.raises(LearningError, match=problem) as error:
        replace(pool, **{field: damaged})
    assert pool.names[5] in error.value.problem


def test_malformed_pools_are_refused() -> None:
    pool = make_pool()
    with pytest.raises(LearningError, match="no candidate"):
        permuted(pool, np.array([], dtype=int))
    with pytest.raises(LearningError, match="twice"):
        permuted(pool, np.array([1, 1]))
    with pytest.raises(LearningError, match=r"shape \(39,\) for 40"):
        replace(pool, p_stable=pool.p_stable[1:])
    with pytest.raises(LearningError, match="dimension"):
        replace(pool, features=pool.features[:, 0])


def test_what_a_strategy_needs() -> None:
    pool = make_pool()
    for committee in (None, pool.committee[:, :1]):
        with pytest.raises(LearningError, match="committee"):
            choose(replace(pool, committee=committee), AcquisitionSettings(strategy="committee"), 0.0)
    with pytest.raises(LearningError, match="features"):
        choose(replace(pool, features=np.empty((40, 0))), AcquisitionSettings(diversity="farthest_point"), 0.0)
    with pytest.raises(LearningError, match="best Tc"):
        choose(pool, AcquisitionSettings(), float("nan"))


@pytest.mark.parametrize(
    "settings",
    [{"strategy": "greedy"}, {"batch": 0}, {"kapa": 1}, {"strategy": "random", "diversity": "determinantal"}],
)
def test_wrong_settings_are_refused(settings: dict) -> None:
    with pytest.raises(ValidationError):
        AcquisitionSettings(**settings)
