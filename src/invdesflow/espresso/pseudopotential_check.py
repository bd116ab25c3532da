"""Check the files of a family of pseudopotentials."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from invdesflow.errors import EspressoError
from invdesflow.espresso.pseudopotential_families import (
    family_folder,
    recorded_digests,
    unusable_digests,
    upf_files,
)
from invdesflow.espresso.pseudopotentials import read_upf

__all__ = ["FileReport", "check_family"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """What was found of one file of a family; facts are absent where the file cannot be read."""

    family: str
    file: str
    element: str | None = None
    functional: str | None = None
    kind: str | None = None
    relativistic: str | None = None
    sha256: str | None = None
    problem: str | None = None


def check_family(family: str) -> list[FileReport]:
    """Compare the files of a family with what was installed and with what a calculation needs.

    Parameters
    ----------
    family
        Name of an installed family, or the path of a folder with UPF files.

    Raises
    ------
    EspressoError
        If there is no such family.
    """
    folder = family_folder(family)
    recorded = recorded_digests(folder)
    reports = [_report(family, path, recorded) for path in upf_files(folder)]
    absent = sorted(recorded.keys() - {report.file for report in reports})
    return reports + [FileReport(family=family, file=name, problem="is missing") for name in absent]


def _report(family: str, path: Path, recorded: Mapping[str, str]) -> FileReport:
    try:
        pseudo = read_upf(path)
    except EspressoError as error:
        return FileReport(family=family, file=path.name, problem=error.problem)
    problem = None
    if recorded and path.name not in recorded:
        problem = "was not installed with the family"
    elif recorded and recorded[path.name] != pseudo.sha256:
        problem = "has changed since it was installed"
    elif pseudo.sha256 in unusable_digests():
        problem = unusable_digests()[pseudo.sha256]
    elif pseudo.lost_projectors:
        problem = f"has lost a projector (PP_BETA.{pseudo.lost_projectors[0]} is zero throughout)"
    elif not pseudo.norm_conserving:
        problem = "is not norm-conserving"
    elif pseudo.relativistic == "full":
        problem = "was made with spin-orbit coupling"
    return FileReport(
        family=family,
        file=path.name,
        element=pseudo.element,
        functional=pseudo.functional,
        kind=pseudo.kind,
        relativistic=pseudo.relativistic,
        sha256=pseudo.sha256,
        problem=problem,
    )
