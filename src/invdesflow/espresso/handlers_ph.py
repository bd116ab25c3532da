"""Error handlers of ph.x, in order of priority.

None of them lets a stopped run go on: at q != 0, ``recover = .true.`` can end with return code 0 and wrong frequencies
(of aluminium, 73.5 to 139.9 cm-1 instead of 146.95, with QE 6.7; once also where the output told of no representation
that had been begun).
"""

import shutil
from pathlib import Path
from typing import ClassVar

from invdesflow.espresso.attempts import Attempt
from invdesflow.espresso.handlers import FailureHandler, InputLadder, twice_the_time
from invdesflow.espresso.input_files import Namelists, patch_input, read_namelists

__all__ = ["PhDiagonalisationHandler", "PhMixingHandler", "PhTimeHandler", "ph_handlers"]


class _FromScratch(InputLadder):
    """Tries other input variables in an empty folder of phonons."""

    def act(self, folder: Path, attempt: Attempt) -> list[str]:
        """Set the variables of the next rung and throw the unfinished phonons away."""
        actions = super().act(folder, attempt)
        return actions + _empty_phonons(folder, attempt) if actions else []


class PhDiagonalisationHandler(_FromScratch):
    """Conjugate gradients are slower than Davidson's method and do not need a positive overlap matrix."""

    failures = ("diagonalisation_failed",)
    cure = "`diagonalization` cg, from scratch"
    max_num_corrections = 1
    rungs: ClassVar[tuple[Namelists, ...]] = ({"inputph": {"diagonalization": "cg"}},)


class PhMixingHandler(_FromScratch):
    """A response that does not settle wants smaller steps; QE 6.7 allows 100 of them and a memory of 5."""

    failures = ("linear_response_not_converged",)
    cure = "`alpha_mix(1)` 0.3 and 100 iterations, then `nmix_ph` 5, then `alpha_mix(1)` 0.1; from scratch"
    max_num_corrections = 3
    rungs: ClassVar[tuple[Namelists, ...]] = (
        {"inputph": {"alpha_mix": [0.3], "niter_ph": 100}},
        {"inputph": {"nmix_ph": 5}},
        {"inputph": {"alpha_mix": [0.1]}},
    )


class PhTimeHandler(FailureHandler):
    """A run out of time starts again with twice the time."""

    failures = ("out_of_time",)
    cure = "from scratch with twice the time (`max_seconds`)"
    max_num_corrections = 6

    def act(self, folder: Path, attempt: Attempt) -> list[str]:
        """Double the time and throw the unfinished phonons away."""
        path = folder / attempt.input_name
        variables = read_namelists(path.read_text())["inputph"]
        return patch_input(path, {"inputph": twice_the_time(variables)}) + _empty_phonons(folder, attempt)


def _empty_phonons(folder: Path, attempt: Attempt) -> list[str]:
    outdir = read_namelists((folder / attempt.input_name).read_text())["inputph"].get("outdir", ".")
    shutil.rmtree(folder / outdir / "_ph0", ignore_errors=True)
    return ["_ph0: removed"]


def ph_handlers() -> list[FailureHandler]:
    """Return the error handlers of ph.x."""
    return [PhDiagonalisationHandler(), PhMixingHandler(), PhTimeHandler()]
