import pytest

from invdesflow.campaigns.flows import DiscoveryMaker
from invdesflow.campaigns.local import run_campaign
from invdesflow.campaigns.recipes import Recipe
from invdesflow.campaigns.rounds import finish_round, get_campaign
from invdesflow.database.stages import StageRecord
from invdesflow.errors import CampaignError


def recipe(n_candidates=5):
    maker = DiscoveryMaker()
    maker.substitute.n_candidates = n_candidates
    return Recipe("rounds", maker)


def test_an_unfinished_round_is_continued(database):
    first = recipe().open_round(database)
    again = recipe().open_round(database)
    assert (first.number, again.number) == (0, 0)
    assert again.started_at == first.started_at


def test_a_finished_round_is_followed_by_the_next(database):
    recipe().open_round(database)
    record = StageRecord(stage="substitute", entered=6, passed=5, rejected={"contact": 1}, seconds=1.0)
    finish_round(database, "rounds", 0, [record])
    assert recipe().open_round(database).number == 1
    stored = get_campaign(database, "rounds")
    assert stored.rounds[0].status == "completed"
    assert stored.rounds[0].stages == [record]
    assert stored.rounds[1].status == "running"


def test_a_changed_recipe_abandons_the_unfinished_round(database):
    recipe(5).open_round(database)
    assert recipe(6).open_round(database).number == 1
    assert [stored.status for stored in get_campaign(database, "rounds").rounds] == ["abandoned", "running"]


def test_an_unknown_campaign_is_named_with_those_that_exist(database):
    recipe().open_round(database)
    with pytest.raises(CampaignError, match="rounds"):
        get_campaign(database, "other")


def test_two_processes_cannot_run_one_campaign(database):
    from filelock import FileLock

    folder = database.settings.data_dir / "campaigns"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "rounds.lock"), pytest.raises(CampaignError, match="another process"):
        run_campaign(database, recipe())
