"""Large binary content in GridFS, named by its SHA-256."""

import hashlib
from typing import Any

from gridfs import GridFSBucket, NoFile
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
        """Store content, unless it is there; return its SHA-256."""
        digest = hashlib.sha256(content).hexdigest()
        with driver_errors(self._address):
            # The entry in files is written after the last chunk: what an interrupted upload leaves is not found.
            if not any(True for _ in self._bucket.find({"filename": digest}).limit(1)):
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
                raise DatabaseError(
                    f"The database holds no blob {digest}.", "Import what it belongs to again."
                ) from None
        if hashlib.sha256(content).hexdigest() != digest:
            raise DatabaseError(f"The blob {digest} is damaged.", "Import what it belongs to again.")
        return content
