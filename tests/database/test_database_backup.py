"""Backup and restore: everything comes back, from whatever state, or nothing is touched."""

import errno
import json
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bson import Decimal128, Int64
from fireworks import FWorker, Workflow
from gridfs import GridFS
from jobflow import Flow
from pymongo.collection import Collection
from summaries import summary

from invdesflow.campaigns.jobs import LoadSuperconductorsMaker
from invdesflow.campaigns.launching.launchpad import launchpad_of
from invdesflow.campaigns.launching.tasks import to_workflow
from invdesflow.database.backup import backup, restore
from invdesflow.errors import DatabaseError

BLOB = bytes(range(256)) * 4000


@pytest.fixture
def filled(database):
    database.summary.upsert(summary(f"c{number}", tc_k=number / 7) for number in range(250))
    GridFS(database.raw, "data").put(BLOB, filename="blob", metadata={"blob_uuid": "b1"})
    database.raw["jobs"].insert_one(
        {
            "uuid": "u1",
            "large": Int64(5),
            "exact": Decimal128("0.1"),
            "when": datetime(2026, 1, 1, tzinfo=UTC),
            "x": None,
        }
    )
    database.raw["jobs"].create_index([("uuid", 1), ("large", -1)])
    return database


@pytest.fixture
def archive(filled, tmp_path) -> Path:
    backup(filled, tmp_path / "backups" / "b.tar.gz")
    return tmp_path / "backups" / "b.tar.gz"


def contents(database) -> dict[str, list]:
    """Return all documents, without the `_id` where the store file names another key."""
    return {
        name: sorted(
            (
                {k: v for k, v in row.items() if k != "_id" or name not in database.store_file.collections}
                for row in rows
            ),
            key=repr,
        )
        for name in database.raw.list_collection_names()
        if (rows := list(database.raw[name].find()))
    }


def empty(database) -> None:
    for name in database.raw.list_collection_names():
        database.raw[name].drop()
    database.ensure_indexes()


def test_round_trip(filled, archive):
    before = contents(filled)
    empty(filled)
    counts = restore(filled, archive)
    assert counts["summary"] == 250
    assert contents(filled) == before
    assert GridFS(filled.raw, "data").get(filled.raw["data.files"].find_one({})["_id"]).read() == BLOB
    assert isinstance(filled.raw["jobs"].find_one({})["large"], Int64)
    chunk_indexes = filled.raw["data.chunks"].index_information().values()
    assert [index["key"] for index in chunk_indexes if index.get("unique")] == [[("files_id", 1), ("n", 1)]]
    assert "uuid_1_large_-1" in filled.raw["jobs"].index_information()


def indexes(database) -> dict[str, dict]:
    return {
        name: {key: {k: v for k, v in value.items() if k != "v"} for key, value in index.items()}
        for name in database.raw.list_collection_names()
        if len(index := database.raw[name].index_information()) > 1
    }


def three_jobs() -> Workflow:
    return to_workflow(Flow([LoadSuperconductorsMaker().make() for _ in range(3)]), metadata={"campaign": "first"})


@pytest.fixture
def with_queue(filled):
    """Add a queue in the middle of its work, a job's output with a blob, and weights of a model."""
    launchpad = launchpad_of(filled)
    launchpad.add_wf(three_jobs())
    launchpad.checkout_fw(FWorker(), "/somewhere")
    launchpad.gridfs_fallback.put(b"a large action", metadata={"launch_id": 1})
    store = filled.job_store()
    store.connect()
    store.update({"uuid": "u2", "index": 1, "output": {"rows": [1, 2]}}, save={"data": ["rows"]})
    digest = filled.blobs.put(b"weights")
    filled.raw["models"].insert_one({"model_id": "m1", "digest": digest})
    return filled


def test_everything_comes_back_the_queue_included(with_queue, tmp_path):
    before, known = contents(with_queue), indexes(with_queue)
    backup(with_queue, tmp_path / "b.tar.gz")
    for name in with_queue.raw.list_collection_names():
        with_queue.raw[name].drop()
    restore(with_queue, tmp_path / "b.tar.gz")
    assert contents(with_queue) == before
    assert indexes(with_queue) == known
    launchpad = launchpad_of(with_queue)
    assert launchpad.get_new_fw_id() == 4
    assert launchpad.checkout_fw(FWorker(), "/elsewhere")[1] == 2
    store = with_queue.job_store()
    store.connect()
    assert store.get_output("u2", load=True) == {"rows": [1, 2]}
    assert with_queue.blobs.get(with_queue.raw["models"].find_one({})["digest"]) == b"weights"


def test_two_queues_are_not_mixed(with_queue, tmp_path):
    backup(with_queue, tmp_path / "b.tar.gz")
    launchpad_of(with_queue).add_wf(three_jobs())
    before = contents(with_queue)
    with pytest.raises(DatabaseError, match=r"queue in this database has 1 workflows .* mixed up.*another database"):
        restore(with_queue, tmp_path / "b.tar.gz")
    assert contents(with_queue) == before


