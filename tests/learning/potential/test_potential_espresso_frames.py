"""Labels of pw.x have the right sign and unit: real runs of silicon against finite differences of the energy."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.errors import EspressoError
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.documents import EspressoTaskDocument
from invdesflow.learning.potential.espresso_frames import stored_frames
from invdesflow.learning.potential.frames import check_frames, compositions
from invdesflow.learning.potential.labelling import Unlabelled, label_with_espresso

PSEUDOPOTENTIALS = Path("/usr/share/espresso/pseudo")
STEP = 0.004

needs_pw = pytest.mark.skipif(shutil.which("pw.x") is None, reason="pw.x is not installed")


def calculation(**overrides):
    settings = {"ecutwfc_ry": 24, "ecutrho_ry": 96, "k_spacing": 0.6, "conv_thr": 1e-10} | overrides
    return Calculation.of("smoke", str(PSEUDOPOTENTIALS), files={"Si": "Si.pz-vbc.UPF"}, overrides=settings)


def silicon(strain: np.ndarray | None = None, shift: float = 0.0) -> Structure:
    """Return silicon with one atom off its place, strained, and shifted further along the other diagonal."""
    deformation = np.eye(3) if strain is None else np.eye(3) + strain
    structure = Structure(
        Lattice(2.6 * (np.ones((3, 3)) - np.eye(3)) @ deformation), ["Si", "Si"], [[0, 0, 0], [0.26, 0.25, 0.24]]
    )
    structure.translate_sites([1], [shift, 0.0, 0.0], frac_coords=False)
    return structure


@needs_pw
def test_forces_and_virials_are_finite_differences_of_the_energy(database):
    shear = np.zeros((3, 3))
    shear[0, 1] = shear[1, 0] = STEP / 2
    stretch = STEP * np.diag([1.0, 0.0, 0.0])
    crystals = [
        silicon(),
        *(silicon(shift=sign * STEP) for sign in (1, -1)),
        *(silicon(strain=sign * shear) for sign in (1, -1)),
        *(silicon(strain=sign * stretch) for sign in (1, -1)),
    ]
    centre, *others = label_with_espresso(crystals, calculation())
    force, sheared, stretched = (-(up.energy_ev - down.energy_ev) / (2 * STEP) for up, down in _pairs(others))
    assert centre.forces[1, 0] == pytest.approx(force, abs=0.01)
    assert abs(force) > 0.2  # or the comparison says nothing
    assert centre.virial_ev[0, 1] == pytest.approx(sheared, abs=0.05)
    assert abs(sheared) > 0.2
    assert centre.virial_ev[0, 0] == pytest.approx(stretched, abs=0.15)  # the basis changes with the cell
    assert abs(stretched) > 0.5

    frames = list(stored_frames(database))
    assert compositions(frames) == {"Si": 7}
    assert len(check_frames(frames)) == 7
    assert {frame.identifier for frame in frames} == {frame.identifier for frame in (centre, *others)}


def _pairs(frames):
    return zip(frames[::2], frames[1::2], strict=True)


@needs_pw
def test_what_was_labelled_is_not_run_again_and_a_failure_is_told(database):
    [first] = label_with_espresso([silicon()], calculation())
    tasks = database.collection(EspressoTaskDocument)
    written = tasks.get(first.source).updated_at
    [again] = label_with_espresso([silicon()], calculation())
    assert (again.source, tasks.get(again.source).updated_at) == (first.source, written)
    hopeless = calculation(ecutwfc_ry=0.01, ecutrho_ry=0.04, max_corrections=0)
    [answer] = label_with_espresso([silicon()], hopeless)
    assert isinstance(answer, Unlabelled)
    assert "Si" in answer.reason


def test_a_missing_pseudopotential_ends_it():
    niobium = Structure(Lattice.cubic(3.3), ["Nb"], [[0, 0, 0]])
    with pytest.raises(EspressoError, match="Nb"):
        list(label_with_espresso([niobium], calculation()))
