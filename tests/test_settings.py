"""Settings: environment before file, everything unknown refused in one line that echoes no value."""

import traceback
from pathlib import Path

import pytest

from invdesflow.errors import ConfigurationError
from invdesflow.settings import Settings, default_file, get_settings

SECRET = "s3cret-Passw0rd"


@pytest.fixture
def settings_file(settings_environment: Path) -> Path:
    return settings_environment / "settings.yaml"


def refusal() -> str:
    """Return the refusal, which must be one line and free of the secret, as must its traceback."""
    with pytest.raises(ConfigurationError) as caught:
        get_settings()
    assert "\n" not in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


def test_defaults(settings_environment):
    assert get_settings().query_time_limit_s == 30.0
    assert get_settings().mongodb_password is None
    assert get_settings() is get_settings()


def test_environment_before_file(settings_file, monkeypatch):
    settings_file.write_text("workers: 3\nquery_time_limit_s: 5\n")
    monkeypatch.setenv("INVDESFLOW_WORKERS", "2")
    assert (get_settings().workers, get_settings().query_time_limit_s) == (2, 5.0)


def test_unknown_variable(monkeypatch):
    monkeypatch.setenv("INVDESFLOW_WORKRES", SECRET)
    assert "INVDESFLOW_WORKRES" in refusal()


def test_unknown_key(settings_file):
    settings_file.write_text(f"mongodb_pasword: {SECRET}\n")
    assert "mongodb_pasword: is not a known key" in refusal()


@pytest.mark.parametrize("value", ["many", "0", "-1", "1.5"])
def test_wrong_value(monkeypatch, value):
    monkeypatch.setenv("INVDESFLOW_WORKERS", value)
    assert "workers: " in refusal()


@pytest.mark.parametrize("value", ["0", "inf", "nan", SECRET])
def test_wrong_time_limit(monkeypatch, value):
    monkeypatch.setenv("INVDESFLOW_QUERY_TIME_LIMIT_S", value)
    assert "query_time_limit_s: " in refusal()


@pytest.mark.parametrize("text", [f"mongodb_password: '{SECRET}", f"- {SECRET}\n", f"{SECRET}\n", "5\n", "\x00"])
def test_not_a_yaml_mapping(settings_file, text):
    settings_file.write_text(text)
    assert "cannot be read as settings" in refusal()


def test_not_text(settings_file):
    settings_file.write_bytes(b"\xff\xfe\xfa")
    assert "cannot be read as settings" in refusal()


def test_empty_file(settings_file):
    settings_file.write_text("# nothing\n")
    assert get_settings().mongodb_database == "invdesflow"


def test_named_file_is_missing(settings_file):
    settings_file.unlink()
    assert f"{settings_file} does not exist" in refusal()


@pytest.mark.parametrize("line", [f"mongodb_password: {SECRET}", f"mongodb_uri: mongodb://user:{SECRET}@host"])
def test_exposed_password(settings_file, line):
    settings_file.write_text(line)
    settings_file.chmod(0o640)
    assert f"chmod 600 {settings_file}" in refusal()
    settings_file.chmod(0o600)
    assert SECRET not in f"{get_settings()!r} {get_settings()}"


def test_file_without_password_may_be_read_by_all(settings_file):
    settings_file.write_text("workers: 1\n")
    settings_file.chmod(0o644)
    assert get_settings().workers == 1


def test_paths_are_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/somewhere")
    monkeypatch.setenv("INVDESFLOW_DATA_DIR", "data")
    monkeypatch.setenv("INVDESFLOW_STORES", "~/local.yaml")
    assert get_settings().data_dir == tmp_path / "data"
    assert get_settings().stores == Path("/somewhere/local.yaml")


def test_default_file():
    assert default_file("stores/local.yaml").is_file()
    with pytest.raises(ConfigurationError, match=r"stores/none\.yaml"):
        default_file("stores/none.yaml")


def test_fixture_hides_the_users_settings(settings_environment):
    assert Settings().data_dir.is_relative_to(settings_environment)
    assert Settings().stores.is_relative_to(settings_environment)
