"""What a crash leaves is found, mended where nothing can be lost by it, and nothing else is touched."""

import json
import re
import socket
from datetime import timedelta

import pytest
from gridfs import GridFSBucket
from summaries import summary
from typer.testing import CliRunner

from invdesflow.campaigns.launching.launchpad import launchpad_of
from invdesflow.campaigns.launching.leavings import claim_findings, file_findings, queue_findings
from invdesflow.cli.main import app
from invdesflow.database.check import check
from invdesflow.database.check_blobs import BLOB_FIELDS
from invdesflow.database.documents import utc_now
from invdesflow.database.models import COLLECTION_MODELS, document_model
from invdesflow.espresso.tasks import run_root
from invdesflow.learning.retraining_claims import this_owner
from invdesflow.learning.retraining_documents import RetrainingDocument
from invdesflow.settings import get_settings

LATER = timedelta(minutes=1)


def findings(database, before=LATER):
    return list(check(database, utc_now() + before))


def kinds(database, before=LATER):
    return sorted(finding.kind for finding in findings(database, before))


def repair(database):
    for finding in findings(database):
        if finding.repair is not None:
            finding.repair()


@pytest.fixture
def referenced(database):
    """A blob, and a document that refers to it (the check reads the reference only)."""
    digest = database.blobs.put(b"rows" * 1000)
    database.raw["training_sets"].insert_one({"training_set_id": "ts-1", "content": digest, "schema_version": 1})
    return digest


def test_every_field_that_names_a_blob_is_looked_at():
    named = {
        (name, field)
        for name in COLLECTION_MODELS
        for field, information in document_model(name).model_fields.items()
        if re.search(r"SHA-256 of .* (in|weights)\b", information.description or "") and "parent" not in field
    }
    assert {(name, field) for name, field in named if field != "digest" or name == "models"} == set(BLOB_FIELDS.items())


def test_a_sound_database_has_no_findings(database, referenced):
    database.summary.upsert([summary("c1")])
    assert findings(database) == []


def test_a_blob_that_nobody_refers_to_is_removed_when_it_is_old(database, referenced):
    database.blobs.put(b"nobody's")
    assert kinds(database) == ["dangling blob"]
    assert kinds(database, -LATER) == [], "its document may be on its way"
    repair(database)
    assert findings(database) == []
    assert database.blobs.get(referenced) == b"rows" * 1000


def test_a_blob_is_kept_if_its_document_comes_before_the_repair(database):
    digest = database.blobs.put(b"late")
    [finding] = findings(database)
    database.raw["phonons"].insert_one({"phonon_id": "p", "arrays": digest})
    finding.repair()
    assert database.blobs.get(digest) == b"late"


def test_pieces_of_an_upload_that_did_not_end(database, referenced):
    entry = database.raw["data.files"].find_one({})
    GridFSBucket(database.raw, "data").upload_from_stream("0" * 64, b"x" * 600_000)
    database.raw["data.files"].delete_one({"filename": "0" * 64})
    assert kinds(database) == ["piece of a blob"]
    repair(database)
    assert findings(database) == []
    assert database.raw["data.chunks"].distinct("files_id") == [entry["_id"]]


def test_a_document_whose_blob_is_gone_or_damaged_is_told_and_kept(database, referenced):
    database.raw["data.chunks"].update_one({}, {"$set": {"data": b"other"}})
    assert kinds(database) == ["missing blob"]
    database.raw["data.files"].delete_many({})
    assert [(one.place, one.identifier) for one in findings(database) if one.repair is None] == [
        ("training_sets", "ts-1")
    ]
    repair(database)
    assert database.raw["training_sets"].count_documents({}) == 1


def test_of_two_copies_a_sound_one_stays(database, referenced):
    content = database.blobs.get(referenced)
    bucket = GridFSBucket(database.raw, "data")
    bucket.upload_from_stream(referenced, b"damaged")
    assert kinds(database) == ["second blob"]
    repair(database)
    assert findings(database) == []
    assert database.blobs.get(referenced) == content


def test_weights_that_ship_have_no_blob(database):
    database.raw["models"].insert_one({"model_id": "m", "digest": "0" * 64, "shipped": True})
    assert findings(database) == []


