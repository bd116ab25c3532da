import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from documents import POTENTIAL, caesium_chloride, candidate, references, relaxation, rock_salt, screening

from invdesflow.campaigns.builders import SummaryBuilder
from invdesflow.campaigns.exporting import best_structure
from invdesflow.campaigns.subjects import find_subject
from invdesflow.campaigns.verify_candidates import relaxed_structure
from invdesflow.database.documents import utc_now
from invdesflow.generation.documents import CandidateDocument, Rejection
from invdesflow.relaxation.documents import RelaxationDocument, Subject
from invdesflow.relaxation.relaxation import RelaxationSettings
from invdesflow.screening.documents import ScreeningDocument
from invdesflow.screening.phonon_documents import PhononDocument
from invdesflow.screening.phonons import PhononSettings, failed_phonons


@pytest.fixture
def magnesium_boride(database):
    """Store MgB at -4.2 eV/atom: -0.2 eV/atom below the elements' mean of -4.0."""
    document = candidate(rock_salt("Mg", "B"))
    database.collection(CandidateDocument).upsert([document])
    database.collection(RelaxationDocument).upsert(
        [
            *references(),
            relaxation(Subject(kind="candidate", id=document.candidate_id), document.structure, -4.2),
        ]
    )
    return document


def build(database):
    builder = SummaryBuilder()
    builder.run_here(database)
    assert builder.failures == []
    return builder.written


def test_energies_are_those_worked_out_on_paper(database, magnesium_boride):
    assert build(database) == 1
    summary = database.summary.get(magnesium_boride.candidate_id)
    assert summary.formation_energy_ev_per_atom == pytest.approx(-0.2)
    assert summary.e_above_hull_ev_per_atom == 0
    assert summary.hull_complete is False  # nothing else is known in B-Mg
    assert (summary.stage, summary.rejected) == ("relaxed", False)


def test_building_twice_is_building_once(database, magnesium_boride):
    build(database)
    before = database.raw["summary"].find_one()
    assert build(database) == 0
    assert database.raw["summary"].find_one() == before


def test_a_new_competitor_moves_the_hull_of_the_others(database, magnesium_boride):
    build(database)
    rival = candidate(caesium_chloride("Mg", "B"))
    database.collection(CandidateDocument).upsert([rival])
    database.collection(RelaxationDocument).upsert(
        [relaxation(Subject(kind="candidate", id=rival.candidate_id), rival.structure, -4.5)]
    )
    assert build(database) == 2
    summary = database.summary.get(magnesium_boride.candidate_id)
    assert summary.e_above_hull_ev_per_atom == pytest.approx(0.3)
    assert summary.hull_complete is True
    assert database.summary.get(rival.candidate_id).e_above_hull_ev_per_atom == 0


def test_what_happens_in_another_system_rebuilds_nothing(database, magnesium_boride):
    build(database)
    other = candidate(rock_salt("Na", "B"))
    database.collection(CandidateDocument).upsert([other])
    database.collection(RelaxationDocument).upsert(
        [relaxation(Subject(kind="candidate", id=other.candidate_id), other.structure, -4.0)]
    )
    assert build(database) == 1
    assert database.summary.get(other.candidate_id).e_above_hull_ev_per_atom is None  # sodium has no reference


def test_rejections_keep_gate_and_reason(database):
    refused = candidate(rock_salt("Mg", "B", a=2.0)).model_copy(
        update={"status": "rejected", "rejections": [Rejection(gate="contact", reason="too close")], "novelty": None}
    )
    stuck = candidate(caesium_chloride("Mg", "B"))
    database.collection(CandidateDocument).upsert([refused, stuck])
    database.collection(RelaxationDocument).upsert(
        [relaxation(Subject(kind="candidate", id=stuck.candidate_id), stuck.structure, -4.0, converged=False)]
    )
    build(database)
    summary = database.summary.get(refused.candidate_id)
    assert (summary.rejected, summary.rejection_gate, summary.rejection_reason) == (True, "contact", "too close")
    summary = database.summary.get(stuck.candidate_id)
    assert (summary.rejection_gate, summary.rejection_reason) == ("relaxation", "not converged after 300 steps")
    assert summary.energy_ev_per_atom is None


