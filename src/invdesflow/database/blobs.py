"""Large binary content in GridFS, named by its SHA-256."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gridfs import GridFSBucket, NoFile
from gridfs.errors import CorruptGridFile
from pymongo.database import Database as RawDatabase

from invdesflow.database.failures import driver_errors
from invdesflow.errors import DatabaseError

__all__ = ["BlobEntry", "Blobs"]

_REMEDY = "Import what it belongs to again."
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class BlobEntry:
    """One stored copy of a content.

    Attributes
    ----------
    identifier
        Its name in GridFS.
    digest
        What it should be the SHA-256 of.
    uploaded_at
        When it was complete, by the clock of who wrote it.
    """

    identifier: Any
    digest: str
    uploaded_at: datetime


class Blobs:
    """The GridFS bucket of the additional store ``data``.

    Parameters
    ----------
    raw
        The pymongo database.
    bucket
        Name of the bucket.
    address
        Server, for messages.
    """

    def __init__(self, raw: "RawDatabase[dict[str, Any]]", bucket: str, address: str) -> None:
        self.bucket = bucket
        self._bucket = GridFSBucket(raw, bucket)
        self._address = address

    def put(self, content: bytes) -> str:
        """Store content, unless it is there undamaged; return its SHA-256."""
        digest = hashlib.sha256(content).hexdigest()
        with driver_errors(self._address):
            # The entry in files is written after the last chunk: what an interrupted upload leaves is not found.
            stored = list(self.entries(digest))
            sound = [entry for entry in stored if self.is_sound(entry)]
            for damaged in set(stored) - set(sound):
                self.remove(damaged)
            if not sound:
                self._bucket.upload_from_stream(digest, content)
        return digest

    def get(self, digest: str) -> bytes:
        """Return content.

        Raises
        ------
        DatabaseError
            If it is not there, or is not what its name says.
        """
        with driver_errors(self._address):
            try:
                content = bytes(self._bucket.open_download_stream_by_name(digest).read())
            except NoFile:
                raise DatabaseError(f"The database holds no blob {digest}.", _REMEDY) from None
            except CorruptGridFile:
                content = b""
        if hashlib.sha256(content).hexdigest() != digest:
            raise DatabaseError(f"The blob {digest} is damaged.", _REMEDY)
        return content

    def entries(self, digest: str | None = None) -> Iterator[BlobEntry]:
        """Yield what is stored under a digest, or under any; what others put into the bucket has other names."""
        for entry in self._bucket.find({} if digest is None else {"filename": digest}, sort=[("uploadDate", 1)]):
            if entry.filename is not None and _DIGEST.fullmatch(entry.filename):
                yield BlobEntry(entry._id, entry.filename, entry.upload_date)

    def is_sound(self, entry: BlobEntry) -> bool:
        """Tell whether a content is what its name says."""
        try:
            content = self._bucket.open_download_stream(entry.identifier).read()
        except (NoFile, CorruptGridFile):
            return False
        return hashlib.sha256(content).hexdigest() == entry.digest

    def remove(self, entry: BlobEntry) -> None:
        """Remove one stored copy."""
        self._bucket.delete(entry.identifier)
