"""Identifiers, time stamps and schemas of documents."""

import math
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from pydantic import ValidationError
from summaries import summary

from invdesflow.database.documents import content_hash, utc_now
from invdesflow.database.models import COLLECTION_MODELS, document_model
from invdesflow.database.schemas import write_schemas
from invdesflow.database.summary import SummaryDocument
from invdesflow.errors import ConfigurationError


def test_identifier_is_stable_across_versions():
    # SHA-256 of '{"fmax":0.02,"id":"c1"}', so that a change of the canonical form cannot go unnoticed.
    assert content_hash("rlx", {"id": "c1", "fmax": 0.02}) == "rlx-6a7ae77c75a200b8"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1.0, "b": 2}, {"b": 2, "a": 1.0}),
        ({"a": 0.1 + 0.2}, {"a": 0.3}),
        ({"a": -0.0}, {"a": 0.0}),
        ({"a": (1, 2)}, {"a": [1, 2]}),
        ({"a": np.array([1.5, 2.5])}, {"a": [1.5, 2.5]}),
        ({"a": np.float64(0.5), "b": np.int64(3)}, {"a": 0.5, "b": 3}),
    ],
)
def test_same_question_same_identifier(one, other):
    assert content_hash("x", one) == content_hash("x", other)


@pytest.mark.parametrize(
    ("one", "other"),
    [({"a": 1.0}, {"a": 1.000001}), ({"a": "1"}, {"a": 1}), ({"a": None}, {}), ({"a": [1, 2]}, {"a": [2, 1]})],
)
def test_other_question_other_identifier(one, other):
    assert content_hash("x", one) != content_hash("x", other)
    assert content_hash("x", one) != content_hash("y", one)


@pytest.mark.parametrize("number", [math.nan, math.inf, np.float64("nan")])
def test_no_identifier_of_what_is_no_number(number):
    with pytest.raises(ValueError, match="not finite"):
        content_hash("x", {"a": number})
    with pytest.raises(TypeError, match="object"):
        content_hash("x", {"a": object()})


def test_time_survives_the_database(database):
    moment = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=timezone(timedelta(hours=2)))
    database.summary.insert_new([summary("c1", created_at=moment)])
    assert database.summary.get("c1").created_at == moment
    assert utc_now().microsecond % 1000 == 0
    assert summary("c2", created_at=datetime(2026, 1, 2)).created_at == datetime(2026, 1, 2, tzinfo=UTC)


def test_any_text_may_be_a_key_inside_a_document(database):
    from invdesflow.database.campaign import CampaignDocument, RoundRecord
    from invdesflow.database.stages import StageRecord

    rejected = {"distance below 0.7 x radii": 2, "$gate": 1, "a.b.c": 3}
    stage = StageRecord(stage="relax", entered=9, passed=3, rejected=rejected, seconds=1.0)
    document = CampaignDocument(
        campaign_id="c1", name="n", maker="m", rounds=[RoundRecord(number=0, maker={}, stages=[stage])]
    )
    campaigns = database.collection(CampaignDocument)
    for _ in range(2):  # an insert and an update
        campaigns.upsert([document])
        assert campaigns.get("c1").rounds[0].stages[0].rejected == rejected


def test_unknown_field():
    with pytest.raises(ValidationError, match="colour"):
        summary("c1", colour="red")


def test_written_with_the_current_version(monkeypatch):
    monkeypatch.setattr(SummaryDocument, "current_schema_version", 4)
    assert summary("c1").to_mongo()["schema_version"] == 4


def test_schemas_are_checked(tmp_path):
    schemas = {name: document_model(name).model_json_schema() for name in COLLECTION_MODELS}
    write_schemas(schemas, tmp_path, check=False)
    write_schemas(schemas, tmp_path, check=True)
    (tmp_path / "summary.json").write_text("{}\n")
    (tmp_path / "campaigns.json").unlink()
    with pytest.raises(ConfigurationError, match=r"campaigns\.json, .*summary\.json") as caught:
        write_schemas(schemas, tmp_path, check=True)
    assert "candidates.json" not in str(caught.value)
