"""Errors of a potential that is known to be wrong by known amounts."""

from dataclasses import replace

import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from pymatgen.io.ase import AseAtomsAdaptor

from invdesflow.errors import LearningError
from invdesflow.learning.potential.evaluation import evaluate_frames, evaluate_lattices, split_by_composition
from invdesflow.learning.potential.frames import label_with
from invdesflow.learning.potential.sampling import DistortionSettings, distorted
from invdesflow.relaxation.relaxation import RelaxationSettings


def frames(element="Cu", lattice=3.6):
    crystal = AseAtomsAdaptor.get_structure(bulk(element, "fcc", a=lattice, cubic=True))
    return list(label_with(distorted(crystal, DistortionSettings(), 3, seed=1), EMT(), "EMT"))


def test_labels_that_are_off_by_known_amounts():
    shifted = [
        replace(one, energy_ev=one.energy_ev + 0.5, forces=one.forces + 0.1, virial_ev=one.virial_ev - 0.2 * np.eye(3))
        for one in frames()
    ]
    errors = evaluate_frames(shifted, EMT())
    assert (errors.energy_rmse, errors.energy_mae) == pytest.approx((0.5, 0.5))
    assert errors.relative_energy_rmse == pytest.approx(0, abs=1e-7)
    assert (errors.force_rmse, errors.force_mae) == pytest.approx((0.1, 0.1))
    assert errors.virial_rmse == pytest.approx(0.2 / np.sqrt(3))
    pressures = [0.2 / one.volume / units.GPa for one in shifted]
    assert errors.pressure_rmse_gpa == pytest.approx(np.sqrt(np.mean(np.square(pressures))))


def test_a_composition_is_held_out_as_a_whole():
    training, held_out = split_by_composition([*frames(), *frames("Au", 4.1)], ["Au4"])
    assert {one.formula for one in training} == {"Cu"}
    assert {one.formula for one in held_out} == {"Au"}
    with pytest.raises(LearningError, match="No labelled crystal is Nb"):
        split_by_composition(training, ["Nb"])
    with pytest.raises(LearningError, match="to measure"):
        evaluate_frames([], EMT())


def test_lattices_are_compared_with_references():
    references = {
        name: AseAtomsAdaptor.get_structure(bulk("Cu", "fcc", a=a, cubic=True))
        for name, a in (("3.60", 3.6), ("3.65", 3.65))
    }
    settings = RelaxationSettings(fmax=1e-4)
    errors = evaluate_lattices(references, EMT(), settings)
    assert all(one.converged for one in errors)
    first, second = ((1 + one.relative_error) * float(one.name) for one in errors)
    assert first == pytest.approx(second, abs=1e-4)
    assert first == pytest.approx(3.59, abs=0.01)
