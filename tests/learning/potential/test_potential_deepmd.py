"""Tiny DPA models learn EMT: killed and continued, fine-tuned, and kept from what would spoil them."""

import json
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from pymatgen.io.ase import AseAtomsAdaptor

from invdesflow.errors import LearningError, PotentialError
from invdesflow.learning.potential.committee import Committee
from invdesflow.learning.potential.deepmd_data import frames_digest, write_systems
from invdesflow.learning.potential.deepmd_input import DpaSettings, training_input
from invdesflow.learning.potential.deepmd_training import Parent, load_trained, train_potential
from invdesflow.learning.potential.evaluation import evaluate_frames
from invdesflow.learning.potential.frame_files import read_frames, write_frames
from invdesflow.learning.potential.frames import label_with
from invdesflow.learning.potential.packing import pack_potential
from invdesflow.learning.potential.sampling import DistortionSettings, distorted
from invdesflow.model_files import read_card
from invdesflow.relaxation.potentials import find_potential, load_calculator
from invdesflow.relaxation.registered import unpack_potential

pytest.importorskip("deepmd.pt")
pytest.importorskip("dpdata")

TINY = DpaSettings(
    cutoff=4.0, inner_cutoff=3.0, width=8, pair_width=4, layers=1, fitting=(8, 8), steps=40, save_every=10, batch_size=1
)
_TRAIN = """
import sys
from pathlib import Path
from invdesflow.learning.potential.deepmd_input import DpaSettings
from invdesflow.learning.potential.deepmd_training import train_potential
from invdesflow.learning.potential.frame_files import read_frames

train_potential(read_frames(Path(sys.argv[1])), DpaSettings.model_validate_json(sys.argv[2]), Path(sys.argv[3]))
"""


def emt_frames(crystals=(("CuAu", "cesiumchloride", 3.05), ("Cu", "fcc", 3.6)), n=4):
    frames = []
    for number, (name, prototype, lattice) in enumerate(crystals):
        structure = AseAtomsAdaptor.get_structure(bulk(name, prototype, a=lattice, cubic=True))
        frames += label_with(distorted(structure, DistortionSettings(), n, seed=number), EMT(), "EMT")
    return frames


def test_the_data_of_deepmd_have_our_labels(tmp_path):
    frames = emt_frames()
    systems = write_systems(frames, tmp_path / "data")
    assert [path.name for path in systems] == ["1", "2"]
    types = (systems[1] / "type_map.raw").read_text().split()
    data = systems[1] / "set.000"
    pairs = [frame for frame in frames if len(frame.symbols) == 2]
    order = np.argsort([frame.energy_ev for frame in pairs])
    found = np.argsort(np.load(data / "energy.npy").ravel())
    for one, other in zip(order, found, strict=True):
        frame = pairs[one]
        symbols = [types[number] for number in np.load(data / "real_atom_types.npy")[other]]
        assert sorted(symbols) == sorted(frame.symbols)
        np.testing.assert_allclose(np.load(data / "virial.npy")[other].reshape(3, 3), frame.virial_ev, atol=1e-6)
        np.testing.assert_allclose(np.load(data / "box.npy")[other].reshape(3, 3), frame.cell, atol=1e-6)
        forces = np.load(data / "force.npy")[other].reshape(-1, 3)
        np.testing.assert_allclose(forces[np.argsort(symbols)], frame.forces[np.argsort(frame.symbols)], atol=1e-6)


def test_the_digest_of_a_set_knows_its_labels_but_not_its_order(tmp_path):
    frames = emt_frames()
    assert frames_digest(frames[::-1]) == frames_digest(frames) != frames_digest(frames[1:])
    write_frames(tmp_path / "frames.xyz", frames)
    assert frames_digest(read_frames(tmp_path / "frames.xyz")) == frames_digest(frames)


@pytest.mark.parametrize("architecture", ["dpa2", "dpa3"])
def test_the_input_is_what_deepmd_accepts(architecture, tmp_path):
    from deepmd.utils.argcheck import normalize

    settings = TINY.model_copy(update={"architecture": architecture})
    content = training_input(settings, emt_frames(), [tmp_path])
    assert normalize(json.loads(json.dumps(content)))["model"]["type_map"] == ["Au", "Cu"]
    sizes = content["model"]["descriptor"]
    selected = sizes["repinit"]["nsel"] if architecture == "dpa2" else sizes["repflow"]["e_sel"]
    assert 18 < selected <= 36  # an atom of copper has 12 neighbours at 2.5 A and 6 at 3.6 A, and some to spare


def killed_training(frames, folder):
    """Train in a process of its own and kill it, and the program that it guards, once a checkpoint is there."""
    write_frames(folder.with_suffix(".xyz"), frames)
    arguments = [str(folder.with_suffix(".xyz")), TINY.model_dump_json(), str(folder)]
    process = subprocess.Popen([sys.executable, "-c", _TRAIN, *arguments], start_new_session=True)
    deadline = time.monotonic() + 300
    while not (folder / "checkpoint").is_file():
        assert process.poll() is None
        assert time.monotonic() < deadline, "there is no checkpoint"
        time.sleep(0.02)
    _, program, *_ = psutil.Process(process.pid).children(recursive=True)  # its guard would let it go on for a moment
    process.kill()
    program.kill()
    process.wait()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("potential") / "first"
    frames = emt_frames()
    killed_training(frames, folder)
    assert not (folder / "card.json").exists()
    with pytest.raises(LearningError, match="No training has ended"):
        load_trained(folder)
    return folder, frames, train_potential(frames, TINY, folder)


