"""From screened candidates to a batch and its answers, in a real database."""

from math import sqrt

import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.errors import LearningError
from invdesflow.generation.documents import CandidateDocument
from invdesflow.learning.acquisition import AcquisitionSettings
from invdesflow.learning.candidate_pool import collect_pool, potential_verdicts
from invdesflow.learning.jobs import AcquireMaker
from invdesflow.learning.labelled_pool import LabelledPoolMaker
from invdesflow.learning.round_documents import LearningRoundDocument, ModelChange, Outcome
from invdesflow.learning.rounds import finish_learning_round, note_outcomes, stored_round
from invdesflow.relaxation.potentials import Potential
from invdesflow.screening.documents import ScreeningDocument, screening_identifier
from invdesflow.screening.gates import Thresholds
from invdesflow.screening.phonon_documents import PhononDocument
from invdesflow.screening.phonons import PhononSettings, failed_phonons
from invdesflow.superconductors.documents import SuperconductorDocument
from invdesflow.testing.labelled_set import write_labelled_set


@pytest.fixture
def labelled(tmp_path):
    path = tmp_path / "made.jsonl.gz"
    labels = write_labelled_set(path, metals=("Ti", "Nb", "Mo", "Y"))
    return LabelledPoolMaker(path=str(path)), labels


def screen_by_hand(database, labels, *, mu_star=0.1, passed=lambda formula: True, members=lambda formula: None):
    """Predict twice the label, with the same uncertainty for all."""
    documents = []
    for candidate in database.collection(CandidateDocument).find({}):
        tc_k = 2 * labels[candidate.reduced_formula]
        gate = {"gate": "tc", "value": tc_k, "unit": "K", "threshold": 0.0, "passed": True}
        if not passed(candidate.reduced_formula):
            gate |= {"passed": False, "reason": "too low"}
        thresholds = Thresholds()
        documents.append(
            ScreeningDocument(
                screening_id=screening_identifier(candidate.candidate_id, None, {}, thresholds, mu_star),
                candidate_id=candidate.candidate_id,
                relaxation_id=None,
                reduced_formula=candidate.reduced_formula,
                models={},
                thresholds=thresholds,
                gates=[gate],
                passed=gate["passed"],
                mu_star=mu_star,
                tc_k=tc_k,
                tc_std_k=1.0,
                tc_members_k=members(candidate.reduced_formula),
                superconductor_probability=0.5,
                core_hours=10.0,
                provenance={"campaign": "loop", "campaign_round": 0},
            )
        )
    database.collection(ScreeningDocument).upsert(documents)
    return {document.candidate_id: document for document in documents if document.passed}


def acquire(passed_ids, number=0, mu_star=0.1, **settings):
    maker = AcquireMaker(settings=AcquisitionSettings(**{"batch": 3} | settings))
    return AcquireMaker.make.original(
        maker,
        list(passed_ids),
        oracle="labelled set",
        free=True,
        mu_star=mu_star,
        campaign="loop",
        campaign_round=number,
    )


def propose(maker, number=0):
    return LabelledPoolMaker.propose.original(maker, "loop", number)


def reveal(maker, chosen_ids, number=0):
    return LabelledPoolMaker.reveal.original(maker, chosen_ids, "loop", number)


def test_crystals_of_a_labelled_set_become_candidates_without_their_labels(database, labelled):
    maker, labels = labelled
    output = propose(maker)
    assert len(output.candidate_ids) == len(labels) == 16
    assert database.collection(SuperconductorDocument).count() == 0
    again = propose(maker, 1)
    assert again.candidate_ids == output.candidate_ids
    assert again.record.reused == 16
    assert database.collection(CandidateDocument).count() == 16


def test_a_set_without_labels_is_an_error(database, tmp_path):
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    with pytest.raises(LearningError, match=r"holds no crystal with a Tc"):
        propose(LabelledPoolMaker(path=str(empty)))


def test_the_pool_says_what_the_models_said(database, labelled):
    maker, labels = labelled
    propose(maker)
    passed = screen_by_hand(database, labels)
    found = collect_pool(database, passed, 0.1, mu_star=0.1)
    assert found.pool.features.shape[0] == 16
    assert found.pool.features.shape[1] > 50
    for row, name in enumerate(found.pool.names):
        assert found.pool.tc_mean_k[row] == pytest.approx(2 * labels[found.formulas[row]])
        assert passed[name].reduced_formula == found.formulas[row]
        assert found.kinds[row].prototype == "AB Fm-3m"
    assert set(found.pool.p_stable) == {0.5}
    assert set(found.pool.cost_core_hours) == {10.0}
    assert collect_pool(database, [], 0.1, mu_star=0.1).pool is None


