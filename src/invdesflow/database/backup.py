"""Backup and restore: every collection of the database, blobs included, in one archive of BSON files."""

import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import bson
from bson.codec_options import CodecOptions
from bson.errors import InvalidBSON
from bson.raw_bson import RawBSONDocument
from maggma.utils import grouper
from pydantic import BaseModel, ConfigDict, Field
from pymongo import DeleteMany, IndexModel, ReplaceOne

import invdesflow
from invdesflow.database.database import Database
from invdesflow.database.documents import utc_now
from invdesflow.database.failures import driver_errors
from invdesflow.errors import DatabaseError

__all__ = ["backup", "restore"]

_MANIFEST = "manifest.json"
_BATCH = 200
_OF_BLOBS = {".files": 1, ".chunks": 2}
_QUEUE = ("workflows", "fireworks", "launches")
_OF_THE_SERVER = {"v", "ns", "key"}
_Request = ReplaceOne[dict[str, Any]] | DeleteMany


class _Index(BaseModel):
    key: list[tuple[str, int | str]]
    unique: bool
    options: dict[str, Any] = Field(
        default_factory=dict, description="such as its name, sparse, partialFilterExpression"
    )

    def model(self) -> IndexModel:
        return IndexModel(self.key, unique=self.unique, **self.options)


class _Manifest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = 1
    invdesflow: str = Field(invdesflow.__version__, description="version that wrote the archive")
    made_at: datetime = Field(default_factory=utc_now)
    collections: dict[str, int] = Field(description="collection -> number of documents")
    indexes: dict[str, list[_Index]] = Field(description="collection -> its indexes")


def backup(database: Database, archive: Path) -> dict[str, int]:
    """Write every collection to a compressed archive, complete or not at all.

    Parameters
    ----------
    database
        The database to save.
    archive
        File to write (``.tar.gz``).

    Returns
    -------
    dict
        Collection -> number of documents.

    Raises
    ------
    DatabaseError
        If the server fails or the archive cannot be written.
    """
    try:
        archive.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
            content = Path(folder, "content")
            content.mkdir()
            manifest = _dump(database, content)
            unfinished = Path(folder, archive.name)
            with tarfile.open(unfinished, "w:gz") as tar:
                for file in sorted(content.iterdir()):
                    tar.add(file, arcname=file.name)
            unfinished.replace(archive)
    except OSError as error:
        raise DatabaseError(
            f"The backup {archive} cannot be written: {error.strerror}.", "Free space or choose another path."
        ) from error
    return manifest.collections


def restore(database: Database, archive: Path) -> dict[str, int]:
    """Write the documents of an archive into the database; a document with the same key is replaced.

    Running it again after an interruption ends in the same database.

    Parameters
    ----------
    database
        The database to write to; documents that are not in the archive stay.
    archive
        File that `backup` wrote.

    Returns
    -------
    dict
        Collection -> number of documents.

    Raises
    ------
    DatabaseError
        If the archive is missing, damaged or not ours, or the database has a queue of its own; nothing is written
        then. If the server fails.
    """
    with _reading(archive):
        beside = tempfile.TemporaryDirectory(dir=archive.parent)
    with beside as folder:
        manifest = _unpack(archive, Path(folder))
        _check_queue(database, archive, Path(folder), manifest)
        for name in sorted(manifest.collections, key=_written, reverse=True):
            with driver_errors(database.address):
                for index in manifest.indexes[name]:
                    _create(database, name, index)
                _load(database, name, _file(Path(folder), name))
    return manifest.collections


def _written(name: str) -> tuple[int, str]:
    # What a running campaign writes last is saved first: documents after their blobs, and of a blob the entry in files
    # after the chunks. So nothing in the backup lacks what it names. Restoring goes the other way round for that.
    return _OF_BLOBS.get(Path(name).suffix, 0), name


def _file(folder: Path, collection: str) -> Path:
    return folder / f"{collection}.bson"


def _dump(database: Database, folder: Path) -> _Manifest:
    manifest = _Manifest(collections={}, indexes={})
    with driver_errors(database.address):
        for name in _names(database):
            raw = database.raw[name].with_options(CodecOptions(document_class=RawBSONDocument))
            with _file(folder, name).open("wb") as file:
                manifest.collections[name] = sum(1 for row in raw.find() if file.write(row.raw))
            manifest.indexes[name] = [
                _Index(
                    key=list(index["key"]),
                    unique=bool(index.get("unique")),
                    options={"name": identifier}
                    | {option: value for option, value in index.items() if option not in _OF_THE_SERVER | {"unique"}},
                )
                for identifier, index in database.raw[name].index_information().items()
                if identifier != "_id_"
            ]
    (folder / _MANIFEST).write_text(manifest.model_dump_json(indent=1))
    return manifest


