"""Where the programs are, and the command line that starts one with the ranks and pools of the settings."""

import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Literal, get_args

from invdesflow.errors import ConfigurationError, EspressoError
from invdesflow.settings import Settings, get_settings

__all__ = ["PROGRAMS", "Program", "banner_version", "command_line", "find_program", "program_version", "ranks_of"]

Program = Literal["pw.x", "ph.x", "q2r.x", "matdyn.x", "epw.x", "projwfc.x", "pp.x", "dos.x", "bands.x", "fs.x"]
PROGRAMS: tuple[Program, ...] = get_args(Program)

# Everything else takes seconds, runs on one core and would not know what to do with pools.
_POOLED: frozenset[Program] = frozenset({"pw.x", "ph.x"})
_PARALLEL: frozenset[Program] = _POOLED | {"epw.x"}
_BANNER = re.compile(r"Program\s+\S+\s+v\.\s*(\d+(?:\.\d+)*)")
_SECONDS_FOR_A_BANNER = 60


def find_program(program: Program, settings: Settings | None = None) -> Path:
    """Find the executable in the folder of the settings, else on the PATH as the prelude leaves it.

    Raises
    ------
    EspressoError
        If it is not there or may not be executed.
    """
    settings = settings or get_settings()
    if settings.espresso_bin is not None:
        found = shutil.which(program, path=str(settings.espresso_bin))
        place = f"in {settings.espresso_bin}, the folder of the setting espresso_bin"
    elif settings.espresso_prelude:
        found = _after_prelude(program, settings)
        place = "on the PATH after the lines of the setting espresso_prelude"
    else:
        found = shutil.which(program)
        place = "on the PATH"
    if found is None:
        raise EspressoError(
            f"There is no executable {program} {place}.",
            "Install Quantum ESPRESSO (the Debian package is quantum-espresso), or set espresso_bin to its folder.",
        )
    return Path(found)


def _after_prelude(program: Program, settings: Settings) -> str | None:
    search = subprocess.run(  # noqa: S603 (the prelude is the user's own)
        _in_shell(settings.espresso_prelude, f"command -v {program}"), capture_output=True, text=True, check=False
    )
    return search.stdout.strip() if search.returncode == 0 else None


def ranks_of(program: Program, settings: Settings | None = None) -> int:
    """Tell on how many MPI ranks a program runs: those of the settings, or one where more would not help."""
    return (settings or get_settings()).espresso_ranks if program in _PARALLEL else 1


def command_line(program: Program, input_name: str, settings: Settings | None = None) -> list[str]:
    """Build the command that runs a program on an input file of the folder it is started in.

    EPW wants one rank in each pool and says so only after the Wannierisation, so it gets as many pools as ranks.

    Parameters
    ----------
    program
        Which program.
    input_name
        Name of the input file; it is opened by the program, not piped into it.
    settings
        Launcher, ranks, pools and prelude; by default those of this process.

    Returns
    -------
    list of str
        Arguments without a shell, or a call of bash where the settings have a prelude.

    Raises
    ------
    ConfigurationError
        If ranks, pools and launcher do not fit together.
    EspressoError
        If the program is not there.
    """
    settings = settings or get_settings()
    words = [str(find_program(program, settings))]
    if program in _PARALLEL:
        words = _launcher(settings) + words
    if program in _POOLED and settings.espresso_pools > 1:
        words += ["-nk", str(settings.espresso_pools)]
    if program == "epw.x" and settings.espresso_ranks > 1:
        words += ["-npool", str(settings.espresso_ranks)]
    words += ["-in", input_name]
    if settings.espresso_prelude:
        return _in_shell(settings.espresso_prelude, f"exec {shlex.join(words)}")
    return words


def _launcher(settings: Settings) -> list[str]:
    launcher, ranks, pools = settings.espresso_launcher, settings.espresso_ranks, settings.espresso_pools
    if ranks % pools:
        raise ConfigurationError(
            f"{ranks} ranks (espresso_ranks) cannot be shared by {pools} pools (espresso_pools).",
            "Choose pools that divide the ranks.",
        )
    if ranks > 1 and not launcher:
        raise ConfigurationError(
            f"espresso_ranks is {ranks}, but espresso_launcher is empty.",
            "Set it, for example to 'mpirun -np {ranks}'.",
        )
    if launcher and "{ranks}" not in launcher:
        raise ConfigurationError(
            f"The launcher {launcher!r} does not say where the number of ranks goes.",
            "Write {ranks} there, for example 'srun -n {ranks}'.",
        )
    return shlex.split(launcher.replace("{ranks}", str(ranks)))


def _in_shell(prelude: str, command: str) -> list[str]:
    # What a module prints belongs in the error file; a prelude that fails must not end in another version's program.
    return ["bash", "-c", f"set -e\n{{\n{prelude}\n}} 1>&2\n{command}"]


def banner_version(text: str) -> str | None:
    """Read the version, such as ``"6.7"`` or EPW's own ``"5.3.1"``, from the first lines of an output."""
    found = _BANNER.search(text)
    return found[1] if found else None


def program_version(program: Program, settings: Settings | None = None) -> str:
    """Ask a program for its version, by starting it on an empty input.

    Raises
    ------
    EspressoError
        If it is not there or prints no banner.
    """
    settings = settings or get_settings()
    path = find_program(program, settings)
    command = [str(path), "-in", "/dev/null"]
    if settings.espresso_prelude:
        command = _in_shell(settings.espresso_prelude, shlex.join(command))
    with tempfile.TemporaryDirectory() as scratch:  # it leaves a CRASH file
        try:
            answer = subprocess.run(  # noqa: S603 (the program of our settings)
                command, cwd=scratch, capture_output=True, text=True, timeout=_SECONDS_FOR_A_BANNER, check=False
            )
        except subprocess.TimeoutExpired:
            raise EspressoError(f"{path} did not print its version.", "Start it by hand.") from None
    version = banner_version(answer.stdout)
    if version is None:
        words = (answer.stderr.strip() or answer.stdout.strip() or "no output").splitlines()[-1]
        raise EspressoError(
            f"{path} does not tell its version: {words}",
            "Start it by hand; a missing library or another program of that name are the usual reasons.",
        )
    return version
