"""Text from a local file or a public address, compressed or not."""

import gzip
import io
import zipfile
import zlib
from pathlib import Path
from typing import IO
from urllib.error import URLError
from urllib.request import urlopen

from invdesflow.errors import ConfigurationError

__all__ = ["read_text"]

TIMEOUT_S = 60.0
"""Silence of a server after which we give up."""
MAX_BYTES = 4 * 2**30
"""Longest text that is unpacked; a few kilobytes can be made to unpack to any size."""

_DAMAGE = (EOFError, IndexError, OSError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error)


def read_text(source: Path | str) -> str:
    """Read a text file, unpacking gzip, or the first file of a zip archive.

    Parameters
    ----------
    source
        Local path, or an ``https://`` address.

    Raises
    ------
    ConfigurationError
        If the file does not exist, is damaged or too large, or the address cannot be reached.
    """
    content = _download(str(source)) if str(source).startswith("https://") else _read(Path(source))
    try:
        return _unpack(content).decode("utf-8-sig")
    except _DAMAGE as error:
        raise ConfigurationError(f"{source} is damaged or not a text file: {error}.", "Fetch it again.") from error


def _download(address: str) -> bytes:
    try:
        with urlopen(address, timeout=TIMEOUT_S) as answer:  # noqa: S310 - read_text lets only https through
            return _read_all(answer)
    except (OSError, URLError) as error:
        raise ConfigurationError(
            f"{address} cannot be reached: {error}.", "Check the network, or give the path of a local copy."
        ) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.", "Give the path of a file.") from error


def _unpack(content: bytes) -> bytes:
    if content.startswith(b"\x1f\x8b"):
        with gzip.open(io.BytesIO(content)) as file:
            return _read_all(file)
    if content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive, archive.open(archive.namelist()[0]) as file:
            return _read_all(file)
    return content


def _read_all(file: gzip.GzipFile | IO[bytes]) -> bytes:
    content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"it holds more than {MAX_BYTES // 2**30} GB")
    return content
