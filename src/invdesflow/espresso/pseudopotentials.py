"""The pseudopotentials of a calculation: one file for each element, read, checked and known by its SHA-256."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from invdesflow.errors import EspressoError
from invdesflow.espresso.pseudopotential_families import (
    element_of_file,
    family_folder,
    recorded_digests,
    unusable_digests,
    upf_files,
)
from invdesflow.espresso.upf import UpfHeader, parse_upf

__all__ = ["Pseudopotential", "find_pseudopotentials", "read_upf"]

MAX_BYTES = 100_000_000
"""Largest file that is opened; the largest pseudopotential in common use has 8 MB."""


@dataclass(frozen=True, kw_only=True)
class Pseudopotential(UpfHeader):
    """A pseudopotential file and what it says about itself.

    Attributes
    ----------
    path
        Absolute path.
    sha256
        Digest of the file; part of what identifies a calculation.
    """

    path: Path
    sha256: str


def read_upf(path: Path) -> Pseudopotential:
    """Read what a UPF file says about itself.

    Raises
    ------
    EspressoError
        If the file cannot be read, is no UPF, or is damaged.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise EspressoError(f"{path} is larger than {MAX_BYTES // 1_000_000} MB.", "Give a UPF file.")
        content = path.read_bytes()
    except OSError as error:
        raise EspressoError(f"The pseudopotential {path} cannot be read: {error.strerror}.") from error
    header = parse_upf(content.decode("utf-8", errors="replace"), str(path))
    return Pseudopotential(**asdict(header), path=path.absolute(), sha256=hashlib.sha256(content).hexdigest())


def find_pseudopotentials(
    family: str, elements: Iterable[str], files: Mapping[str, str] | None = None
) -> dict[str, Pseudopotential]:
    """Find one pseudopotential for each element that the whole chain can use.

    Parameters
    ----------
    family
        Name of an installed family, or the path of a folder with UPF files.
    elements
        Symbols.
    files
        Element -> file name in that folder, needed where the folder has several files of one element.

    Returns
    -------
    dict
        Element -> pseudopotential, in alphabetical order.

    Raises
    ------
    EspressoError
        If there is no such family; if an element has no file or several; if a file is damaged, has changed since it was
        installed, is for another element, is not norm-conserving (EPW needs that), was made with spin-orbit coupling
        (the chain computes without), or is known to fail; or if the files were made with different functionals.
    """
    folder, chosen = family_folder(family), files or {}
    recorded = recorded_digests(folder)
    found = {symbol: _one(symbol, folder, chosen, recorded) for symbol in sorted(set(elements))}
    functionals = {pseudopotential.functional for pseudopotential in found.values()}
    if len(functionals) > 1:
        parts = ", ".join(f"{pseudo.path.name} {pseudo.functional}" for pseudo in found.values())
        raise EspressoError(
            f"The pseudopotentials were made with different functionals: {parts}.", "Take them from one family."
        )
    return found


def _one(symbol: str, folder: Path, chosen: Mapping[str, str], recorded: Mapping[str, str]) -> Pseudopotential:
    pseudopotential = read_upf(_file_of(symbol, folder, chosen))
    path, name = pseudopotential.path, pseudopotential.path.name
    if recorded and recorded.get(name) != pseudopotential.sha256:
        raise EspressoError(
            f"{path} is not what was installed: its SHA-256 differs.", f"Remove {folder} and install it again."
        )
    if pseudopotential.element != symbol:
        raise EspressoError(f"{path} is for {pseudopotential.element}, not for {symbol}.", "Name the right file.")
    if pseudopotential.sha256 in unusable_digests():
        reason = unusable_digests()[pseudopotential.sha256]
        raise EspressoError(f"{path} cannot be used ({reason}).", "Take another pseudopotential.")
    if pseudopotential.lost_projectors:
        raise EspressoError(
            f"{path} has lost a projector (PP_BETA.{pseudopotential.lost_projectors[0]} is zero throughout).",
            "Take another family for this element, such as pseudodojo-pbe-stringent.",
        )
    if not pseudopotential.norm_conserving:
        raise EspressoError(
            f"{path} is not norm-conserving ({pseudopotential.kind}), and EPW needs norm-conserving pseudopotentials.",
            "Take a norm-conserving family, such as pseudodojo-pbe-standard.",
        )
    if pseudopotential.relativistic == "full":
        raise EspressoError(
            f"{path} was made with spin-orbit coupling, without which the calculation is done.",
            "Take a scalar-relativistic family, such as pseudodojo-pbe-standard.",
        )
    return pseudopotential


def _file_of(symbol: str, folder: Path, chosen: Mapping[str, str]) -> Path:
    if symbol in chosen:
        path = folder / chosen[symbol]
        if path.parent != folder or not path.is_file():
            raise EspressoError(f"{folder} has no file {chosen[symbol]!r} for {symbol}.", "Name a file in that folder.")
        return path
    paths = [path for path in upf_files(folder) if element_of_file(path.name) == symbol]
    if not paths:
        raise EspressoError(f"{folder} has no pseudopotential of {symbol}.", "Take a family that has one.")
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths)
        raise EspressoError(
            f"{folder} has {len(paths)} pseudopotentials of {symbol}: {names}.",
            f"Say which one to use, such as --pseudo {symbol}={paths[0].name}",
        )
    return paths[0]
