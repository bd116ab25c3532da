import pytest
from documents import caesium_chloride, candidate, relaxation, screening

from invdesflow.campaigns.local import run_campaign
from invdesflow.campaigns.recipes import Recipe
from invdesflow.campaigns.rounds import get_campaign
from invdesflow.campaigns.verification import VerificationMaker
from invdesflow.database import Database
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.errors import CampaignError
from invdesflow.espresso.calculation import Calculation
from invdesflow.generation.documents import CandidateDocument
from invdesflow.relaxation.documents import RelaxationDocument, Subject
from invdesflow.screening.documents import ScreeningDocument


def test_a_round_that_could_not_begin_is_an_error_and_stays_open(database: Database) -> None:
    recipe = Recipe("verified", VerificationMaker(candidate_ids=["cand-nowhere"], protocol="smoke"))
    with pytest.raises(CampaignError, match=r"^The candidate cand-nowhere has no converged relaxation\."):
        run_campaign(database, recipe)
    [first] = get_campaign(database, "verified").rounds
    assert first.status == "running"


def coupling(crystal: CandidateDocument, status: str) -> ElectronPhononDocument:
    return ElectronPhononDocument(
        elph_id=f"elph-{crystal.structure.formula}",
        candidate_id=crystal.candidate_id,
        reduced_formula=crystal.reduced_formula,
        space_group_number=crystal.space_group_number,
        structure=crystal.structure,
        pressure_gpa=0.0,
        protocol="smoke",
        settings={},
        pseudopotentials={},
        status=status,
        reason="" if status == "running" else f"it is {status}",
    )


def test_what_did_not_finish_comes_after_what_is_new(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"Pb": "insulating", "Nb": "failed", "Zr": "running"}
    monkeypatch.setattr(Calculation, "identifier", lambda _, prefix, crystal: f"{prefix}-{crystal.formula}")
    ids = {}
    for tc_k, element in enumerate(("Al", "Sn", *known), start=10):
        crystal = candidate(caesium_chloride(element, "N"))
        ids[element] = crystal.candidate_id
        found = relaxation(Subject(kind="candidate", id=crystal.candidate_id), crystal.structure, -3.0)
        database.collection(CandidateDocument).upsert([crystal])
        database.collection(RelaxationDocument).upsert([found])
        database.collection(ScreeningDocument).upsert([screening(found, "tc-1", float(tc_k))])
        if element in known:
            database.collection(ElectronPhononDocument).upsert([coupling(crystal, status=known[element])])
    maker = VerificationMaker(protocol="smoke", most=2)
    assert maker._choose(database) == [ids["Sn"], ids["Al"]]
    maker = VerificationMaker(protocol="smoke", most=9)
    assert maker._choose(database) == [ids["Sn"], ids["Al"], ids["Zr"], ids["Nb"]]


def test_a_round_without_candidates_is_complete(database: Database) -> None:
    assert run_campaign(database, Recipe("verified", VerificationMaker(protocol="smoke"))) == 0
    [first] = get_campaign(database, "verified").rounds
    assert first.status == "completed"
    assert [(stage.entered, stage.passed) for stage in first.stages] == [(0, 0)]
