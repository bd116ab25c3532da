"""Labels of crystals that a potential should learn from: single points of pw.x, or what another potential says."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pymatgen.core import Structure

from invdesflow.errors import EspressoError
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.inputs import automatic_k_points
from invdesflow.espresso.meshes import mesh_of_spacing
from invdesflow.espresso.pw_jobs import SAVE, pw_groups, run_pw
from invdesflow.learning.potential.espresso_frames import frame_of_task
from invdesflow.learning.potential.frames import Frame, label_with
from invdesflow.relaxation.potentials import Potential, load_calculator

__all__ = ["Unlabelled", "label_with_espresso", "label_with_potential"]

_MOST_FAILURES = 3
_NOT_LABELS = (f"{SAVE}/wfc*", f"{SAVE}/charge-density.*", f"{SAVE}/*.upf", "out/*.wfc*", "pseudo")


@dataclass(frozen=True)
class Unlabelled:
    """A crystal that pw.x gave no labels for, and why."""

    structure: Structure
    reason: str


def label_with_espresso(structures: Iterable[Structure], calculation: Calculation) -> Iterator[Frame | Unlabelled]:
    """Label crystals with pw.x, one after the other.

    Every run is a task of its own, kept in the database as it ends: what was labelled before is not run again, and
    after a stop the same call goes on.

    Parameters
    ----------
    structures
        Crystals, in any cell; they are calculated as they stand, at the k-mesh of the protocol's spacing.
    calculation
        Accuracy and pseudopotentials.

    Yields
    ------
    Frame or Unlabelled
        One for each crystal, in their order.

    Raises
    ------
    EspressoError
        If a pseudopotential is missing, or three runs in a row fail.
    """
    groups = pw_groups(calculation, "scf", control={"tstress": True, "tprnfor": True})
    failures = 0
    for structure in structures:
        calculation.pseudopotentials(structure)
        k_points = automatic_k_points(mesh_of_spacing(structure, calculation.protocol.k_spacing))
        try:
            document = run_pw(calculation, "label", structure, groups, k_points_card=k_points, superfluous=_NOT_LABELS)
        except EspressoError as error:
            failures += 1
            if failures == _MOST_FAILURES:
                raise
            yield Unlabelled(structure, error.problem)
            continue
        failures = 0
        yield frame_of_task(document) or Unlabelled(structure, "pw.x left no forces or no stress")


def label_with_potential(structures: Iterable[Structure], potential: Potential) -> Iterator[Frame]:
    """Label crystals with a potential, whose program, name and digest are the theory of the labels.

    Raises
    ------
    PotentialError
        If the potential cannot be loaded.
    Exception
        Whatever its calculator raises.
    """
    theory = f"{potential.kind} {Path(potential.model).name} {potential.digest[:16]}"
    return label_with(structures, load_calculator(potential), theory)
