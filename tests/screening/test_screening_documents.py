"""The screening document: identity and consistency."""

import pytest
from pydantic import ValidationError

from invdesflow.screening.documents import ModelReference, ScreeningDocument, screening_identifier
from invdesflow.screening.gates import Thresholds, tc_gate

MODELS = {"tc": ModelReference(model_id="tc-baseline-1", digest="ab" * 32)}


def document(**changes):
    values = {
        "screening_id": screening_identifier("cnd-1", "rlx-1", MODELS, Thresholds(), 0.1),
        "candidate_id": "cnd-1",
        "relaxation_id": "rlx-1",
        "reduced_formula": "Nb3Sn",
        "models": MODELS,
        "thresholds": Thresholds(),
        "gates": [tc_gate(12.0, 5.0, 3.0)],
        "passed": True,
        "mu_star": 0.1,
        "tc_k": 12.0,
        "tc_std_k": 3.0,
    }
    return ScreeningDocument(**values | changes)


def test_round_trip():
    stored = document().to_mongo()
    again = ScreeningDocument.from_mongo(stored | {"_id": "x"})
    assert again == document(created_at=again.created_at, updated_at=again.updated_at)
    assert again.identifier == again.screening_id
    assert again.screening_id.startswith("scr-")


def test_identity_is_the_question_that_was_asked():
    reference = screening_identifier("cnd-1", "rlx-1", MODELS, Thresholds(), 0.1)
    renamed = {"tc": ModelReference(model_id="other name", digest="ab" * 32)}
    retrained = {"tc": ModelReference(model_id="tc-baseline-1", digest="cd" * 32)}
    assert screening_identifier("cnd-1", "rlx-1", renamed, Thresholds(), 0.1) == reference
    others = [
        screening_identifier("cnd-2", "rlx-1", MODELS, Thresholds(), 0.1),
        screening_identifier("cnd-1", "rlx-2", MODELS, Thresholds(), 0.1),
        screening_identifier("cnd-1", "rlx-1", retrained, Thresholds(), 0.1),
        screening_identifier("cnd-1", "rlx-1", MODELS, Thresholds(tc_k=7.0), 0.1),
        screening_identifier("cnd-1", "rlx-1", MODELS, Thresholds(), 0.13),
    ]
    assert len({reference, *others}) == 6


def test_a_decision_that_contradicts_its_gates_is_refused():
    with pytest.raises(ValidationError, match="does not follow"):
        document(passed=False)


def test_a_tc_without_uncertainty_is_refused():
    with pytest.raises(ValidationError, match="come together"):
        document(tc_std_k=None)
