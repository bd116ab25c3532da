"""The typed collection against a real server."""

import multiprocessing
import threading
import time

import pytest
from pymongo.errors import BulkWriteError
from summaries import summary

from invdesflow.database import Database
from invdesflow.database.collection import UpsertCounts, write_behind
from invdesflow.errors import DatabaseError


def upsert_many(count: int, writer: int) -> None:
    """Write the same keys as every other writer; runs in a process of its own."""
    with Database() as database:
        for _ in range(3):
            database.summary.upsert(summary(f"c{number}", tc_k=float(writer)) for number in range(count))


def test_round_trip(database):
    written = summary("c1", tc_k=39.0)
    assert database.summary.upsert([written]) == UpsertCounts(inserted=1, updated=0)
    read = database.summary.get("c1")
    assert read is not None
    assert read.model_dump(exclude={"updated_at"}) == written.model_dump(exclude={"updated_at"})
    assert read.created_at.tzinfo is not None
    assert database.summary.get("c2") is None


def test_a_key_is_found_by_its_first_characters_but_not_by_none(database):
    database.summary.upsert([summary("c1")])
    assert [database.summary.unique_key(beginning) for beginning in ("c1", "c", "d", "")] == ["c1", "c1", None, None]


def test_upsert_replaces_all_but_created_at(database):
    first = summary("c1", tc_k=39.0, tc_model="m")
    database.summary.upsert([first])
    time.sleep(0.01)
    assert database.summary.upsert([summary("c1", tc_k=40.0), summary("c2")]) == UpsertCounts(inserted=1, updated=1)
    read = database.summary.get("c1")
    assert (read.tc_k, read.tc_model) == (40.0, None)
    assert read.created_at == first.created_at
    assert read.updated_at > read.created_at


@pytest.mark.parametrize(
    ("version", "remedy"), [(0, "invdesflow db migrate"), (7, "newer InvDesFlow"), ("two", "migrate")]
)
def test_a_document_of_another_schema_version_is_neither_read_nor_written_over(database, version, remedy):
    stored = summary("c1", tc_k=39.0).to_mongo() | {"schema_version": version}
    database.raw["summary"].insert_one(stored)
    with pytest.raises(DatabaseError, match=rf"'c1' in summary has schema version {version!r}.*{remedy}"):
        database.summary.get("c1")
    with pytest.raises(DatabaseError, match=remedy):
        database.summary.upsert([summary("c1", tc_k=1.0), summary("c2")])
    assert list(database.raw["summary"].find()) == [stored]


def test_upsert_of_a_key_twice_in_one_call(database):
    counts = database.summary.upsert([summary("c1", tc_k=1.0), summary("c2"), summary("c1", tc_k=2.0)])
    assert counts == UpsertCounts(inserted=2, updated=1)
    assert database.summary.get("c1").tc_k == 2.0


def test_upsert_of_nothing(database):
    assert database.summary.upsert([]) == UpsertCounts(0, 0)
    assert database.summary.count() == 0


def test_insert_new_leaves_what_is_there(database):
    database.summary.upsert([summary("c1", tc_k=1.0)])
    assert database.summary.insert_new([summary("c1", tc_k=2.0), summary("c2"), summary("c3")]) == {"c1"}
    assert database.summary.get("c1").tc_k == 1.0
    assert database.summary.count({"candidate_id": {"$in": ["c1", "c2", "c3"]}}) == 3


def test_existing_and_values(database):
    database.summary.upsert(summary(f"c{number}", tc_k=float(number)) for number in range(700))
    assert database.summary.existing(f"c{number}" for number in range(400, 1000)) == {f"c{n}" for n in range(400, 700)}
    assert list(database.summary.values({"tc_k": {"$lt": 1}}, ["tc_k"])) == [{"tc_k": 0.0}]


def test_push_unique(database):
    database.summary.upsert([summary("c1", origins=[])])
    origin = {"kind": "substitution", "parent": "p1"}
    assert database.summary.push_unique("c1", "origins", origin)
    before = database.raw["summary"].find_one({"candidate_id": "c1"})
    assert not database.summary.push_unique("c1", "origins", origin)
    assert database.raw["summary"].find_one({"candidate_id": "c1"}) == before, "what changes nothing touches nothing"
    assert database.summary.push_unique("c1", "origins", origin | {"parent": "p2"})
    assert [row["parent"] for row in database.raw["summary"].find_one({})["origins"]] == ["p1", "p2"]


def test_push_unique_from_threads(database):
    database.summary.upsert([summary("c1", origins=[])])
    threads = [
        threading.Thread(target=database.summary.push_unique, args=("c1", "origins", {"kind": number % 3}))
        for number in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(row["kind"] for row in database.raw["summary"].find_one({})["origins"]) == [0, 1, 2]


def test_push_unique_to_a_missing_document(database):
    with pytest.raises(DatabaseError, match="There is no document 'c9' in summary"):
        database.summary.push_unique("c9", "origins", {"kind": "substitution"})


def test_upserts_from_processes_end_in_one_document_each(database):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=upsert_many, args=(60, writer)) for writer in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert database.raw["summary"].count_documents({}) == 60
    assert len(database.raw["summary"].find({}, {"candidate_id": True}).distinct("candidate_id")) == 60