def test_what_has_no_prediction_is_counted_and_left_out(database, labelled):
    maker, labels = labelled
    propose(maker)
    passed = screen_by_hand(database, labels)
    first = min(passed)
    database.collection(ScreeningDocument).upsert(
        [passed[first].model_copy(update={"superconductor_probability": None})]
    )
    found = collect_pool(database, passed, 0.1, mu_star=0.1)
    assert first not in found.pool.names
    assert found.left_out == {"no prediction": 1}


def test_a_round_is_chosen_once_answered_and_closed(database, labelled):
    maker, labels = labelled
    propose(maker)
    passed = screen_by_hand(database, labels)
    output = acquire(passed, strategy="expected_improvement")
    best = sorted(passed, key=lambda name: -labels[passed[name].reduced_formula])[:3]
    assert output.chosen_ids == best
    assert acquire(passed, strategy="random").chosen_ids == best, "a round that was chosen stays as it is"
    with pytest.raises(LearningError, match="without an outcome"):
        finish_learning_round(database, "loop", 0, [])
    record = reveal(maker, output.chosen_ids)
    assert (record.entered, record.passed) == (3, 3)
    known = {row.reduced_formula for row in database.collection(SuperconductorDocument).find({})}
    assert known == {passed[name].reduced_formula for name in best}
    finish_learning_round(database, "loop", 0, [ModelChange(kind="tc", before="a", after="a", remark="nothing new")])
    stored = stored_round(database, "loop", 0)
    assert stored.status == "completed"
    for row in stored.chosen:
        assert row.outcome.tc_k == pytest.approx(labels[row.reduced_formula], rel=1e-9)
    assert stored.best_tc_k == pytest.approx(max(labels.values()))


def test_a_committee_asks_where_its_members_differ_most(database, labelled):
    maker, labels = labelled
    propose(maker)
    apart = {"NbN": [2.0, 12.0], "TiC": [1.0, 6.0], "NbP": [3.0, 3.1], "YP": None}
    passed = screen_by_hand(database, labels, members=lambda formula: apart.get(formula, [4.0, 4.0]))
    output = acquire(passed, strategy="committee")
    assert [passed[name].reduced_formula for name in output.chosen_ids] == ["NbN", "TiC", "NbP"]
    spread = stored_round(database, "loop", 0).chosen[0].terms["utility"]
    assert spread == pytest.approx(10 / sqrt(2)), "standard deviation (K) of two numbers that are 10 K apart"
    assert output.record.rejected == {"judged by fewer members": 1}


def test_without_members_there_is_no_committee(database, labelled):
    maker, labels = labelled
    propose(maker)
    passed = screen_by_hand(database, labels)
    with pytest.raises(LearningError, match="at least two members"):
        acquire(passed, strategy="committee")


def test_the_next_round_takes_what_is_left(database, labelled):
    maker, labels = labelled
    propose(maker)
    passed = screen_by_hand(database, labels)
    first = acquire(passed)
    reveal(maker, first.chosen_ids)
    second = acquire(passed, 1)
    assert not set(first.chosen_ids) & set(second.chosen_ids)
    assert stored_round(database, "loop", 1).best_tc_before_k == stored_round(database, "loop", 0).best_tc_k > 0
    assert stored_round(database, "loop", 1).pool == 13


def test_only_what_was_predicted_and_found_at_the_same_mu_star_is_compared(database, labelled):
    maker, labels = labelled
    propose(maker)
    screen_by_hand(database, labels)
    screened = screen_by_hand(database, labels, mu_star=0.13, passed=lambda formula: formula in ("NbN", "TiC", "YP"))
    first = acquire(screened, mu_star=0.13)
    assert {screened[name].reduced_formula for name in first.chosen_ids} == {"NbN", "TiC", "YP"}
    found = [Outcome(status="completed", tc_k=tc_k, mu_star=mu) for tc_k, mu in ((9.0, 0.1), (4.0, 0.13), (5.0, 0.13))]
    note_outcomes(database, "loop", 0, dict(zip(first.chosen_ids, found, strict=True)))
    assert stored_round(database, "loop", 0).best_tc_k == 5.0
    acquire([], 1, mu_star=0.13)
    acquire([], 2)
    assert [stored_round(database, "loop", number).best_tc_before_k for number in (1, 2)] == [5.0, 9.0]
    assert [stored_round(database, "loop", number).pool for number in (1, 2)] == [0, 13]


