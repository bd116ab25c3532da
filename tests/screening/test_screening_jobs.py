"""From models and energies to a decision with its reasons."""

import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.relaxation.hull import HullCoverage, Stability
from invdesflow.screening.gates import Thresholds
from invdesflow.screening.jobs import ScreeningSubject, screen
from invdesflow.screening.tc_baseline import TcBaseline


@pytest.fixture(scope="module")
def model():
    return TcBaseline.load()


def stability(formation: float | None, above: float | None, reason: str = "") -> Stability:
    return Stability(
        formation_energy_ev_per_atom=formation,
        e_above_hull_ev_per_atom=above,
        e_above_others_ev_per_atom=None,
        decomposition={},
        coverage=HullCoverage(present=["C", "Nb"], missing=["C-Nb"]),
        reason=reason,
    )


def niobium_carbide() -> Structure:
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.47), ["Nb", "C"], [[0, 0, 0], [0.5] * 3])


def decide(model, structure=None, energies=None, **thresholds):
    subject = ScreeningSubject("cand-1", "rlx-1", structure or niobium_carbide(), energies)
    [document] = screen([subject], model, Thresholds(**thresholds), 0.10)
    return document


def failed(document):
    return {result.gate: result.reason for result in document.gates if result.rejecting and not result.passed}


def test_a_good_candidate_passes_with_its_numbers(model):
    document = decide(model, energies=stability(-0.5, 0.01), tc_k=1.0)
    assert document.passed
    assert failed(document) == {}
    assert document.tc_k > 1.0
    assert document.tc_std_k > 0
    assert document.models["tc"].digest == model.digest
    assert document.hull_systems_missing == ["C-Nb"]


def test_every_gate_that_fails_says_why(model):
    document = decide(model, energies=stability(0.1, 0.3), tc_k=200.0)
    assert not document.passed
    assert set(failed(document)) == {"formation_energy", "e_above_hull", "tc"}
    assert all(failed(document).values())


def test_without_energies_the_energy_gates_fail_with_the_reason(model):
    reasons = failed(decide(model, energies=stability(None, None, "no elemental reference of Nb"), tc_k=1.0))
    assert reasons["formation_energy"] == "no elemental reference of Nb"
    assert failed(decide(model, tc_k=1.0))["e_above_hull"] == "not relaxed"


def test_a_gate_without_a_threshold_is_not_asked(model):
    document = decide(model, formation_energy_ev_per_atom=None, e_above_hull_ev_per_atom=None, tc_k=1.0)
    assert document.passed
    assert [result.gate for result in document.gates] == ["tc", "training_domain"]


def test_an_element_the_model_never_saw_gives_no_number(model):
    polonium = Structure(Lattice.cubic(3.36), ["Po"], [[0, 0, 0]])
    document = decide(model, structure=polonium, energies=stability(-0.5, 0.0), tc_k=1.0)
    assert document.tc_k is None
    assert "Po" in failed(document)["tc"]


def test_the_same_question_is_the_same_document(model):
    first, second = (decide(model, energies=stability(-0.5, 0.0), tc_k=1.0) for _ in range(2))
    assert first.screening_id == second.screening_id
    assert decide(model, energies=stability(-0.5, 0.0), tc_k=2.0).screening_id != first.screening_id
