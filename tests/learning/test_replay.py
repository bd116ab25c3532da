"""Replays on synthetic sets whose Tc is a known function of the composition."""

from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest
from pydantic import ValidationError

from invdesflow.errors import LearningError
from invdesflow.learning.acquisition import AcquisitionSettings
from invdesflow.learning.bias import CrystalKind
from invdesflow.learning.labelled_sets import LabelledSet
from invdesflow.learning.replay import ReplayResult, ReplaySettings, calculations_for_share, replay
from invdesflow.learning.replay_study import bias_table, replay_study, standard_strategies, study_table
from invdesflow.learning.surrogate import SurrogateSettings, TreeSurrogate
from invdesflow.plotting.replay import replay_figure

SMALL = SurrogateSettings(trees=10, feature_share=0.5)
UCB = AcquisitionSettings(strategy="upper_confidence_bound", batch=10)


@pytest.fixture(scope="module")
def data() -> LabelledSet:
    """400 crystals; Tc is high near 4.7 electrons an atom, as in Matthias' rule, and for a light element."""
    rng = np.random.default_rng(0)
    electrons, mass, noise = rng.uniform(2, 8, 400), rng.uniform(1, 100, 400), rng.normal(size=(400, 4))
    tc = 30 * np.exp(-((electrons - 4.7) ** 2)) / np.sqrt(1 + mass / 20)
    return LabelledSet(
        names=tuple(f"c{k:03d}" for k in range(400)),
        features=np.column_stack([electrons, mass, noise]),
        tc_k=tc,
        kinds=(CrystalKind(frozenset({"Nb"}), "A Im-3m"),) * 400,
    )


def test_a_strategy_that_learns_beats_random(data: LabelledSet) -> None:
    settings = ReplaySettings(initial=20, surrogate=SMALL)
    strategies = {"random": AcquisitionSettings(strategy="random", batch=10), "ucb": UCB}
    study = replay_study(data, settings, strategies, seeds=(0, 1, 2))
    random, ucb = study.rows(0.5)
    assert random.ratios == (1.0, 1.0, 1.0)
    assert all(ratio > 2 for ratio in ucb.ratios)
    # drawn without replacement, half of 400 crystals hold half of the positives; three draws scatter around it
    assert np.mean(random.calculations) == pytest.approx(200, abs=60)


def test_strategies_of_one_seed_begin_alike_and_end_complete(data: LabelledSet) -> None:
    settings = ReplaySettings(initial=20, surrogate=SMALL)
    random = replay(data, settings, AcquisitionSettings(strategy="random", batch=70), 4)
    ucb = replay(data, settings, UCB.model_copy(update={"batch": 70}), 4)
    assert random.order[:20] == ucb.order[:20]
    for result in (random, ucb):
        assert sorted(result.order) == list(range(400))
        assert result.found[-1] == result.positives == int((data.tc_k > 15).sum())
        assert result.calculations.tolist() == [20, 90, 160, 230, 300, 370, 400]
        assert [
            int((data.tc_k[list(result.order[:n])] > 15).sum()) for n in result.calculations
        ] == result.found.tolist()


@pytest.mark.parametrize("strategy", ["expected_improvement", "upper_confidence_bound", "committee"])
def test_hidden_labels_are_not_seen(data: LabelledSet, strategy: str) -> None:
    settings = ReplaySettings(initial=20, budget=80, surrogate=SMALL)
    acquisition = UCB.model_copy(update={"strategy": strategy})
    before = replay(data, settings, acquisition, 1)
    hidden = np.ones(400, dtype=bool)
    hidden[list(before.order)] = False
    other = replace(data, tc_k=np.where(hidden, np.random.default_rng(2).uniform(0, 100, 400), data.tc_k))
    assert replay(other, settings, acquisition, 1).order == before.order
    # and the labels that are seen do matter
    shifted = replace(data, tc_k=np.where(hidden, data.tc_k, data.tc_k[::-1]))
    assert replay(shifted, settings, acquisition, 1).order != before.order


def test_a_replay_repeats_itself(data: LabelledSet) -> None:
    settings = ReplaySettings(initial=20, budget=65, surrogate=SMALL)
    told: list[int] = []
    first = replay(data, settings, UCB, 5, report=told.append)
    assert first.order == replay(data, settings, UCB, 5).order
    assert first.order != replay(data, settings, UCB, 6).order
    assert told == [30, 40, 50, 60, 65]
    assert len(first.order) == 65


