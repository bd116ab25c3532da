"""Checks of Quantum ESPRESSO: programs, MPI, pseudopotentials."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from invdesflow.campaigns.doctor.findings import Finding
from invdesflow.errors import EspressoError
from invdesflow.espresso.programs import PROGRAMS, command_line, program_version
from invdesflow.espresso.pseudopotential_check import check_family
from invdesflow.espresso.pseudopotential_families import installed_families
from invdesflow.settings import Settings

__all__ = ["mpi", "programs", "pseudopotentials", "wannier90"]

_DEFAULT_FAMILY = "pseudodojo-pbe-standard"
_PATIENCE_S = 120
_RANKS = re.compile(r"(?:\(MPI\), running on|Number of MPI processes:)\s+(\d+)")


def programs(settings: Settings) -> Iterator[Finding]:
    """Ask every program for its version."""
    for program in PROGRAMS:
        try:
            version = program_version(program, settings)
        except EspressoError as error:
            yield Finding(program, "missing", error.problem, error.remedy)
        else:
            yield Finding(program, "ok", version)


def wannier90() -> Iterator[Finding]:
    """Ask wannier90.x for its version; epw.x holds the library and needs the program for nothing."""
    program = shutil.which("wannier90.x")
    if program is None:
        raise EspressoError("There is no wannier90.x on the PATH.", "Only you would use it; epw.x holds its library.")
    answer = subprocess.run(  # noqa: S603 (a program on the user's PATH)
        [program, "-v"], capture_output=True, text=True, timeout=_PATIENCE_S, check=False
    )
    yield Finding("wannier90.x", "ok", answer.stdout.strip().removeprefix("Wannier90: "))


def mpi(settings: Settings) -> Iterator[Finding]:
    """Start pw.x as a calculation does and count its ranks; it ends at once, for its input is empty."""
    ranks, command = settings.espresso_ranks, command_line("pw.x", "empty.in", settings)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "empty.in").touch()
        try:
            answer = subprocess.run(  # noqa: S603 (the launcher and the program of our settings)
                command, cwd=folder, capture_output=True, text=True, timeout=_PATIENCE_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            reason = "does not start" if isinstance(error, OSError) else f"did not end in {_PATIENCE_S} s"
            raise EspressoError(f"{' '.join(command)} {reason}.", "Correct espresso_launcher.") from error
    started = _RANKS.findall(answer.stdout)
    if ranks == 1 and len(started) <= 1 and "Program PWSCF" in answer.stdout:
        yield Finding("MPI", "ok", "one rank, as espresso_ranks says")
    elif started == [str(ranks)]:
        yield Finding("MPI", "ok", f"{ranks} ranks start together")
    else:
        said = [line.strip() for line in answer.stderr.splitlines() if any(map(str.isalpha, line))]
        told = f": {said[0]}" if said else ""
        found = f"pw.x does not start on {ranks} ranks that know of each other{told}"
        yield Finding("MPI", "missing", found, f"Try {' '.join(command)} by hand, or another espresso_launcher.")


def pseudopotentials(families: list[str]) -> Iterator[Finding]:
    """Check the files of families, by default of those that are installed."""
    names = families or list(installed_families())
    if not names:
        raise EspressoError("No pseudopotentials are installed.", f"Run: invdesflow pseudos install {_DEFAULT_FAMILY}")
    for name in names:
        reports = check_family(name)
        wrong = [report for report in reports if report.problem]
        if wrong:
            found = f"{len(wrong)} of {len(reports)} files cannot be used: {wrong[0].file} {wrong[0].problem}"
            yield Finding(name, "missing", found, f"Run: invdesflow pseudos check {name}")
        else:
            yield Finding(name, "ok", f"{len(reports)} files are as they should be")
