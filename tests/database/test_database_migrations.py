"""Registered migrations, step by step, once."""

import pytest
from summaries import summary

from invdesflow.database import migrations
from invdesflow.database.migrations import migrate, migrate_document, migration
from invdesflow.database.summary import SummaryDocument
from invdesflow.errors import DatabaseError


@pytest.fixture
def steps(monkeypatch):
    """Register two migrations of `summary` and make version 3 the current one."""
    monkeypatch.setattr(migrations, "_MIGRATIONS", {})
    monkeypatch.setattr(SummaryDocument, "current_schema_version", 3)
    calls = []

    @migration("summary", 1)
    def rename(data):
        calls.append((1, data["candidate_id"]))
        data = dict(data)
        return data | {"tc_k": data.pop("tc")}

    @migration("summary", 2)
    def to_kelvin(data):
        calls.append((2, data["candidate_id"]))
        return data | {"tc_k": data["tc_k"] / 1000}

    return calls


def old(identifier: str, version: int, **fields: object) -> dict[str, object]:
    data = summary(identifier).to_mongo() | {"schema_version": version} | fields
    if version == 1:
        del data["tc_k"]
    return data


def test_documents_become_current_once(database, steps):
    rows = [old("c1", 1, tc=39000.0), old("c2", 2, tc_k=11000.0), old("c3", 3, tc_k=5.0)]
    database.raw["summary"].insert_many(rows)
    assert migrate(database) == {"summary": 2}
    assert {row.candidate_id: row.tc_k for row in database.summary.find()} == {"c1": 39.0, "c2": 11.0, "c3": 5.0}
    assert {row["schema_version"] for row in database.raw["summary"].find()} == {3}
    assert sorted(steps) == [(1, "c1"), (2, "c1"), (2, "c2")]
    assert migrate(database) == {}
    assert len(steps) == 3


def test_document_without_version_is_the_first(database, steps):
    data = old("c1", 1, tc=1000.0)
    del data["schema_version"]
    database.raw["summary"].insert_one(data)
    assert migrate(database) == {"summary": 1}
    assert database.summary.get("c1").tc_k == 1.0


def test_missing_step(database, steps, monkeypatch):
    monkeypatch.setattr(SummaryDocument, "current_schema_version", 4)
    database.raw["summary"].insert_one(old("c1", 3))
    with pytest.raises(DatabaseError, match="No migration of summary from schema version 3"):
        migrate(database)
    assert database.raw["summary"].find_one({})["schema_version"] == 3


def test_newer_version(database, steps):
    database.raw["summary"].insert_one(old("c1", 9))
    with pytest.raises(DatabaseError, match="schema version 9; this InvDesFlow knows up to 3"):
        migrate(database)


@pytest.mark.parametrize("version", ["two", None, 1.5])
def test_version_that_is_no_number(steps, version):
    with pytest.raises(DatabaseError, match="no number"):
        migrate_document("summary", {"schema_version": version}, 3)


def test_result_that_does_not_fit_is_not_stored(database, steps):
    database.raw["summary"].insert_one(old("c1", 2, tc_k=1000.0, colour="red"))
    with pytest.raises(DatabaseError, match="'c1' of summary would not fit its model after migration: colour"):
        migrate(database)
    assert database.raw["summary"].find_one({})["schema_version"] == 2


def test_what_cannot_be_migrated_does_not_keep_the_others_from_it(database, steps):
    rows = [old("c1", 2, tc_k=1000.0, colour="red"), old("c2", 9), old("c3", 2, tc_k=11000.0)]
    database.raw["summary"].insert_many(rows)
    with pytest.raises(DatabaseError, match=r"^2 documents were not migrated, the others were\. The first: .*'c1'"):
        migrate(database)
    versions = {row["candidate_id"]: row["schema_version"] for row in database.raw["summary"].find()}
    assert versions == {"c1": 2, "c2": 9, "c3": 3}
    assert database.summary.get("c3").tc_k == 11.0


def test_the_same_step_twice(steps):
    with pytest.raises(ValueError, match="registered twice"):
        migration("summary", 1)(dict)


def test_current_documents_need_no_step(steps):
    data = {"schema_version": 3, "x": 1}
    assert migrate_document("summary", data, 3) == data
