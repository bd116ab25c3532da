"""Store files: where the documents, the job outputs and the blobs live."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pymongo import IndexModel
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from invdesflow.database.models import COLLECTION_MODELS
from invdesflow.errors import ConfigurationError
from invdesflow.settings import Settings, one_line, refuse_exposed
from invdesflow.yaml_files import read_yaml

__all__ = ["CollectionSpec", "StoreFile", "load_store_file"]

_REMEDY = "Set INVDESFLOW_STORES to a file such as stores/local.yaml."
_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
_USER_INFO = re.compile(r"(?<=://)[^@/]*@")
_SECRET_ARGUMENTS = {"password", "tlsCertificateKeyFilePassword"}
_SECRET_OPTIONS = {"authmechanismproperties", "tlscertificatekeyfilepassword", "proxypassword"}


class CollectionSpec(BaseModel):
    """Key and indexes of one collection."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(description="field with a unique index")
    indexes: list[list[str]] = Field(default_factory=list, description="compound indexes; '-' means descending")

    def unique_index(self) -> IndexModel:
        """Return the index of the key."""
        return IndexModel([(self.key, 1)], unique=True)

    def secondary_indexes(self) -> list[IndexModel]:
        """Return the other indexes."""
        return [
            IndexModel([(field.removeprefix("-"), -1 if field.startswith("-") else 1) for field in fields])
            for fields in self.indexes
        ]


class _StoreSpec(BaseModel):
    """One store in the form of jobflow's ``JobStore.from_dict_spec``.

    User and password of the URI move to the client's arguments, because maggma takes the URI as the name of a store.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    type: Literal["MongoStore", "GridFSStore"]
    database: str
    collection_name: str
    key: str
    uri: str | None = None
    host: str = "127.0.0.1"
    port: int = 27017
    mongoclient_kwargs: dict[str, Any] = Field(default_factory=dict, repr=False)

    @model_validator(mode="after")
    def _take_credentials_out_of_the_uri(self) -> Self:
        if self.uri is None:
            return self
        try:
            # A +srv address would be looked up in the DNS; its syntax is the same.
            parsed = parse_uri(self.uri.replace("mongodb+srv:", "mongodb:", 1))
        except (PyMongoError, ValueError):
            raise ValueError(
                "uri is not a MongoDB URI (special characters in user and password are percent-encoded)"
            ) from None
        if _SECRET_OPTIONS & {name.lower() for name in parsed["options"]}:
            raise ValueError("uri holds a secret among its options; give it in mongoclient_kwargs")
        credentials = {name: parsed[name] for name in ("username", "password") if parsed[name] is not None}
        if credentials:
            self.uri = _USER_INFO.sub("", self.uri, count=1)
            self.mongoclient_kwargs = self.mongoclient_kwargs | credentials
        return self

    def address(self) -> str:
        """Name the server without credentials."""
        if self.uri is None:
            return f"{self.host}:{self.port}"
        return re.split("[/?]", self.uri.partition("://")[2])[0]


class StoreFile(BaseModel):
    """A validated store file, with the settings filled in.

    It holds the password, though its repr does not: never store it.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

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
        return self.docs_store.address()


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
        If the file is missing, has an unknown key, names a setting that does not exist, lacks a collection, or
        holds a password that others can read.
    """
    data = read_yaml(path, "The store file", _REMEDY)
    if _holds_secret(data):
        refuse_exposed(path)
    if isinstance(data.get("collections"), str):
        data["collections"] = read_yaml(path.parent / data["collections"], "The file of collections", _REMEDY)
    try:
        store_file = StoreFile.model_validate(_fill_in(data, settings, path))
    except ValidationError as error:
        raise ConfigurationError(
            f"The store file {path} is wrong: {one_line(error)}.", "Compare it with stores/local.yaml."
        ) from None  # pydantic quotes values
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


def _holds_secret(value: Any) -> bool:
    """Tell whether a credential stands in the file itself instead of in a setting."""
    if isinstance(value, Mapping):
        return any(
            _holds_secret(item) or (key in _SECRET_ARGUMENTS and not _PLACEHOLDER.fullmatch(str(item)))
            for key, item in value.items()
        )
    if isinstance(value, list):
        return any(_holds_secret(item) for item in value)
    return isinstance(value, str) and "://" in value and "@" in value


def _fill_in(value: Any, settings: Settings, path: Path) -> Any:
    """Replace ``${setting}``; in a mapping, leave out what is not set."""
    if isinstance(value, Mapping):
        filled = {key: _fill_in(item, settings, path) for key, item in value.items()}
        return {key: item for key, item in filled.items() if item is not None}
    if isinstance(value, list):
        return [_fill_in(item, settings, path) for item in value]
    match = _PLACEHOLDER.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        if isinstance(value, str) and _PLACEHOLDER.search(value):
            raise ConfigurationError(
                f"The store file {path} puts ${{...}} inside a longer text.", "Let ${...} be the whole value."
            )
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
