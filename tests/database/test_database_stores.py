"""Store files: what is refused, and that no credential is ever shown."""

import pickle
import traceback
from pathlib import Path

import pytest
import yaml

from invdesflow.database.stores import StoreFile, load_store_file
from invdesflow.errors import ConfigurationError
from invdesflow.settings import Settings, default_file

PASSWORD = "s3cret-Passw0rd"


@pytest.fixture
def store_file(settings_environment: Path) -> Path:
    return settings_environment / "stores" / "local.yaml"


def change(file: Path, **values: object) -> None:
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | values))


def refusal(file: Path, settings: Settings | None = None) -> str:
    """Return the refusal of a store file, which must be one line and free of the password, as must its traceback."""
    with pytest.raises(ConfigurationError) as caught:
        load_store_file(file, settings or Settings())
    assert "\n" not in str(caught.value)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


def remote(**settings: object) -> StoreFile:
    return load_store_file(default_file("stores/mongodb.yaml"), Settings(**settings))


def test_shipped_files_are_valid(settings_environment):
    local = load_store_file(default_file("stores/local.yaml"), Settings())
    assert local.address() == "127.0.0.1:27817"
    assert local.client_arguments()["journal"] is True
    assert local.client_arguments()["retryWrites"] is False
    assert remote(mongodb_uri="mongodb://db.example.org").address() == "db.example.org"


def test_unknown_key(store_file):
    change(store_file, colections="collections.yaml")
    assert "colections: is not a known key" in refusal(store_file)


def test_missing_file(tmp_path):
    assert "No such file" in refusal(tmp_path / "none.yaml")


def test_missing_collections_file(store_file):
    (store_file.parent / "collections.yaml").unlink()
    assert "collections.yaml" in refusal(store_file)


@pytest.mark.parametrize("text", [f"docs_store: [{PASSWORD}", f"- {PASSWORD}", "", "\x00"])
def test_not_a_yaml_mapping(store_file, text):
    store_file.write_text(text)
    assert "is not" in refusal(store_file)


def test_not_text(store_file):
    store_file.write_bytes(b"\xff\xfe\xfa")
    assert "is not YAML" in refusal(store_file)


def test_unknown_setting(store_file):
    change(store_file, server="${mongodb_pasword}")
    assert "'mongodb_pasword', which does not exist" in refusal(store_file)


def test_setting_inside_a_text(store_file):
    content = yaml.safe_load(store_file.read_text())
    content["docs_store"]["uri"] = "mongodb://${mongodb_database}.example.org"
    change(store_file, docs_store=content["docs_store"])
    assert "whole value" in refusal(store_file)


def test_unset_uri(settings_environment):
    assert "mongodb_uri, which is not set" in refusal(default_file("stores/mongodb.yaml"))


@pytest.mark.parametrize("missing", ["candidates", "summary"])
def test_missing_collection(store_file, missing):
    collections = yaml.safe_load((store_file.parent / "collections.yaml").read_text())
    del collections[missing]
    change(store_file, collections=collections)
    assert missing in refusal(store_file)


@pytest.mark.parametrize(
    "uri",
    [
        f"mongodb://user:{PASSWORD}",
        f"mongodb://user:{PASSWORD}@@host",
        f"http://user:{PASSWORD}@host",
        f"mongodb://user:{PASSWORD}@host:port",
        f"user:{PASSWORD}@host",
    ],
)
def test_wrong_uri(settings_environment, uri):
    assert "not a MongoDB URI" in refusal(default_file("stores/mongodb.yaml"), Settings(mongodb_uri=uri))


def test_wrong_type_does_not_echo_the_value(store_file):
    content = yaml.safe_load(store_file.read_text())
    content["docs_store"] |= {"port": PASSWORD, "mongoclient_kwargs": PASSWORD}
    change(store_file, docs_store=content["docs_store"])
    message = refusal(store_file)
    assert "docs_store.port" in message
    assert "docs_store.mongoclient_kwargs" in message


@pytest.mark.parametrize("scheme", ["mongodb", "mongodb+srv"])
def test_credentials_leave_the_uri(settings_environment, scheme):
    stores = remote(mongodb_uri=f"{scheme}://user:{PASSWORD}%40@host.example.org/admin?tls=true")
    arguments = stores.client_arguments()
    assert arguments["host"] == f"{scheme}://host.example.org/admin?tls=true"
    assert (arguments["username"], arguments["password"]) == ("user", f"{PASSWORD}@")
    assert stores.additional_stores["data"].mongoclient_kwargs["password"] == f"{PASSWORD}@"
    assert stores.address() == "host.example.org"


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("mongodb://h1:1,h2:2/db?replicaSet=r", "h1:1,h2:2"),
        ("mongodb://host?appName=a@b", "host"),
        ("mongodb://u:p@host?appName=a@b", "host"),
        ("mongodb://[::1]:27017", "[::1]:27017"),
    ],
)
def test_address(settings_environment, uri, address):
    assert remote(mongodb_uri=uri).address() == address


def test_nothing_that_is_shown_holds_the_password(settings_environment):
    for stores in (
        remote(mongodb_uri=f"mongodb://user:{PASSWORD}@host"),
        remote(mongodb_uri="mongodb://host", mongodb_username="user", mongodb_password=PASSWORD),
    ):
        shown = f"{stores!r} {stores} {stores.docs_store!r} {stores.address()}"
        assert PASSWORD not in shown
        assert stores.client_arguments()["password"] == PASSWORD
        assert PASSWORD in pickle.dumps(stores).decode("latin-1"), "the check above would see it"


def test_jobflow_and_maggma_names_hold_no_password(settings_environment):
    from jobflow import JobStore

    stores = remote(mongodb_uri=f"mongodb://user:{PASSWORD}@host")
    job_store = JobStore.from_dict_spec(stores.job_store_spec())
    assert PASSWORD not in job_store.name + job_store.additional_stores["data"].name
    assert job_store.docs_store.mongoclient_kwargs["password"] == PASSWORD


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_exposed_password(store_file, mode):
    content = yaml.safe_load(store_file.read_text())
    content["docs_store"]["mongoclient_kwargs"]["password"] = PASSWORD
    change(store_file, docs_store=content["docs_store"])
    store_file.chmod(mode)
    assert f"chmod 600 {store_file}" in refusal(store_file)
    store_file.chmod(0o600)
    assert load_store_file(store_file, Settings()).client_arguments()["password"] == PASSWORD


def test_exposed_uri(store_file):
    content = yaml.safe_load(store_file.read_text())
    content["docs_store"]["uri"] = f"mongodb://user:{PASSWORD}@host"
    change(store_file, docs_store=content["docs_store"])
    store_file.chmod(0o644)
    assert "chmod 600" in refusal(store_file)