def test_calculations_for_a_share() -> None:
    result = ReplayResult("s", 0, tuple(range(40)), np.array([10, 20, 30, 40]), np.array([0, 3, 5, 9]), 10)
    assert [calculations_for_share(result, share) for share in (0.3, 0.31, 0.5, 0.9, 1.0)] == [20, 30, 30, 40, None]
    for share in (0.0, 1.1):
        with pytest.raises(LearningError, match="share"):
            calculations_for_share(result, share)


def test_table_and_figure_say_what_the_budget_hid(data: LabelledSet) -> None:
    settings = ReplaySettings(initial=10, budget=20, surrogate=SMALL)
    strategies = {name: s for name, s in standard_strategies(15.0, 10).items() if name in ("random", "committee")}
    study = replay_study(data, settings, strategies, seeds=(0, 1))
    assert [len(result.order) for result in study.results["random"]] == [400, 400]
    assert study.rows(0.9)[1].calculations == study.rows(0.9)[1].ratios == (None, None)
    assert "| committee | over 20 | unknown |" in study_table(study, 0.9)
    figure = replay_figure(study)
    assert isinstance(figure, go.Figure)
    lines = {trace.name: trace for trace in figure.data if trace.mode == "lines" and trace.name}
    assert set(lines) == {"random", "committee"}
    assert list(lines["committee"].x) == [10, 20]
    found = np.median([result.found for result in study.results["committee"]], axis=0)
    assert list(lines["committee"].y) == found.tolist()


def test_the_standard_strategies_can_all_be_replayed(data: LabelledSet) -> None:
    strategies = standard_strategies(15.0, 15)
    study = replay_study(data, ReplaySettings(initial=20, budget=35, surrogate=SMALL), strategies, seeds=(0,))
    for table, above in ((study_table(study), []), (bias_table(study, data), ["all above 15 K"])):
        assert [line.split(" | ")[0][2:] for line in table.splitlines()[2:]] == [*above, *strategies]


def test_the_table_of_the_bias_names_what_was_sought() -> None:
    """Only crystals with vanadium superconduct, so that the search goes there and random choice does not."""
    rng = np.random.default_rng(0)
    vanadium = rng.random(300) < 0.2
    kinds = tuple(CrystalKind(frozenset({"V" if found else "Cu"}), "A Im-3m") for found in vanadium)
    features = np.column_stack([vanadium, rng.normal(size=300)]).astype(float)
    data = LabelledSet(tuple(map(str, range(300))), features, 20.0 * vanadium, kinds)
    strategies = {"random": AcquisitionSettings(strategy="random", batch=10), "ucb": UCB}
    study = replay_study(data, ReplaySettings(initial=20, budget=60, surrogate=SMALL), strategies, seeds=(0,))
    above, random, ucb = bias_table(study, data).splitlines()[2:]
    assert above.endswith("| V |")
    assert random.endswith("| nothing |")
    assert ucb.endswith("| V |")


def test_nothing_to_search_for(data: LabelledSet) -> None:
    with pytest.raises(LearningError, match="0 are above 100 K"):
        replay(data, ReplaySettings(threshold_k=100.0), UCB, 0)
    with pytest.raises(LearningError, match="nothing to search"):
        replay(data, ReplaySettings(initial=400), UCB, 0)
    with pytest.raises(ValidationError, match="budget"):
        ReplaySettings(initial=50, budget=20)
    with pytest.raises(LearningError, match="control"):
        replay_study(data, ReplaySettings(), {"ucb": UCB}, seeds=(0,))


def test_the_surrogate_refuses_what_it_cannot_learn() -> None:
    with pytest.raises(LearningError, match="no label"):
        TreeSurrogate.fit(np.empty((0, 2)), np.empty(0), SMALL, 0)
    with pytest.raises(LearningError, match="not finite"):
        TreeSurrogate.fit(np.ones((2, 2)), np.array([1.0, np.nan]), SMALL, 0)


def test_the_surrogate_is_sure_of_what_it_has_seen_only(data: LabelledSet) -> None:
    taught, tc = data.features[:100], data.tc_k[:100]
    committee = TreeSurrogate.fit(taught, tc, SMALL, 0).predict(data.features)
    assert committee.shape == (400, 10)
    assert committee[:100] == pytest.approx(np.tile(tc[:, None], 10), abs=1e-4)
    assert committee[100:].std(axis=1).mean() > 0.5
    unseen = committee[100:].mean(axis=1)
    assert np.corrcoef(unseen, data.tc_k[100:])[0, 1] > 0.7
