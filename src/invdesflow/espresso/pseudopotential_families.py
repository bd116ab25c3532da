"""Families of pseudopotentials: which are known, which are installed, and what their files must be."""

import csv
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pymatgen.core import Element

from invdesflow.errors import EspressoError
from invdesflow.settings import get_settings

__all__ = [
    "MANIFEST",
    "KnownFamily",
    "element_of_file",
    "family_folder",
    "installed_families",
    "known_cutoffs",
    "known_families",
    "pseudopotential_root",
    "recorded_digests",
    "unusable_digests",
    "upf_files",
]

MANIFEST = "family.json"
"""File beside the pseudopotentials of a user's family: its source and the SHA-256 of each file."""
_PREFIX = re.compile(r"([A-Za-z]{1,2})(?=[._-])")


@dataclass(frozen=True, slots=True)
class KnownFamily:
    """A family whose files this project knows by their SHA-256.

    Attributes
    ----------
    requirement
        Wheel on PyPI that carries the files.
    digests
        File name -> SHA-256.
    """

    name: str
    description: str
    requirement: str
    licence: str
    citation: str
    digests: dict[str, str]


@lru_cache(maxsize=1)
def known_families() -> dict[str, KnownFamily]:
    """Return the families that can be installed by name."""
    digests: dict[str, dict[str, str]] = {}
    for row in _rows():
        digests.setdefault(row["family"], {})[row["file"]] = row["sha256"]
    families = _content()["families"].items()
    return {name: KnownFamily(name=name, digests=digests[name], **facts) for name, facts in families}


@lru_cache(maxsize=1)
def known_cutoffs() -> dict[str, tuple[float, float, float]]:
    """Return SHA-256 -> PseudoDojo's hints low, normal and high (Ry), of the files that it gives them for."""
    return {
        row["sha256"]: (float(row["low_ry"]), float(row["normal_ry"]), float(row["high_ry"]))
        for row in _rows()
        if row["low_ry"]
    }


def unusable_digests() -> dict[str, str]:
    """Return SHA-256 -> reason of files that are known to give wrong results."""
    unusable: dict[str, str] = _content()["unusable"]
    return unusable


def pseudopotential_root() -> Path:
    """Return the folder of the installed families, one folder each."""
    settings = get_settings()
    return settings.pseudo_dir or settings.data_dir / "pseudopotentials"


def installed_families() -> dict[str, Path]:
    """Return name -> folder of the installed families."""
    root = pseudopotential_root()
    if not root.is_dir():
        return {}
    return {path.name: path for path in sorted(root.iterdir()) if path.is_dir() and not path.name.startswith(".")}


def family_folder(family: str) -> Path:
    """Find the folder of a family.

    Parameters
    ----------
    family
        Name of an installed family, or the path of a folder with UPF files.

    Raises
    ------
    EspressoError
        If there is no such family or folder.
    """
    installed = installed_families()
    if family in installed:
        return installed[family]
    path = Path(family).expanduser()
    if family and path.is_dir():
        return path.absolute()
    if family in known_families():
        raise EspressoError(
            f"The pseudopotentials {family} are not installed in {pseudopotential_root()}.",
            f"Run: invdesflow pseudos install {family}",
        )
    names = ", ".join(sorted({*installed, *known_families()}))
    raise EspressoError(f"There is no pseudopotential family {family!r}.", f"Use {names}, or the path of a folder.")


def recorded_digests(folder: Path) -> dict[str, str]:
    """Return file name -> SHA-256 as a family in a folder was known or installed; empty for any other folder.

    Raises
    ------
    EspressoError
        If the record cannot be read.
    """
    if folder.parent == pseudopotential_root() and folder.name in known_families():
        return known_families()[folder.name].digests
    if not (folder / MANIFEST).is_file():
        return {}
    try:
        digests = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        return {str(name): str(digest) for name, digest in digests.items()}
    except (OSError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise EspressoError(f"{folder / MANIFEST} is damaged.", "Remove the family and install it again.") from error


def upf_files(folder: Path) -> list[Path]:
    """List the pseudopotential files of a folder by name.

    Raises
    ------
    EspressoError
        If the folder cannot be read.
    """
    try:
        return sorted(path for path in folder.iterdir() if path.suffix.lower() == ".upf" and path.is_file())
    except OSError as error:
        raise EspressoError(f"{folder} cannot be read: {error.strerror}.", "Give a folder of UPF files.") from error


def element_of_file(name: str) -> str | None:
    """Tell from its name which element a pseudopotential file is for, such as ``Al_ONCV_PBE_sr.upf``."""
    prefix = _PREFIX.match(name)
    symbol = prefix.group(1).capitalize() if prefix else ""
    return symbol if Element.is_valid_symbol(symbol) else None


def _rows() -> list[dict[str, str]]:
    text = files("invdesflow.espresso").joinpath("pseudopotential_families.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@lru_cache(maxsize=1)
def _content() -> dict[str, Any]:
    text = files("invdesflow.espresso").joinpath("pseudopotential_families.yaml").read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.safe_load(text)
    return content
