"""Labels have the sign and unit that they claim, and nothing that must not be trained on gets through."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from invdesflow.errors import LearningError
from invdesflow.learning.potential.frame_files import read_frames, write_frames
from invdesflow.learning.potential.frames import check_frames, compositions, label_with


def crystal(seed: int = 1, element: str = "Cu") -> Structure:
    atoms = bulk(element, "fcc", a=3.6, cubic=True)
    atoms.symbols[0] = "Au"
    atoms.rattle(0.1, seed=seed)
    atoms.set_cell(atoms.cell[:] @ (np.eye(3) + 0.03 * np.random.default_rng(seed).normal(size=(3, 3))), True)
    return AseAtomsAdaptor.get_structure(atoms)


def frame(structure: Structure):
    return next(label_with([structure], EMT(), "EMT"))


def strained(structure: Structure, strain: np.ndarray) -> Structure:
    return Structure(structure.lattice.matrix @ (np.eye(3) + strain), structure.species, structure.frac_coords)


@pytest.mark.parametrize(("i", "j"), [(0, 0), (1, 1), (0, 1), (1, 2)])
def test_the_virial_is_minus_the_derivative_of_the_energy_with_the_strain(i, j):
    structure, step = crystal(), 1e-4
    strain = np.zeros((3, 3))
    strain[i, j] += step / 2
    strain[j, i] += step / 2
    up, down = (frame(strained(structure, sign * strain)).energy_ev for sign in (1, -1))
    assert frame(structure).virial_ev[i, j] == pytest.approx(-(up - down) / (2 * step), abs=2e-4)


def test_the_forces_are_minus_the_derivative_of_the_energy_with_the_positions():
    structure, step = crystal(), 1e-4
    moved = []
    for sign in (1, -1):
        other = structure.copy()
        other.translate_sites([2], sign * step * np.array([0.0, 1.0, 0.0]), frac_coords=False)
        moved.append(frame(other).energy_ev)
    assert frame(structure).forces[2, 1] == pytest.approx(-(moved[0] - moved[1]) / (2 * step), abs=1e-5)


def test_a_file_keeps_frames_and_their_identity(tmp_path):
    frames = [replace(frame(crystal(seed)), pseudopotentials={"Cu": "abc"}, source="x") for seed in (1, 2)]
    write_frames(tmp_path / "frames.xyz", frames)
    for old, new in zip(frames, read_frames(tmp_path / "frames.xyz"), strict=True):
        assert (new.identifier, new.theory, new.source) == (old.identifier, "EMT", "x")
        assert new.pseudopotentials == {"Cu": "abc"}
        assert new.energy_ev == pytest.approx(old.energy_ev, abs=1e-10)
        np.testing.assert_allclose(new.forces, old.forces, atol=1e-8)
        np.testing.assert_allclose(new.virial_ev, old.virial_ev, atol=1e-8)


def test_a_file_that_is_none_and_one_without_labels_are_refused(tmp_path):
    path = tmp_path / "frames.xyz"
    path.write_text("nonsense\n")
    with pytest.raises(LearningError, match="cannot be read"):
        read_frames(path)
    bulk("Cu").write(path, format="extxyz")
    with pytest.raises(LearningError, match="no energy, forces, stress"):
        read_frames(path)


def test_what_comes_twice_is_trained_on_once():
    one, other = frame(crystal(1)), frame(crystal(2))
    assert check_frames([one, other, frame(crystal(1))]) == [one, other]
    assert compositions([one, other]) == {"Cu3Au": 2}


def contaminated():
    one = frame(crystal())
    yield [], [], "no labelled crystals"
    yield [replace(one, energy_ev=float("nan"))], [], "not a number"
    yield [replace(one, forces=np.full((4, 3), np.inf))], [], "not a number"
    yield [one], [replace(frame(crystal(3)), virial_ev=np.full((3, 3), np.nan))], "not a number"
    yield [one], [frame(crystal(3))], "trained on and measured on"
    yield [one, replace(one, energy_ev=one.energy_ev + 0.1)], [], "differ"
    yield [one, replace(frame(crystal(3)), theory="LJ")], [], "2 theories"
    digests = [replace(frame(crystal(seed)), pseudopotentials={"Cu": str(seed)}) for seed in (1, 2)]
    yield digests, [], "two pseudopotentials of Cu"


@pytest.mark.parametrize(("training", "held_out", "problem"), contaminated())
def test_contaminated_sets_are_refused(training, held_out, problem):
    with pytest.raises(LearningError, match=problem):
        check_frames(training, held_out)


def test_the_labels_of_hydrides_can_be_trained_on():
    known = read_frames(Path(__file__).parents[3] / "benchmarks" / "hydride_labels.xyz")
    assert len(check_frames(known)) == len(known) == 26
    assert {len(frame.symbols) for frame in known} == {9, 10}