@pytest.mark.slow
def test_a_killed_training_goes_on_where_it_was(trained):
    folder, frames, model = trained
    steps = [int(line.split()[0]) for line in (folder / "lcurve.out").read_text().splitlines() if line[0] != "#"]
    assert steps[0] == 1
    assert steps[-1] == TINY.steps
    assert "Resuming from model.ckpt" in (folder / "train.log").read_text()
    assert model.card["training_set"]["compositions"] == {"Cu": 4, "CuAu": 4}
    written = (folder / "model.pth").stat().st_mtime_ns
    assert train_potential(frames, TINY, folder).potential == model.potential
    assert (folder / "model.pth").stat().st_mtime_ns == written


@pytest.mark.slow
def test_the_frozen_model_gives_energies_and_knows_its_elements(trained):
    _, frames, model = trained
    assert model.potential.elements == ("Au", "Cu")
    errors = evaluate_frames(frames, load_calculator(model.potential))
    assert errors.energy_rmse < 1.0
    with pytest.raises(PotentialError, match="does not know H"):
        model.potential.require(["H"])


@pytest.mark.slow
def test_a_potential_goes_through_the_registry_and_comes_back(trained, tmp_path):
    _, _, model = trained
    held_out = emt_frames([("Au", "fcc", 4.1)], n=2)
    packed = pack_potential(model, "emt-dpa2", held_out, tmp_path / "emt.safetensors")
    assert read_card(packed)["held_out"]["formulas"] == ["Au"]
    assert read_card(packed)["held_out"]["metrics"]["force RMSE (eV/A)"] >= 0
    unpacked = find_potential("DeePMD", str(unpack_potential(packed, tmp_path / "models")))
    assert unpacked.digest == model.potential.digest


@pytest.mark.slow
def test_fine_tuning_starts_from_the_parent_and_leaves_it_alone(trained, tmp_path):
    folder, frames, model = trained
    before = model.potential.digest
    few = TINY.model_copy(update={"steps": 10, "save_every": 5, "start_learning_rate": 1e-4, "width": 12})
    child = train_potential(frames, few, tmp_path / "child", parent=Parent(model.checkpoint))
    assert child.card["parent_sha256"] is not None
    assert load_trained(folder).potential.digest == before != child.potential.digest
    structure = frames[0].structure
    deviation = Committee.of([model.potential, child.potential]).deviation(structure)
    assert 0 < deviation.force < 5
    energy = load_calculator(child.potential).get_potential_energy(frames[0].atoms)
    # What was trained to its end is only frozen again; in the middle it goes on with the parent's architecture.
    for pointer, tolerance in (("model.ckpt-10.pt", 1e-6), ("model.ckpt-5.pt", 0.1)):
        for name in ("card.json", "model.pth"):
            (tmp_path / "child" / name).unlink()
        (tmp_path / "child" / "checkpoint").write_text(pointer)
        again = train_potential(frames, few, tmp_path / "child", parent=Parent(model.checkpoint))
        found = load_calculator(again.potential).get_potential_energy(frames[0].atoms)
        assert found == pytest.approx(energy, abs=tolerance)
    assert "Resuming from model.ckpt-5.pt" in (tmp_path / "child" / "train.log").read_text()


@pytest.mark.slow
def test_a_training_that_diverges_leaves_no_model(tmp_path):
    wild = TINY.model_copy(update={"start_learning_rate": 1e30, "stop_learning_rate": 1e29, "precision": "float32"})
    with pytest.raises(LearningError, match="diverged"):
        train_potential(emt_frames(), wild, tmp_path / "wild")
    assert not list((tmp_path / "wild").glob("*.pth"))
    with pytest.raises(LearningError, match="No training has ended"):
        load_trained(tmp_path / "wild")


def test_a_folder_belongs_to_one_training(tmp_path):
    (tmp_path / "question.json").write_text("{}")
    with pytest.raises(LearningError, match="another model"):
        train_potential(emt_frames(), TINY, tmp_path)


def test_a_parent_must_be_a_checkpoint(tmp_path):
    frozen = tmp_path / "model.pth"
    frozen.touch()
    with pytest.raises(LearningError, match="no checkpoint"):
        train_potential(emt_frames(), TINY, tmp_path / "child", parent=Parent(frozen))


def test_nothing_is_trained_on_what_is_held_out(tmp_path):
    with pytest.raises(LearningError, match="trained on and measured on"):
        train_potential(emt_frames(), TINY, tmp_path / "leak", held_out=emt_frames(n=1))
    assert not (tmp_path / "leak").exists()