def test_phonons_of_the_chosen_relaxation_are_told(database, magnesium_boride):
    [relaxed] = database.collection(RelaxationDocument).find({"subject.id": magnesium_boride.candidate_id})

    def store(relaxation_id, settings):
        document = PhononDocument.from_result(
            relaxed.final_structure,
            failed_phonons("not at rest"),
            POTENTIAL,
            settings,
            candidate_id=magnesium_boride.candidate_id,
            relaxation_id=relaxation_id,
        )
        database.collection(PhononDocument).upsert([document])

    store("rlx-another", PhononSettings())
    build(database)
    assert database.summary.get(magnesium_boride.candidate_id).dynamical_stability is None
    store(relaxed.relaxation_id, PhononSettings(min_length=8.0))
    assert build(database) == 1
    assert database.summary.get(magnesium_boride.candidate_id).dynamical_stability == "failed"
    assert build(database) == 0


def test_the_model_that_was_asked_last_speaks(database, magnesium_boride):
    [relaxed] = database.collection(RelaxationDocument).find({"subject.id": magnesium_boride.candidate_id})
    for model, tc_k in (("tc-old", 3.0), ("tc-new", 5.0), ("tc-old", 3.0)):  # a promotion and its rollback
        database.collection(ScreeningDocument).upsert([screening(relaxed, model, tc_k)])
        assert build(database) == 1
        summary = database.summary.get(magnesium_boride.candidate_id)
        assert (summary.tc_model, summary.tc_k, summary.tc_mu_star) == (model, tc_k, 0.1)


def test_what_is_relaxed_elsewhere_does_not_speak_at_no_pressure(database, magnesium_boride):
    subject = Subject(kind="candidate", id=magnesium_boride.candidate_id)
    [usual] = database.collection(RelaxationDocument).find({"subject.id": subject.id})
    squeezed = relaxation(subject, rock_salt("Mg", "B", 4.0), -3.0, settings=RelaxationSettings(pressure_gpa=100.0))
    other = POTENTIAL.model_copy(update={"kind": "SevenNet", "model": "7net-0", "digest": "1" * 64})
    elsewhere = relaxation(subject, rock_salt("Mg", "B", 4.6), -9.0, potential=other)
    failed = relaxation(subject, rock_salt("Mg", "B", 5.0), -9.0, converged=False)
    for later in (squeezed, elsewhere, failed):
        database.collection(RelaxationDocument).upsert([later])
    build(database)
    summary = database.summary.get(subject.id)
    assert (summary.relaxation_id, summary.pressure_gpa) == (usual.relaxation_id, 0.0)
    assert summary.e_above_hull_ev_per_atom == 0
    assert best_structure(database, subject.id) == usual.final_structure
    assert relaxed_structure(database, subject.id) == usual.final_structure
    assert relaxed_structure(database, subject.id, 60.0) == squeezed.final_structure
    assert find_subject(database, subject.id, 100.0).structure == squeezed.final_structure
    assert [row.candidate_id for row in database.candidates(pressure=0.0)] == [subject.id]
    assert list(database.candidates(pressure=100.0)) == []


def test_a_change_of_any_member_of_a_group_counts_whatever_its_clock_says(database, magnesium_boride):
    relaxations = database.collection(RelaxationDocument)
    ahead = utc_now() + timedelta(days=1)  # another machine's clock
    database.raw["relaxations"].update_one({"subject.id": "B A"}, {"$set": {"updated_at": ahead}})
    database.raw["relaxations"].update_one({"chemical_system": "B-Mg"}, {"$set": {"updated_at": ahead}})
    build(database)
    [own] = relaxations.find({"subject.id": magnesium_boride.candidate_id})
    behind = {"enthalpy_ev": -4.0 * own.nsites, "updated_at": ahead - timedelta(hours=1)}
    database.raw["relaxations"].update_one({"relaxation_id": own.relaxation_id}, {"$set": behind})
    other = relaxation(own.subject, own.initial_structure, -4.1, settings=RelaxationSettings(fmax=0.001))
    relaxations.upsert([other])
    database.raw["relaxations"].update_one({"relaxation_id": other.relaxation_id}, {"$set": {"updated_at": ahead}})
    assert build(database) == 1
    database.raw["relaxations"].update_one({"relaxation_id": own.relaxation_id}, {"$set": {"updated_at": utc_now()}})
    assert build(database) == 1
    assert build(database) == 0


def test_runs_under_mrun(database, magnesium_boride, tmp_path):
    script = tmp_path / "summary.py"
    script.write_text("from invdesflow.campaigns.builders import SummaryBuilder\n__builder__ = SummaryBuilder()\n")
    mrun = Path(sys.executable).parent / "mrun"
    result = subprocess.run(
        [mrun, "-n", "2", "--no_bars", script.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert database.summary.get(magnesium_boride.candidate_id).formation_energy_ev_per_atom == pytest.approx(-0.2)
    assert build(database) == 0
