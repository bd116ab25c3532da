import subprocess
import sys
from pathlib import Path

import pytest
from documents import POTENTIAL, caesium_chloride, candidate, references, relaxation, rock_salt, screening

from invdesflow.campaigns.builders import SummaryBuilder
from invdesflow.generation.documents import CandidateDocument, Rejection
from invdesflow.relaxation.documents import RelaxationDocument, Subject
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
        assert (summary.tc_model, summary.tc_k) == (model, tc_k)


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
