import pytest

from invdesflow.campaigns.local import run_campaign
from invdesflow.campaigns.recipes import Recipe
from invdesflow.campaigns.rounds import get_campaign
from invdesflow.campaigns.verification import VerificationMaker
from invdesflow.database import Database
from invdesflow.errors import CampaignError


def test_a_round_that_could_not_begin_is_an_error_and_stays_open(database: Database) -> None:
    recipe = Recipe("verified", VerificationMaker(candidate_ids=["cand-nowhere"], protocol="smoke"))
    with pytest.raises(CampaignError, match=r"^The candidate cand-nowhere has no converged relaxation\."):
        run_campaign(database, recipe)
    [first] = get_campaign(database, "verified").rounds
    assert first.status == "running"


def test_a_round_without_candidates_is_complete(database: Database) -> None:
    assert run_campaign(database, Recipe("verified", VerificationMaker(protocol="smoke"))) == 0
    [first] = get_campaign(database, "verified").rounds
    assert first.status == "completed"
    assert [(stage.entered, stage.passed) for stage in first.stages] == [(0, 0)]