def test_upserts_from_threads_end_in_one_document_each(database):
    def write(writer: int) -> None:
        counts.append(database.summary.upsert(summary(f"c{number}", tc_k=float(writer)) for number in range(100)))

    counts: list[UpsertCounts] = []
    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert database.raw["summary"].count_documents({}) == 100
    assert sum(count.inserted for count in counts) == 100
    assert sum(count.inserted + count.updated for count in counts) == 600


@pytest.mark.parametrize("method", ["upsert", "insert_new"])
def test_oversize_document(database, method):
    documents = [summary("c1"), summary("c2", rejection_reason="x" * (17 * 2**20)), summary("c3")]
    with pytest.raises(DatabaseError, match=r"'c2' of summary has 17\.0 MB; MongoDB takes 16 MB") as caught:
        getattr(database.summary, method)(documents)
    assert "\n" not in str(caught.value)
    assert database.raw["summary"].count_documents({}) == 0


def test_document_that_does_not_fit_its_model(database):
    database.raw["summary"].insert_one(summary("c1").to_mongo() | {"nsites": "three", "colour": "red"})
    with pytest.raises(DatabaseError, match=r"'c1' in summary does not fit its model: .*nsites") as caught:
        database.summary.get("c1")
    assert "\n" not in str(caught.value)
    with pytest.raises(DatabaseError, match="colour: is not a known key"):
        list(database.summary.find())


def test_another_unique_index_is_loud(database):
    database.raw["summary"].create_index("space_group_symbol", unique=True)
    database.summary.upsert([summary("c1")])
    with pytest.raises(DatabaseError, match="refuses 'c2' in summary, because another unique index forbids it"):
        database.summary.upsert([summary("c2")])


def test_failed_write_concern_is_loud(database, monkeypatch):
    """A server that cannot flush to disk answers so; the local one cannot be made to, so the driver raises it here."""

    def fail(*_: object, **__: object) -> None:
        error = {"writeErrors": [], "writeConcernErrors": [{"code": 64, "errmsg": "waiting for replication timed out"}]}
        raise BulkWriteError(error)

    collection = database.summary
    monkeypatch.setattr(collection.raw, "bulk_write", fail)
    with pytest.raises(DatabaseError, match="refused a document of summary: waiting for replication timed out"):
        collection.insert_new([summary("c1")])


def test_values_that_bson_cannot_hold(database):
    with pytest.raises(DatabaseError, match="not valid BSON"):
        database.summary.count({"tc_k": object()})


def test_unique_violation_is_loud(database):
    database.raw["summary"].insert_one({"candidate_id": "c1"})
    with pytest.raises(Exception, match="E11000"):
        database.raw["summary"].insert_one({"candidate_id": "c1"})


def test_find_in_takes_any_number_of_values(database):
    database.summary.upsert(summary(f"c{number}") for number in range(250))
    wanted = [f"c{number}" for number in range(20, 270)]
    assert {found.candidate_id for found in database.summary.find_in("candidate_id", wanted)} == {
        f"c{number}" for number in range(20, 250)
    }
    assert list(database.summary.find_in("candidate_id", [])) == []


def test_batches_are_written_while_the_next_one_is_made(database):
    second_made = threading.Event()

    def batches():
        yield [summary("c1"), summary("c2")]
        second_made.set()
        yield [summary("c2"), summary("c3")]

    def write(batch):
        assert second_made.wait(timeout=60)  # a writer in the caller's thread would wait for ever
        return database.summary.insert_new(batch)

    for batch, present in write_behind(batches(), write):
        # What is reported is stored.
        assert database.summary.existing(found.candidate_id for found in batch) == {f.candidate_id for f in batch}
        assert present == ({"c2"} if batch[1].candidate_id == "c3" else set())
    assert database.summary.count() == 3


def test_an_error_of_the_writer_surfaces_and_ends_the_writing():
    written = []

    def write(batch):
        if batch == 1:
            raise DatabaseError("no space left")
        written.append(batch)

    with pytest.raises(DatabaseError, match="no space left"):
        list(write_behind(range(5), write))
    assert written == [0]


def test_what_was_handed_over_is_stored_when_the_making_is_interrupted():
    written = []

    def batches():
        yield "first"
        raise KeyboardInterrupt

    def write(batch):
        time.sleep(0.05)
        written.append(batch)

    with pytest.raises(KeyboardInterrupt):
        list(write_behind(batches(), write))
    assert written == ["first"]
