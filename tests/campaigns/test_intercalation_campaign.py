"""Intercalation for real: real server, real potential, palladium and hydrogen."""

from pathlib import Path

import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter

from invdesflow.campaigns.intercalation import IntercalationCampaignMaker
from invdesflow.campaigns.local import run_campaign
from invdesflow.campaigns.recipes import Recipe, checked_maker, read_recipe
from invdesflow.campaigns.rounds import get_campaign
from invdesflow.campaigns.study_report import account_of_guests, studies_of, write_study_report
from invdesflow.campaigns.verify_candidates import VerifyMaker
from invdesflow.database.summary import SummaryDocument
from invdesflow.errors import CampaignError, ConfigurationError
from invdesflow.generation.documents import CandidateDocument

ROOT = Path(__file__).parents[2]


@pytest.fixture
def palladium(tmp_path):
    path = tmp_path / "Pd.cif"
    CifWriter(Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.89), ["Pd"], [[0, 0, 0]])).write_file(path)
    return path


def recipe(host, guests):
    quick = {"most": None, "settings": {"min_length": 5.0, "max_atoms": 60}}
    intercalate = {"hosts": {"names": [str(host)]}, "guests": guests}
    parameters = {"study": {"intercalate": intercalate, "phonons": quick}}
    return Recipe("hydrides", checked_maker("IntercalationCampaignMaker", parameters))


def test_the_shipped_recipe_is_valid():
    maker = read_recipe(ROOT / "flows" / "intercalation.yaml").maker
    assert isinstance(maker, IntercalationCampaignMaker)
    assert maker.verify is None
    assert maker.study.phonons.most is None


def test_a_recipe_can_ask_for_first_principles():
    maker = checked_maker("IntercalationCampaignMaker", {"verify": {"protocol": "smoke"}})
    assert isinstance(maker.verify, VerifyMaker)
    with pytest.raises(ConfigurationError, match="smoky"):
        checked_maker("IntercalationCampaignMaker", {"verify": {"protocol": "smoky"}})


def test_a_campaign_without_studies_says_so(database):
    with pytest.raises(CampaignError, match="no campaign"):
        studies_of(database, "nothing")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_from_a_host_to_the_report(database, palladium, tmp_path):
    asked = recipe(palladium, ["H", "Cs"])
    assert run_campaign(database, asked) == 0
    [study] = studies_of(database, "hydrides", 0)
    [pair] = study.pairs
    assert (study.host_formula, pair.formula, pair.pair.sites) == ("Pd", "HPd", ["4b"])
    assert pair.structure.volume_a3.difference > 0.0, "hydrogen widens palladium, in nature by 11 %"
    assert pair.phonons.host_status == "stable"
    assert pair.coupling.lambda_.reason, "what was not calculated says so"
    origins = {row.candidate_id: row.origins[0] for row in database.collection(CandidateDocument).find({})}
    assert origins[study.host_id].conditions["role"] == "host"
    assert origins[pair.pair.guest_id].parents == [study.host_id]
    stages = get_campaign(database, "hydrides").rounds[0].stages
    assert [stage.stage for stage in stages] == ["intercalate", "relax", "screen", "phonons", "intercalation studies"]
    assert sum(stages[0].rejected.values()) == 1, "caesium does not fit, and is counted"
    assert "1 refused: Cs is too large" in account_of_guests(database, "hydrides", 0)
    assert pair.stability.above_hull_ev_per_atom.guest is not None
    assert database.collection(SummaryDocument).count({"campaigns": "hydrides"}) >= 2
    page = write_study_report(database, [study], tmp_path / "report.html").read_text()
    assert "HPd" in page
    assert 'id="figure-bands-guest-0-0"' in page, "phonon bands with the potential"
    assert run_campaign(database, asked) == 1
    assert len(studies_of(database, "hydrides")) == 1, "the same question is the same study"
