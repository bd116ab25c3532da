"""Large binary content in GridFS, named by its SHA-256."""

import hashlib
from typing import Any

from gridfs import GridFSBucket, NoFile
from gridfs.errors import CorruptGridFile
from pymongo.database import Database as RawDatabase

from invdesflow.database.failures import driver_errors
from invdesflow.errors import DatabaseError

__all__ = ["Blobs"]

_REMEDY = "Import what it belongs to again."


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
        self._bucket = GridFSBucket(raw, bucket)
        self._address = address

    def put(self, content: bytes) -> str:
        """Store content, unless it is there undamaged; return its SHA-256."""
        digest = hashlib.sha256(content).hexdigest()
        with driver_errors(self._address):
            # The entry in files is written after the last chunk: what an interrupted upload leaves is not found.
            stored = [entry._id for entry in self._bucket.find({"filename": digest})]
            sound = [identifier for identifier in stored if self._is_sound(identifier, digest)]
            for damaged in set(stored) - set(sound):
                self._bucket.delete(damaged)
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

    def _is_sound(self, identifier: Any, digest: str) -> bool:
        try:
            content = self._bucket.open_download_stream(identifier).read()
        except (NoFile, CorruptGridFile):
            return False
        return hashlib.sha256(content).hexdigest() == digest