def test_outputs_of_jobs_and_their_blobs(database):
    store = database.job_store()
    store.connect()
    for uuid in ("whole", "half", "gone"):
        store.update({"uuid": uuid, "index": 1, "output": {"rows": [uuid]}}, save={"data": ["rows"]})
    half = database.raw["jobs"].find_one({"uuid": "half"})["output"]["rows"]["blob_uuid"]
    database.raw["data.files"].delete_one({"metadata.blob_uuid": half})
    database.raw["data.chunks"].delete_many({"files_id": {"$nin": database.raw["data.files"].distinct("_id")}})
    database.raw["jobs"].delete_one({"uuid": "gone"})
    assert kinds(database) == ["dangling blob", "output without blob"]
    assert kinds(database, -LATER) == []
    repair(database)
    assert findings(database) == []
    assert store.get_output("whole", load=True) == {"rows": ["whole"]}
    assert [row["uuid"] for row in database.raw["jobs"].find()] == ["whole"]


def test_an_output_is_stored_once(database):
    assert database.raw["jobs"].index_information()["uuid_1_index_-1"]["unique"]


def test_an_index_that_the_store_file_does_not_name(database):
    database.raw["summary"].create_index([("nsites", 1)])
    [finding] = findings(database)
    assert (finding.kind, finding.place, finding.identifier) == ("stale index", "summary", "nsites_1")
    repair(database)
    assert "nsites_1" not in database.raw["summary"].index_information()


def test_files_and_owners_that_are_gone(database, tmp_path, monkeypatch):
    monkeypatch.setenv("INVDESFLOW_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(database, "settings", get_settings().model_copy(update={"data_dir": tmp_path / "data"}))
    root = run_root(database.settings)
    kept = [root / "qe-1" / name for name in ("pw.out", "finished.json")] + [tmp_path / "data" / "reports" / "a.html"]
    left = [root / "qe-1" / "finished.json.new", root / "qe-2" / "finished.json", root / "qe-2.owner"]
    left += [tmp_path / "data" / "reports" / ".a.html.1.part"]
    for file in (*kept, *left):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}" if file in kept else '{"task_id": "qe')
    (root / "qe-2.owner").write_text("Process 4000000 on nowhere")
    found = list(file_findings(database, utc_now() + LATER))
    assert {f"{finding.place}/{finding.identifier}" for finding in found} == set(map(str, left))
    for finding in found:
        finding.repair()
    assert list(file_findings(database, utc_now() + LATER)) == []
    assert all(file.exists() for file in kept)
    assert not any(file.exists() for file in left)


def test_retrainings_whose_process_has_gone(database):
    fields = {"kind": "tc", "training_set_id": "ts-1", "parent_id": "tc-1", "parent_digest": "a" * 64}
    fields |= {"status": "running", "heartbeat": utc_now()}
    held = RetrainingDocument(retraining_id="rtr-1", owner=this_owner(), **fields)
    gone = RetrainingDocument(retraining_id="rtr-2", owner=f"{socket.gethostname()}:4000000:1.0:ab", **fields)
    database.collection(RetrainingDocument).insert_new([held, gone])
    [finding] = claim_findings(database)
    assert (finding.kind, finding.identifier) == ("stale lock", "rtr-2")
    finding.repair()
    assert list(claim_findings(database)) == []
    stored = database.collection(RetrainingDocument).get("rtr-2")
    assert (stored.status, stored.reason) == ("failed", "its process has gone")


def test_a_queue_whose_making_was_interrupted(database):
    assert list(queue_findings(database, timedelta(0), timedelta(0))) == [], "there is no queue"
    launchpad = launchpad_of(database)
    assert list(queue_findings(database, timedelta(0), timedelta(0))) == []
    launchpad.fireworks.drop_index("fw_id_1")
    [finding] = queue_findings(database, timedelta(0), timedelta(0))
    assert finding.kind == "missing index"
    finding.repair()
    assert list(queue_findings(database, timedelta(0), timedelta(0))) == []


def test_the_command_changes_nothing_unless_it_is_told_to(database):
    digest = database.blobs.put(b"nobody's")
    database.raw["phonons"].insert_one({"phonon_id": "p", "arrays": "1" * 64})

    def run(*options):
        result = CliRunner().invoke(app, ["db", "check", "--hours", "0", "--patience", "0", *options])
        return result.exit_code, result

    database.raw["data.files"].update_one({}, {"$set": {"uploadDate": utc_now() - LATER}})
    code, result = run("--json")
    assert code == 1
    rows = {row["kind"]: row["repaired"] for row in json.loads(result.stdout)}
    assert rows == {"dangling blob": False, "missing blob": False}
    assert database.blobs.get(digest) == b"nobody's"
    code, result = run("--repair")
    assert code == 1, "a blob that is missing is not for us to mend"
    assert "1 of 2 mended" in result.output
    database.raw["phonons"].delete_many({})
    code, result = run()
    assert (code, "Nothing is left over." in result.output) == (0, True)
