"""From models and energies to a decision with its reasons."""

from dataclasses import replace

from pymatgen.core import Lattice, Structure

from invdesflow.relaxation.hull import HullCoverage, Stability
from invdesflow.screening.assessment import Assessment
from invdesflow.screening.cost import CostPrediction
from invdesflow.screening.documents import ModelReference
from invdesflow.screening.gates import Thresholds
from invdesflow.screening.jobs import ScreeningSubject, screen
from invdesflow.screening.predictions import ClassPrediction, FormationEnergyPrediction, TcPrediction

MODELS = {"tc": ModelReference(model_id="tc-1", digest="d")}
SURE = Assessment(
    ClassPrediction(0.9, 0.05),
    FormationEnergyPrediction(-0.4, 0.03),
    TcPrediction(9.0, 2.0, 0.8, 15.0, 0.5, in_domain=True, members_k=(8.0, 10.0)),
    CostPrediction(120.0, 2.0, 1.0, {}, None),
)


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


def decide(assessment=SURE, energies=None, models=MODELS, **thresholds):
    subject = ScreeningSubject("cand-1", "rlx-1", niobium_carbide(), energies)
    [document] = screen([subject], [assessment], models, Thresholds(**thresholds), 0.10)
    return document


def failed(document):
    return {result.gate: result.reason for result in document.gates if result.rejecting and not result.passed}


def test_a_good_candidate_passes_with_its_numbers():
    document = decide(energies=stability(-0.5, 0.01))
    assert document.passed
    assert failed(document) == {}
    assert (document.tc_k, document.tc_std_k, document.tc_members_k) == (9.0, 2.0, [8.0, 10.0])
    assert (document.superconductor_probability, document.superconductor_probability_std) == (0.9, 0.05)
    assert document.predicted_formation_energy_ev_per_atom == -0.4
    assert document.formation_energy_ev_per_atom == -0.5
    assert (document.core_hours, document.core_hours_factor) == (120.0, 2.0)
    assert document.hull_systems_missing == ["C-Nb"]
    assert [gate.uncertainty for gate in document.gates] == [0.05, 0.03, None, 2.0, None]


def test_every_gate_that_fails_says_why():
    weak = replace(
        SURE,
        superconductor=ClassPrediction(0.1, 0.1),
        formation_energy=FormationEnergyPrediction(0.1, 0.03),
        tc=replace(SURE.tc, tc_k=1.0),
    )
    document = decide(weak, stability(0.1, 0.3))
    assert not document.passed
    assert failed(document) == {
        "classifier": "classifier of 0.10 is below 0.2",
        "formation_energy": "formation_energy of 0.100 eV/atom is above 0",
        "e_above_hull": "e_above_hull of 0.300 eV/atom is above 0.2",
        "tc": "tc of 1.00 K is below 5",
    }


def test_without_a_hull_its_gate_fails_with_the_reason():
    unknown = stability(None, None, "no elemental reference of Nb")
    assert failed(decide(energies=unknown)) == {"e_above_hull": "no elemental reference of Nb"}
    assert failed(decide()) == {"e_above_hull": "not relaxed"}


def test_a_gate_without_a_threshold_is_not_asked():
    document = decide(
        superconductor_probability=None, formation_energy_ev_per_atom=None, e_above_hull_ev_per_atom=None, tc_k=1.0
    )
    assert document.passed
    assert [result.gate for result in document.gates] == ["tc", "training_domain"]


def test_a_model_without_an_answer_rejects_with_its_reason():
    tc = TcPrediction.refused("the model has not seen Po")
    document = decide(replace(SURE, tc=tc), stability(-0.5, 0.0))
    assert document.tc_k is None
    assert failed(document) == {"tc": "the model has not seen Po"}


def test_the_same_question_is_the_same_document():
    first, second = (decide(energies=stability(-0.5, 0.0)) for _ in range(2))
    assert first.screening_id == second.screening_id
    assert decide(energies=stability(-0.5, 0.0), tc_k=2.0).screening_id != first.screening_id
    other = {"tc": ModelReference(model_id="tc-1", digest="other")}
    assert decide(energies=stability(-0.5, 0.0), models=other).screening_id != first.screening_id
