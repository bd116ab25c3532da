"""Opening a database: indexes before the first write, loud when one cannot be made."""

import pytest
import yaml

from invdesflow.database import Database
from invdesflow.database.stores import load_store_file
from invdesflow.errors import ConfigurationError, DatabaseError
from invdesflow.settings import Settings, default_file


def test_indexes_exist_before_the_first_write(database):
    specs = yaml.safe_load(default_file("stores/collections.yaml").read_text())
    for name, spec in specs.items():
        information = database.raw[name].index_information()
        found = {tuple(index["key"]): bool(index.get("unique")) for index in information.values()}
        assert found.pop((("_id", 1),)) is False
        assert found.pop(((spec["key"], 1),)) is True
        expected = [
            tuple((field.lstrip("-"), -1 if field[0] == "-" else 1) for field in fields) for fields in spec["indexes"]
        ]
        assert sorted(found) == sorted(expected)
        assert not any(found.values())
        assert database.raw[name].count_documents({}) == 0


def test_keys_of_store_file_and_models_agree(database):
    from invdesflow.database.models import COLLECTION_MODELS, document_model

    for name in COLLECTION_MODELS:
        assert document_model(name).key == database.store_file.collections[name].key
        assert document_model(name).collection == name


def test_only_missing_indexes_are_made(database):
    assert database.ensure_indexes() == {}
    database.raw["summary"].drop_index("reduced_formula_1")
    database.raw["campaigns"].drop()
    assert database.ensure_indexes() == {"summary": ["reduced_formula_1"], "campaigns": ["campaign_id_1", "name_1"]}


def test_index_on_duplicates_is_loud(database):
    database.raw["summary"].drop_index("candidate_id_1")
    database.raw["summary"].insert_many([{"candidate_id": "c1"}, {"candidate_id": "c1"}])
    with pytest.raises(DatabaseError, match="index of the collection summary cannot be created") as caught:
        Database()
    assert "\n" not in str(caught.value)


def test_index_that_is_not_unique_is_loud(database):
    database.raw["summary"].drop_index("candidate_id_1")
    database.raw["summary"].create_index("candidate_id")
    with pytest.raises(DatabaseError, match="drop the conflicting index"):
        database.ensure_indexes()


def test_database_without_arguments_is_that_of_the_settings(database):
    with Database() as again:
        assert again.raw.name == database.raw.name


def test_unknown_collection(database):
    with pytest.raises(DatabaseError, match="There is no collection 'candidate'"):
        database.named_collection("candidate")


def test_server_that_is_not_there(settings_environment, monkeypatch):
    stores = settings_environment / "stores" / "local.yaml"
    content = yaml.safe_load(stores.read_text()) | {"server": "remote"}
    content["docs_store"]["mongoclient_kwargs"]["serverSelectionTimeoutMS"] = 100
    stores.write_text(yaml.safe_dump(content))
    with pytest.raises(DatabaseError, match=r"No MongoDB server answers at 127\.0\.0\.1:") as caught:
        Database()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("arguments", [{"jurnal": True}, {"journal": "yes"}, {"tls": True, "tlsCAFile": "/none.pem"}])
def test_wrong_client_arguments(settings_environment, arguments):
    stores = settings_environment / "stores" / "local.yaml"
    content = yaml.safe_load(stores.read_text()) | {"server": "remote"}
    content["docs_store"]["mongoclient_kwargs"] = arguments
    stores.write_text(yaml.safe_dump(content))
    with pytest.raises((ConfigurationError, DatabaseError), match="connection") as caught:
        Database()
    assert "\n" not in str(caught.value)


def test_remote_server_is_not_ours_to_start(settings_environment):
    settings = Settings(stores=default_file("stores/mongodb.yaml"), mongodb_uri="mongodb://u:p@db.example.org")
    with pytest.raises(DatabaseError, match=r"names the server db\.example\.org, which InvDesFlow does not run"):
        Database.server_of(settings)


def test_job_store_and_maggma_store(database):
    from jobflow import JobStore

    job_store: JobStore = database.job_store()
    job_store.connect()
    job_store.update({"uuid": "u1", "index": 1, "output": {"big": list(range(10))}}, save={"data": ["big"]})
    assert database.raw["jobs"].count_documents({"uuid": "u1"}) == 1
    assert database.raw["data.files"].count_documents({}) == 1
    assert job_store.query_one({"uuid": "u1"}, load=True)["output"]["big"] == list(range(10))
    database.raw["summary"].insert_one({"candidate_id": "c1"})
    with database.maggma_store("summary") as store:
        assert store.query_one({"candidate_id": "c1"}) is not None


def test_store_file_is_read_from_elsewhere(database, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Database(stores=database.path) as again:
        assert again.store_file == load_store_file(database.path, database.settings)
