"""Store files: where the documents, the job outputs and the blobs live."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from invdesflow.database.models import COLLECTION_MODELS
from invdesflow.errors import ConfigurationError
from invdesflow.settings import Settings, one_line

__all__ = ["CollectionSpec", "StoreFile", "load_store_file"]

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


class CollectionSpec(BaseModel):
    """Key and indexes of one collection."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(description="field with a unique index")
    indexes: list[list[str]] = Field(default_factory=list, description="compound indexes; '-' means descending")

    def index_keys(self) -> list[list[tuple[str, int]]]:
        """Return the secondary indexes in pymongo's form."""
        return [
            [(field.removeprefix("-"), -1 if field.startswith("-") else 1) for field in fields]
            for fields in self.indexes
        ]


class _StoreSpec(BaseModel):
    """One store in the form of jobflow's ``JobStore.from_dict_spec``."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["MongoStore", "GridFSStore"]
    database: str
    collection_name: str
    key: str
    uri: str | None = None
    host: str = "127.0.0.1"
    port: int = 27017
    mongoclient_kwargs: dict[str, Any] = Field(default_factory=dict)


class StoreFile(BaseModel):
    """A validated store file, with the settings filled in.

    It holds the password: never print, log or store it.
    """

    model_config = ConfigDict(extra="forbid")

    server: Literal["local", "remote"]
    docs_store: _StoreSpec
    additional_stores: dict[Literal["data"], _StoreSpec]
    collections: dict[str, CollectionSpec]

    def job_store_spec(self) -> dict[str, Any]:
        """Return jobflow's own specification of the job store."""
        return self.model_dump(include={"docs_store", "additional_stores"}, exclude_none=True)

    def client_arguments(self) -> dict[str, Any]:
        """Return the arguments of ``pymongo.MongoClient``."""
        spec = self.docs_store
        place = {"host": spec.uri} if spec.uri else {"host": spec.host, "port": spec.port}
        return place | spec.mongoclient_kwargs

    def address(self) -> str:
        """Name the server without credentials."""
        if self.docs_store.uri is None:
            return f"{self.docs_store.host}:{self.docs_store.port}"
        return self.docs_store.uri.rpartition("://")[2].rpartition("@")[2].partition("/")[0]


def load_store_file(path: Path, settings: Settings) -> StoreFile:
    """Read a store file such as ``stores/local.yaml``.

    Parameters
    ----------
    path
        YAML file. ``collections`` may name a file beside it.
    settings
        Source of the values of ``${...}``.

    Raises
    ------
    ConfigurationError
        If the file is missing, has an unknown key, names a setting that does not exist, or lacks a collection.
    """
    data = _read_yaml(path)
    if isinstance(data.get("collections"), str):
        data["collections"] = _read_yaml(path.parent / data["collections"])
    try:
        store_file = StoreFile.model_validate(_fill_in(data, settings, path))
    except ValidationError as error:
        raise ConfigurationError(
            f"The store file {path} is wrong: {one_line(error)}.", "Compare it with stores/local.yaml."
        ) from error
    if store_file.server == "remote" and store_file.docs_store.uri is None and "uri" in data["docs_store"]:
        raise ConfigurationError(
            f"The store file {path} takes the server's address from the setting mongodb_uri, which is not set.",
            "Set INVDESFLOW_MONGODB_URI, for example to mongodb://host:27017.",
        )
    if set(store_file.collections) != set(COLLECTION_MODELS):
        difference = ", ".join(sorted(set(store_file.collections) ^ set(COLLECTION_MODELS)))
        raise ConfigurationError(
            f"The collections of the store file {path} are not those that InvDesFlow knows: {difference}.",
            "Use the collections of stores/collections.yaml.",
        )
    return store_file


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigurationError(
            f"The store file {path} cannot be read: {error.strerror}.", "Set INVDESFLOW_STORES to an existing file."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not YAML.", "Compare it with stores/local.yaml.") from error
    if not isinstance(data, dict):
        raise ConfigurationError(f"{path} is not a YAML mapping.", "Compare it with stores/local.yaml.")
    return data


def _fill_in(value: Any, settings: Settings, path: Path) -> Any:
    """Replace ``${setting}``; in a mapping, leave out what is not set."""
    if isinstance(value, Mapping):
        filled = {key: _fill_in(item, settings, path) for key, item in value.items()}
        return {key: item for key, item in filled.items() if item is not None}
    if isinstance(value, list):
        return [_fill_in(item, settings, path) for item in value]
    match = _PLACEHOLDER.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return value
    if match[1] not in Settings.model_fields:
        raise ConfigurationError(
            f"The store file {path} asks for the setting {match[1]!r}, which does not exist.",
            "Use one of the mongodb_* settings.",
        )
    setting = getattr(settings, match[1])
    if isinstance(setting, SecretStr):
        return setting.get_secret_value()
    return str(setting) if isinstance(setting, Path) else setting
