"""Error handlers of epw.x, in order of priority."""

import math
import re
import shutil
from pathlib import Path
from typing import ClassVar

import psutil

from invdesflow.espresso.attempts import Attempt
from invdesflow.espresso.handlers import FailureHandler, InputLadder
from invdesflow.espresso.input_files import Namelists, patch_input, read_namelists
from invdesflow.settings import get_settings

__all__ = [
    "EliashbergHandler",
    "FrozenWindowHandler",
    "MemoryLimitHandler",
    "OuterWindowHandler",
    "PadeHandler",
    "StaleFilesHandler",
    "epw_handlers",
    "gap_handlers",
    "remove_interpolation",
]

_WINDOW_STEP_EV = 5.0
_BELOW_BAND_EV = 0.05
_TOO_MANY_FROZEN = re.compile(r"ONLY\s+(\d+)\s+TARGET BANDS\s*BANDS: \(eV\)([-\s\d.]+)")
_GIGABYTE = 1e9
_SHARE_OF_FREE_MEMORY = 0.8
_DEFAULT_MEMORY_LIMIT_GB = 2.85
_MANY_STEPS = 1000


class MemoryLimitHandler(FailureHandler):
    """EPW refuses more than 2.85 GB a rank unless it is told that there is more."""

    failures = ("memory_limit_too_low",)
    cure = "`max_memlt` to four fifths of the free memory, shared by the ranks"
    max_num_corrections = 1

    def act(self, folder: Path, attempt: Attempt) -> list[str]:
        """Raise the limit to what is there."""
        path = folder / attempt.input_name
        limit = read_namelists(path.read_text())["inputepw"].get("max_memlt", _DEFAULT_MEMORY_LIMIT_GB)
        free = _SHARE_OF_FREE_MEMORY * psutil.virtual_memory().available / get_settings().espresso_ranks / _GIGABYTE
        return patch_input(path, {"inputepw": {"max_memlt": round(free, 2)}}) if free > limit else []


class OuterWindowHandler(FailureHandler):
    """Every k-point needs as many bands in the window as there are Wannier functions."""

    failures = ("window_too_small",)
    cure = "`dis_win_max` 5 eV higher"
    max_num_corrections = 3

    def act(self, folder: Path, attempt: Attempt) -> list[str]:
        """Widen the outer window."""
        path = folder / attempt.input_name
        limit = read_namelists(path.read_text())["inputepw"].get("dis_win_max")
        return [] if limit is None else patch_input(path, {"inputepw": {"dis_win_max": limit + _WINDOW_STEP_EV}})


class FrozenWindowHandler(FailureHandler):
    """No k-point may have more frozen bands than there are Wannier functions; Wannier90 names the first that has."""

    failures = ("frozen_window_too_large",)
    cure = "`dis_froz_max` just below the first band too many at the k-point that Wannier90 names"
    max_num_corrections = 8

    def act(self, folder: Path, attempt: Attempt) -> list[str]:
        """Narrow the frozen window."""
        path = folder / attempt.input_name
        variables = read_namelists(path.read_text())["inputepw"]
        complaints = _TOO_MANY_FROZEN.findall((folder / f"{variables['prefix']}.wout").read_text())
        if not complaints:
            return []
        functions, energies = complaints[-1]  # the file grows with every attempt
        lowest = variables.get("dis_froz_min", -math.inf)
        bands = [energy for energy in map(float, energies.split()) if energy >= lowest]
        return patch_input(path, {"inputepw": {"dis_froz_max": round(bands[int(functions)] - _BELOW_BAND_EV, 3)}})


class StaleFilesHandler(FailureHandler):
    """The interpolation keeps files that are of use to the same meshes only."""

    failures = ("stale_restart_files",)
    cure = "restart.fmt, selecq.fmt and the .ephmat folder removed"
    max_num_corrections = 1

    def act(self, folder: Path, attempt: Attempt) -> list[str]:
        """Remove them."""
        return [f"{name}: removed" for name in remove_interpolation(folder, attempt.input_name)]


class PadeHandler(InputLadder):
    """The approximation by fractions breaks down when it is made of too many points."""

    failures = ("pade_not_finite",)
    cure = "`npade` 30, then 20"
    max_num_corrections = 2
    rungs: ClassVar[tuple[Namelists, ...]] = ({"inputepw": {"npade": 30}}, {"inputepw": {"npade": 20}})


class EliashbergHandler(FailureHandler):
    """Just below Tc the gap settles slowly."""

    failures = ("eliashberg_not_converged",)
    cure = "`nsiter` at least 1000, then `broyden_beta` 0.3"
    max_num_corrections = 2

    def act(self, folder: Path, attempt: Attempt) -> list[str]:
        """Allow more steps than there were, then mix more carefully."""
        path = folder / attempt.input_name
        steps = max(_MANY_STEPS, read_namelists(path.read_text())["inputepw"].get("nsiter", 0))
        for change in ({"nsiter": steps}, {"broyden_beta": 0.3})[self.n_applied_corrections :]:
            if actions := patch_input(path, {"inputepw": change}):
                return actions
        return []


def remove_interpolation(folder: Path, input_name: str) -> list[str]:
    """Remove what an earlier interpolation left, before one on other meshes.

    Returns
    -------
    list of str
        Names of what was there.
    """
    variables = read_namelists((folder / input_name).read_text())["inputepw"]
    matrix_elements = folder / variables.get("outdir", ".") / f"{variables['prefix']}.ephmat"
    removed = [path for path in (folder / "restart.fmt", folder / "selecq.fmt", matrix_elements) if path.exists()]
    for path in removed:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return [path.name for path in removed]


def epw_handlers() -> list[FailureHandler]:
    """Return the error handlers of epw.x."""
    return [StaleFilesHandler(), OuterWindowHandler(), FrozenWindowHandler(), *gap_handlers()]


def gap_handlers() -> list[FailureHandler]:
    """Return those for the Eliashberg equations, to which the files of an earlier interpolation are the input."""
    return [MemoryLimitHandler(), PadeHandler(), EliashbergHandler()]
