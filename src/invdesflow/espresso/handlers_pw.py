"""Error handlers of pw.x, in order of priority."""

import math
import re
from pathlib import Path
from typing import ClassVar

from invdesflow.espresso.attempts import Attempt
from invdesflow.espresso.handlers import FailureHandler, InputLadder, twice_the_time
from invdesflow.espresso.input_files import Namelists, patch_input, read_namelists, replace_cards

__all__ = [
    "BandsHandler",
    "ChargeHandler",
    "DiagonalisationHandler",
    "MixingHandler",
    "RelaxationHandler",
    "TimeHandler",
    "goes_on",
    "pw_handlers",
]

_FROM_SCRATCH = {"restart_mode": None}  # which is the default
_NUMBER_OF_BANDS = re.compile(r"number of Kohn-Sham states=\s*(\d+)")
_CELL = re.compile(r"^CELL_PARAMETERS.*\n(?:.*\n){3}", re.MULTILINE)
_BANDS = {"nscf", "bands"}
_ITERATION = "iteration #"
_LAST_CYCLE = "Final scf calculation at the relaxed structure"
_MORE_BANDS = 1.25
_MORE_CELL = 1.5
_DEFAULT_CELL_FACTOR = 2.0


class DiagonalisationHandler(InputLadder):
    """Conjugate gradients are slower than Davidson's method and do not need a positive overlap matrix."""

    failures = ("diagonalisation_failed",)
    cure = "`diagonalization` david -> cg -> paro"
    max_num_corrections = 2
    rungs: ClassVar[tuple[Namelists, ...]] = (
        {"control": _FROM_SCRATCH, "electrons": {"diagonalization": "cg"}},
        {"control": _FROM_SCRATCH, "electrons": {"diagonalization": "paro"}},
    )


class ChargeHandler(InputLadder):
    """A charge that is not the number of electrons comes from bands that the diagonalisation got wrong."""

    failures = ("charge_wrong",)
    cure = "`diagonalization` cg, then `mixing_beta` 0.2"
    max_num_corrections = 2
    rungs: ClassVar[tuple[Namelists, ...]] = (
        {"control": _FROM_SCRATCH, "electrons": {"diagonalization": "cg"}},
        {"control": _FROM_SCRATCH, "electrons": {"mixing_beta": 0.2}},
    )


class MixingHandler(InputLadder):
    """A charge that sloshes wants smaller steps, in uneven systems with a local screening."""

    failures = ("scf_not_converged",)
    cure = "`mixing_beta` 0.3 and 200 iterations, then `mixing_mode` local-TF, then `mixing_beta` 0.1"
    max_num_corrections = 3
    rungs: ClassVar[tuple[Namelists, ...]] = (
        {"control": _FROM_SCRATCH, "electrons": {"mixing_beta": 0.3, "electron_maxstep": 200}},
        {"control": _FROM_SCRATCH, "electrons": {"mixing_mode": "local-TF"}},
        {"control": _FROM_SCRATCH, "electrons": {"mixing_beta": 0.1, "mixing_ndim": 12}},
    )


class TimeHandler(FailureHandler):
    """pw.x goes on from a clean stop, with three exceptions.

    Bands of a given potential do not restart. The last cycle of a relaxation has another basis than the steps before
    it, in which a restart finds a wrong charge. A run that was stopped before its first iteration would be stopped
    there again. They all get more time.
    """

    failures = ("out_of_time",)
    cure = (
        "`restart_mode` restart; with twice the time if no iteration began; bands from scratch with twice the time; "
        "the last cycle of a relaxation from the last structure with twice the time"
    )
    max_num_corrections = 20

    def act(self, folder: Path, attempt: Attempt) -> list[str]:
        """Let the next attempt go on."""
        path = folder / attempt.input_name
        control = read_namelists(path.read_text())["control"]
        if control.get("calculation", "scf") in _BANDS:
            return patch_input(path, {"control": _FROM_SCRATCH | twice_the_time(control)})
        output = (folder / attempt.output_name).read_text(errors="replace")
        if _LAST_CYCLE in output:
            return _take_last_structure(path, output) + patch_input(path, {"control": twice_the_time(control)})
        changes = {"restart_mode": "restart"} | ({} if _ITERATION in output else twice_the_time(control))
        return patch_input(path, {"control": changes}) or ["restart_mode: restart, once more"]


def goes_on(folder: Path, attempt: Attempt) -> bool:
    """Tell whether a run that stopped itself has come far enough to go on, and would not have to begin again."""
    control = read_namelists((folder / attempt.input_name).read_text())["control"]
    output = (folder / attempt.output_name).read_text(errors="replace")
    return control.get("calculation", "scf") not in _BANDS and _ITERATION in output


class RelaxationHandler(FailureHandler):
    """A relaxation that ran out of steps, or whose line search failed, starts again where it stopped.

    So does one whose cell has outgrown the tables made for its first cell, and with room for larger ones.
    """

    failures = ("cell_changed_too_much", "line_search_failed", "ions_not_converged")
    cure = "start again from the last structure; after a large change of the cell, with `cell_factor` 1.5 times larger"
    max_num_corrections = 3

    def act(self, folder: Path, attempt: Attempt) -> list[str]:
        """Put the last structure of the output into the input."""
        path = folder / attempt.input_name
        actions = _take_last_structure(path, (folder / attempt.output_name).read_text(errors="replace"))
        if attempt.failure is not None and attempt.failure.name == "cell_changed_too_much":
            factor = read_namelists(path.read_text()).get("cell", {}).get("cell_factor", _DEFAULT_CELL_FACTOR)
            actions += patch_input(path, {"cell": {"cell_factor": _MORE_CELL * factor}})
        return actions


class BandsHandler(FailureHandler):
    """Electrons in the highest band mean that there are more above it."""

    failures = ("highest_band_occupied",)
    cure = "a quarter more bands (`nbnd`)"
    max_num_corrections = 3

    def act(self, folder: Path, attempt: Attempt) -> list[str]:
        """Raise the number of bands."""
        with (folder / attempt.output_name).open(errors="replace") as output:
            bands = next(int(found[1]) for line in output if (found := _NUMBER_OF_BANDS.search(line)))
        more = math.ceil(_MORE_BANDS * bands) + 1
        return patch_input(folder / attempt.input_name, {"control": _FROM_SCRATCH, "system": {"nbnd": more}})


def _take_last_structure(path: Path, output: str) -> list[str]:
    system = read_namelists(path.read_text())["system"]
    positions = re.findall(rf"^ATOMIC_POSITIONS.*\n(?:.*\n){{{system['nat']}}}", output, re.MULTILINE)
    cells = _CELL.findall(output) if system.get("ibrav") == 0 else []
    found = {"CELL_PARAMETERS": cells, "ATOMIC_POSITIONS": positions}
    cards = {name: blocks[-1] for name, blocks in found.items() if blocks}
    replace_cards(path, cards)
    return [f"{name}: as in the last step" for name in cards] + patch_input(path, {"control": _FROM_SCRATCH})


def pw_handlers() -> list[FailureHandler]:
    """Return the error handlers of pw.x."""
    return [
        DiagonalisationHandler(),
        ChargeHandler(),
        RelaxationHandler(),
        MixingHandler(),
        BandsHandler(),
        TimeHandler(),
    ]
