from concurrent.futures import ThreadPoolExecutor

import pytest

from invdesflow.campaigns import rounds
from invdesflow.campaigns.flows import DiscoveryMaker
from invdesflow.campaigns.launching.launchpad import launch_command
from invdesflow.campaigns.launching.submission import submit_campaign
from invdesflow.campaigns.local import run_campaign
from invdesflow.campaigns.recipes import Recipe
from invdesflow.campaigns.rounds import chosen_once, finish_round, get_campaign
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


def test_an_abandoned_round_stays_so_whatever_its_jobs_do(database):
    recipe(5).open_round(database)
    recipe(6).open_round(database)
    finish_round(database, "rounds", 0, [])
    assert [stored.status for stored in get_campaign(database, "rounds").rounds] == ["abandoned", "running"]
    with pytest.raises(CampaignError, match="no round 2"):
        finish_round(database, "rounds", 2, [])


def test_a_round_that_opens_while_another_ends_is_not_lost(database, monkeypatch):
    recipe().open_round(database)
    read = rounds.get_campaign

    def read_and_be_overtaken(database, name):
        found = read(database, name)
        recipe(6).open_round(database)
        return found

    monkeypatch.setattr(rounds, "get_campaign", read_and_be_overtaken)
    finish_round(database, "rounds", 0, [])
    assert [stored.number for stored in read(database, "rounds").rounds] == [0, 1]


def test_rounds_that_open_at_once_are_one(database):
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: recipe().open_round(database), range(8)))
    assert {record.number for record in opened} == {0}
    assert [stored.started_at for stored in get_campaign(database, "rounds").rounds] == [opened[0].started_at]


def test_a_round_chooses_once(database):
    recipe().open_round(database)
    assert chosen_once(database, "rounds", 0, lambda: ["c2", "c1"]) == ["c2", "c1"]
    assert chosen_once(database, "rounds", 0, lambda: ["c3"]) == ["c2", "c1"], "also when its job is run again"
    finish_round(database, "rounds", 0, [])
    recipe().open_round(database)
    assert chosen_once(database, "rounds", 1, list) == []
    assert get_campaign(database, "rounds").rounds[1].chosen == []


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
    with FileLock(folder / "rounds.lock"), pytest.raises(CampaignError, match="another process"):
        submit_campaign(database, recipe())


def test_launch_files_are_for_the_user_alone(database):
    folder = database.settings.data_dir / "launch"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("launchpad.yaml", "jobflow.yaml"):
        (folder / name).touch(mode=0o666)
        (folder / name).chmod(0o666)
    launch_command(database)
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