def _names(database: Database) -> Iterator[str]:
    """Yield the collections in the order of the backup; those of the blobs may appear while documents are saved."""
    for blobs in (False, True):
        names = [name for name in database.raw.list_collection_names() if not name.startswith("system.")]
        yield from sorted((name for name in names if bool(_written(name)[0]) == blobs), key=_written)


@contextmanager
def _reading(archive: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise DatabaseError(f"There is no backup {archive}, or it has no {_MANIFEST}.") from None
    except OSError as error:
        if error.errno is None:  # what gzip says of other content
            raise _unreadable(archive, error) from error
        raise DatabaseError(
            f"The backup {archive} cannot be unpacked in {archive.parent}: {error.strerror}.",
            "Free space there, or copy the backup to a folder that can be written.",
        ) from error
    except (EOFError, ValueError, InvalidBSON, tarfile.TarError, zlib.error) as error:
        raise _unreadable(archive, error) from error


def _unreadable(archive: Path, error: Exception) -> DatabaseError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DatabaseError(
        f"{archive} is not a readable backup: {reason}.", "Use a file that invdesflow db backup wrote."
    )


def _unpack(archive: Path, folder: Path) -> _Manifest:
    """Extract the archive and look at every document before one is written."""
    with _reading(archive):
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        manifest = _Manifest.model_validate_json((folder / _MANIFEST).read_text())
        expected = {_file(folder, name) for name in manifest.collections} | {folder / _MANIFEST}
        if expected != set(folder.iterdir()) or manifest.collections.keys() != manifest.indexes.keys():
            raise ValueError("its files are not those of its manifest")
        for name, count in manifest.collections.items():
            found = sum(1 for _ in _documents(_file(folder, name)))
            if found != count:
                raise ValueError(f"{name} holds {found} documents, not {count}")
    return manifest


def _documents(file: Path) -> Iterator[dict[str, Any]]:
    with file.open("rb") as stream:
        yield from bson.decode_file_iter(stream)


def _check_queue(database: Database, archive: Path, folder: Path, manifest: _Manifest) -> None:
    """Refuse to mix two queues: the same numbers mean other work in each."""
    if not any(manifest.collections.get(name) for name in _QUEUE):
        return
    with driver_errors(database.address):
        for name in _QUEUE:
            saved = {row["_id"] for row in _documents(_file(folder, name))} if name in manifest.collections else set()
            others = sum(row["_id"] not in saved for row in database.raw[name].find({}, {"_id": 1}))
            if others:
                raise DatabaseError(
                    f"The queue in this database has {others} {name} that are not in {archive}; their numbers would "
                    "get mixed up.",
                    "Restore into another database, or empty this queue first (lpad reset).",
                )


def _create(database: Database, name: str, index: _Index) -> None:
    """Create an index, unless there is one with these fields already, whatever its name."""
    present = database.raw[name].index_information().values()
    if not any(list(known["key"]) == index.key and bool(known.get("unique")) == index.unique for known in present):
        database.raw[name].create_indexes([index.model()])


def _load(database: Database, name: str, file: Path) -> None:
    for chunk in grouper(_documents(file), _BATCH):
        requests = [request for row in chunk for request in _requests(database, name, row)]
        database.raw[name].bulk_write(requests)


def _requests(database: Database, name: str, row: dict[str, Any]) -> list[_Request]:
    spec = database.store_file.collections.get(name)
    # The same document may have been made again since, under another _id; MongoDB never changes an _id.
    if spec is not None:
        content = {field: row[field] for field in row if field != "_id"}
        return [ReplaceOne({spec.key: row.get(spec.key)}, content, upsert=True)]
    requests: list[_Request] = [ReplaceOne({"_id": row["_id"]}, row, upsert=True)]
    if name == database.store_file.docs_store.collection_name:
        again = {"uuid": row.get("uuid"), "index": row.get("index"), "_id": {"$ne": row["_id"]}}
        requests.insert(0, DeleteMany(again))
    return requests
