"""The learning loop for real: real models, real training, labels that we made."""

from pathlib import Path

import pytest

from invdesflow.campaigns.active_learning import ActiveLearningMaker, outcome_of
from invdesflow.campaigns.discovery import DiscoveryMaker
from invdesflow.campaigns.local import run_campaign
from invdesflow.campaigns.models import model_registry
from invdesflow.campaigns.recipes import read_recipe
from invdesflow.campaigns.rounds import get_campaign
from invdesflow.campaigns.verify_candidates import VerifyMaker
from invdesflow.errors import ConfigurationError
from invdesflow.learning.labelled_pool import LabelledPoolMaker
from invdesflow.learning.rounds import stored_round
from invdesflow.screening.gates import Thresholds
from invdesflow.screening.jobs import ScreenMaker
from invdesflow.superconductors.documents import SuperconductorDocument
from invdesflow.testing.labelled_set import write_labelled_set

ROOT = Path(__file__).parents[2]
RECIPE = """
campaign: replayed
maker: ActiveLearningMaker
parameters:
  labelled: {path: PATH, set_format: alexandria}
  screen:
    thresholds:
      {superconductor_probability: null, formation_energy_ev_per_atom: null, e_above_hull_ev_per_atom: null, tc_k: 0.0}
  acquire: {settings: {strategy: expected_improvement, batch: 6}}
  retrain: {settings: {epochs: 1, least_held_out: 2}}
"""


@pytest.fixture
def recipe(tmp_path):
    write_labelled_set(tmp_path / "made.jsonl.gz")
    file = tmp_path / "replayed.yaml"
    file.write_text(RECIPE.replace("PATH", str(tmp_path / "made.jsonl.gz")))
    return read_recipe(file)


def test_the_shipped_recipe_is_valid():
    recipe = read_recipe(ROOT / "flows" / "active_learning.yaml")
    assert isinstance(recipe.maker, ActiveLearningMaker)
    assert recipe.maker.oracle == "Quantum ESPRESSO and EPW, protocol moderate"


def test_labels_without_relaxation_have_no_hull():
    with pytest.raises(ConfigurationError, match="energy above the hull"):
        ActiveLearningMaker(labelled=LabelledPoolMaker(path="set.jsonl"))


def test_what_is_predicted_is_answered_at_the_same_mu_star():
    screen = ScreenMaker(mu_star=0.12, thresholds=Thresholds(e_above_hull_ev_per_atom=None))
    with pytest.raises(ConfigurationError, match=r"mu\* = 0.12 and answered at 0.1, 0.13, 0.16"):
        ActiveLearningMaker(discover=DiscoveryMaker(screen=screen))
    answered = VerifyMaker(overrides={"mu_stars": [0.12]})
    assert ActiveLearningMaker(discover=DiscoveryMaker(screen=screen), verify=answered).mu_star == 0.12
    with pytest.raises(ConfigurationError, match=r"mu\* = 0.12 and answered at 0.1:"):
        ActiveLearningMaker(labelled=LabelledPoolMaker(path="set.jsonl"), screen=screen)


def test_a_calculation_without_document_failed():
    outcome = outcome_of(None, 0.1)
    assert (outcome.status, outcome.tc_k) == ("failed", None)
    assert outcome.reason


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_rounds_on_a_labelled_set(database, recipe):
    for number in (0, 1):
        assert run_campaign(database, recipe) == number
        assert get_campaign(database, "replayed").rounds[number].status == "completed"
    first, second = (stored_round(database, "replayed", number) for number in (0, 1))
    assert (first.pool, second.pool) == (40, 34)
    assert first.status == second.status == "completed"
    chosen = {row.candidate_id for row in (*first.chosen, *second.chosen)}
    assert len(chosen) == 12
    assert database.collection(SuperconductorDocument).count() == 12
    assert second.best_tc_before_k == first.best_tc_k == max(row.outcome.tc_k for row in first.chosen)
    for one in (first, second):
        assert one.bias.chosen == 6
        [change] = one.models
        assert change.trained is not None
        assert (change.after == change.trained) == (not change.remark)
    assert first.models[0].after == second.models[0].before
    assert model_registry(database).promoted("tc").model_id == second.models[0].after
    stages = [stage.stage for stage in get_campaign(database, "replayed").rounds[0].stages]
    assert stages == ["labelled set", "screen", "acquire", "reveal"]
