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
from pymongo import IndexModel, ReplaceOne

import invdesflow
from invdesflow.database.database import Database
from invdesflow.database.documents import utc_now
from invdesflow.database.failures import driver_errors
from invdesflow.errors import DatabaseError

__all__ = ["backup", "restore"]

_MANIFEST = "manifest.json"
_BATCH = 200
_OF_BLOBS = {".files": 1, ".chunks": 2}


class _Index(BaseModel):
    key: list[tuple[str, int]]
    unique: bool


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
        If the archive is missing, damaged or not ours; nothing is written then. If the server fails.
    """
    with _reading(archive):
        beside = tempfile.TemporaryDirectory(dir=archive.parent)
    with beside as folder:
        manifest = _unpack(archive, Path(folder))
        for name in sorted(manifest.collections, key=_written, reverse=True):
            with driver_errors(database.address):
                for index in manifest.indexes[name]:
                    database.raw[name].create_indexes([IndexModel(index.key, unique=index.unique)])
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
                _Index(key=list(index["key"]), unique=bool(index.get("unique")))
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


def _load(database: Database, name: str, file: Path) -> None:
    for chunk in grouper(_documents(file), _BATCH):
        database.raw[name].bulk_write([_replacement(database, name, row) for row in chunk], ordered=False)


def _replacement(database: Database, name: str, row: dict[str, Any]) -> ReplaceOne[dict[str, Any]]:
    spec = database.store_file.collections.get(name)
    if spec is None:
        return ReplaceOne({"_id": row["_id"]}, row, upsert=True)
    # The same document may have been made again since, under another _id; MongoDB never changes an _id.
    return ReplaceOne(
        {spec.key: row.get(spec.key)}, {field: row[field] for field in row if field != "_id"}, upsert=True
    )