def test_the_verdict_on_another_relaxation_is_none_on_this_one(database):
    structure = Structure(Lattice.cubic(3.0), ["Nb"], [[0.0] * 3])
    potential = Potential(kind="CHGNet", model="0.3.0", digest="0" * 64, elements=("Nb",))
    for relaxation_id, settings in (("rlx-0", PhononSettings()), ("rlx-100", PhononSettings(min_length=8.0))):
        names = {"candidate_id": "cand-1", "relaxation_id": relaxation_id}
        document = PhononDocument.from_result(structure, failed_phonons(relaxation_id), potential, settings, **names)
        database.collection(PhononDocument).upsert([document])
    for relaxation_id, verdicts in (("rlx-0", 1), ("rlx-100", 1), ("rlx-50", 0), (None, 0)):
        assert len(list(potential_verdicts(database, {"cand-1": relaxation_id}))) == verdicts


def test_what_was_rejected_is_not_chosen_and_an_empty_pool_is_an_empty_batch(database, labelled):
    maker, labels = labelled
    propose(maker)
    passed = screen_by_hand(database, labels, passed=lambda formula: formula == "NbN")
    assert [passed[name].reduced_formula for name in acquire(passed).chosen_ids] == ["NbN"]
    assert acquire(passed, 1).chosen_ids == []
    finish_learning_round(database, "loop", 1, [])
    assert database.collection(LearningRoundDocument).count() == 2


def test_what_a_later_screening_rejects_is_not_chosen(database, labelled):
    maker, labels = labelled
    propose(maker)
    passed = screen_by_hand(database, labels)
    screen_by_hand(database, labels, passed=lambda formula: formula == "NbN")
    output = acquire(passed)
    assert [passed[name].reduced_formula for name in output.chosen_ids] == ["NbN"]
    assert output.record.rejected == {"rejected since": 15}


def test_a_set_that_changed_between_rounds_is_an_error(database, labelled, tmp_path):
    maker, labels = labelled
    propose(maker)
    chosen = acquire(screen_by_hand(database, labels), strategy="expected_improvement").chosen_ids
    write_labelled_set(tmp_path / "made.jsonl.gz", metals=("Y",), anions=("P",))
    with pytest.raises(LearningError, match=r"no longer holds 3 of the crystals"):
        reveal(maker, chosen)
    assert database.collection(SuperconductorDocument).count() == 0


def test_an_outcome_has_a_tc_or_a_reason(database, labelled):
    maker, labels = labelled
    propose(maker)
    chosen = acquire(screen_by_hand(database, labels)).chosen_ids
    failed = Outcome(status="dynamically_unstable", reason="imaginary at X", core_hours=2.0)
    note_outcomes(database, "loop", 0, dict.fromkeys(chosen, failed))
    assert stored_round(database, "loop", 0).core_hours == 6.0
    assert stored_round(database, "loop", 0).best_tc_k == 0.0
    with pytest.raises(ValueError, match="either a Tc or a reason"):
        Outcome(status="completed")


def test_another_campaign_that_screens_the_same_crystals_takes_nothing_out_of_the_pool(database, labelled):
    """The screenings of the same question then name the other campaign; those at other thresholds are not ours."""
    maker, labels = labelled
    propose(maker)
    passed = screen_by_hand(database, labels)
    assert len(acquire(passed, batch=3).chosen_ids) == 3
    database.raw["screenings"].update_many({}, {"$set": {"provenance.campaign": "another"}})
    left = sorted(passed)[5]
    database.raw["screenings"].update_one({"candidate_id": left}, {"$set": {"provenance.campaign": "loop"}})
    assert acquire([], number=1, batch=20).record.entered == len(passed) - 3
    database.raw["screenings"].update_many(
        {"candidate_id": {"$ne": left}}, {"$set": {"thresholds.tc_k": 0.5, "provenance.campaign": "another"}}
    )
    assert acquire([], number=2, batch=20).record.entered <= 1