def test_a_job_that_was_run_again_is_replaced(with_queue, tmp_path):
    backup(with_queue, tmp_path / "b.tar.gz")
    saved = with_queue.raw["jobs"].find_one_and_delete({"uuid": "u2"})
    with_queue.raw["jobs"].insert_one({"uuid": "u2", "index": 1, "output": "later"})
    restore(with_queue, tmp_path / "b.tar.gz")
    [row] = with_queue.raw["jobs"].find({"uuid": "u2"})
    assert row["output"] == saved["output"]


def test_only_the_archive_is_left(archive):
    assert list(archive.parent.iterdir()) == [archive]


def test_restore_replaces_and_keeps(filled, archive):
    before = filled.summary.get("c1")
    filled.raw["summary"].delete_one({"candidate_id": "c1"})  # it is made again, under another _id
    filled.summary.upsert([summary("c1", tc_k=99.0), summary("c2", tc_k=98.0), summary("later")])
    restore(filled, archive)
    assert filled.summary.get("c1") == before
    assert filled.summary.get("c2").tc_k == pytest.approx(2 / 7)
    assert filled.summary.get("later") is not None
    assert filled.raw["summary"].count_documents({}) == 251


def test_what_a_running_campaign_stores_meanwhile_is_not_saved_without_its_blob(database, tmp_path, monkeypatch):
    written = []

    def file_of(folder, collection):
        if collection == "summary" and not written:  # the first blob of this database, and what refers to it
            written.append(database.blobs.put(BLOB))
            database.summary.upsert([summary("c1", tc_model=written[0])])
        return folder / f"{collection}.bson"

    monkeypatch.setattr("invdesflow.database.backup._file", file_of)
    backup(database, tmp_path / "b.tar.gz")
    empty(database)
    restore(database, tmp_path / "b.tar.gz")
    assert database.blobs.get(database.summary.get("c1").tc_model) == BLOB


def test_a_full_disk_is_not_a_damaged_backup(filled, archive, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "extractall", full)
    with pytest.raises(DatabaseError, match=rf"cannot be unpacked in {archive.parent}: No space left") as caught:
        restore(filled, archive)
    assert "readable" not in str(caught.value)
    assert list(archive.parent.iterdir()) == [archive]


def test_document_without_its_key(filled, tmp_path):
    filled.raw["summary"].insert_one({"broken": True})
    backup(filled, tmp_path / "b.tar.gz")
    restore(filled, tmp_path / "b.tar.gz")
    assert filled.raw["summary"].count_documents({"broken": True}) == 1


def test_interrupted_restore_repeated(filled, archive, monkeypatch):
    before = contents(filled)
    empty(filled)
    write, calls = Collection.bulk_write, []

    def interrupted(self, requests, **arguments):
        calls.append(self.name)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return write(self, requests, **arguments)

    monkeypatch.setattr(Collection, "bulk_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        restore(filled, archive)
    monkeypatch.undo()
    assert calls[0] == "data.chunks", "an entry of a blob is never without its chunks"
    assert contents(filled) != before
    restore(filled, archive)
    assert contents(filled) == before


@pytest.mark.parametrize("damage", ["cut", "flip", "text", "missing", "empty"])
def test_damaged_archive(filled, archive, damage):
    content = archive.read_bytes()
    half = len(content) // 2
    if damage == "missing":
        archive.unlink()
    else:
        damaged = {
            "cut": content[:half],
            "flip": content[:half] + bytes(255 - byte for byte in content[half : half + 50]) + content[half + 50 :],
            "text": b"not an archive",
            "empty": b"",
        }
        archive.write_bytes(damaged[damage])
    empty(filled)
    with pytest.raises(DatabaseError, match=r"not a readable backup|no backup") as caught:
        restore(filled, archive)
    assert "\n" not in str(caught.value)
    assert contents(filled) == {}


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest | {"format": 2},
        lambda manifest: manifest | {"collections": manifest["collections"] | {"summary": 249}},
        lambda manifest: manifest | {"collections": manifest["collections"] | {"../other": 1}},
        lambda manifest: {name: value for name, value in manifest.items() if name != "collections"},
        lambda manifest: [manifest],
    ],
)
def test_wrong_manifest(filled, archive, tmp_path, change):
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "content", filter="data")
    manifest = tmp_path / "content" / "manifest.json"
    manifest.write_text(json.dumps(change(json.loads(manifest.read_text()))))
    with tarfile.open(archive, "w:gz") as tar:
        for file in (tmp_path / "content").iterdir():
            tar.add(file, arcname=file.name)
    empty(filled)
    with pytest.raises(DatabaseError, match="not a readable backup") as caught:
        restore(filled, archive)
    assert "\n" not in str(caught.value)
    assert contents(filled) == {}


def test_archive_that_cannot_be_written(filled, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseError, match="cannot be written"):
        backup(filled, tmp_path / "file" / "b.tar.gz")


def test_failed_backup_leaves_the_old_one(filled, archive, monkeypatch):
    before = archive.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "add", full)
    with pytest.raises(DatabaseError, match="No space left on device"):
        backup(filled, archive)
    assert archive.read_bytes() == before
    assert list(archive.parent.iterdir()) == [archive]
