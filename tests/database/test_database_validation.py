"""Every stored document is held against its model."""

from summaries import summary

from invdesflow.database.models import COLLECTION_MODELS
from invdesflow.database.validation import InvalidDocument, count_documents, find_invalid_documents


def test_broken_documents_are_found(database):
    database.summary.upsert([summary("good"), summary("better", tc_k=1.0)])
    good = summary("x").to_mongo()
    database.raw["summary"].insert_many(
        [
            good | {"candidate_id": "wrong", "nsites": "three"},
            good | {"candidate_id": "extra", "colour": "red"},
            {"candidate_id": "short", "schema_version": 1},
            good | {"candidate_id": "new", "schema_version": 7},
            {"schema_version": 1},
        ]
    )
    found = {row.identifier: row for row in find_invalid_documents(database, "summary")}
    assert set(found) == {"wrong", "extra", "short", "new", "None"}
    assert found["extra"] == InvalidDocument("summary", "extra", "colour: is not a known key")
    assert found["wrong"].reason.startswith("nsites: ")
    assert found["new"].reason == "schema version 7, not 1"
    assert not any("\n" in row.reason for row in found.values())


def test_counts(database):
    database.summary.upsert([summary("c1"), summary("c2")])
    assert count_documents(database) == dict.fromkeys(COLLECTION_MODELS, 0) | {"summary": 2}


def test_empty_collections_are_valid(database):
    assert not any(list(find_invalid_documents(database, name)) for name in COLLECTION_MODELS)
