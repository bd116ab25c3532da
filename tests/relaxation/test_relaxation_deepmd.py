"""A DeePMD model, trained here for a few steps on EMT energies, goes the same way as the shipped potentials."""

import json
import subprocess
import sys

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from pymatgen.io.ase import AseAtomsAdaptor

from invdesflow.errors import PotentialError
from invdesflow.relaxation.batch import relax_batch
from invdesflow.relaxation.potentials import find_potential, load_calculator

pytest.importorskip("deepmd.pt")
pytestmark = pytest.mark.slow


def write_frames(folder, n_frames=24):
    """Write EMT energies, forces and virials of strained and rattled copper-gold in DeePMD's raw format."""
    frames = []
    for seed in range(n_frames):
        atoms = bulk("CuAu", "cesiumchloride", a=3.05) * (2, 2, 2)
        rng = np.random.default_rng(seed)
        atoms.set_cell(atoms.cell[:] * rng.uniform(0.96, 1.06), scale_atoms=True)
        atoms.rattle(0.06, seed=seed)
        atoms.calc = EMT()
        virial = -atoms.get_stress(voigt=False) * atoms.get_volume()
        frames.append((atoms.cell[:], atoms.positions, atoms.get_potential_energy(), atoms.get_forces(), virial))
    system = folder / "system"
    data = system / "set.000"
    data.mkdir(parents=True)
    (system / "type.raw").write_text("\n".join("0" if symbol == "Cu" else "1" for symbol in atoms.symbols))
    (system / "type_map.raw").write_text("Cu\nAu\n")
    for name, column in zip(("box", "coord", "energy", "force", "virial"), zip(*frames, strict=True), strict=True):
        np.save(data / f"{name}.npy", np.array(column).reshape(n_frames, -1))
    return system


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deepmd")
    system = str(write_frames(folder))
    recipe = {
        "model": {
            "type_map": ["Cu", "Au"],
            "descriptor": {
                "type": "se_e2_a",
                "sel": [60, 60],
                "rcut": 5.0,
                "rcut_smth": 3.0,
                "neuron": [8, 16],
                "axis_neuron": 4,
                "seed": 1,
            },
            "fitting_net": {"neuron": [32, 32], "seed": 1},
        },
        "learning_rate": {"type": "exp", "start_lr": 0.005, "stop_lr": 1e-4, "decay_steps": 50},
        "loss": {
            "type": "ener",
            "start_pref_e": 1,
            "limit_pref_e": 1,
            "start_pref_f": 100,
            "limit_pref_f": 1,
            "start_pref_v": 1,
            "limit_pref_v": 1,
        },
        "training": {
            "training_data": {"systems": [system], "batch_size": 2},
            "numb_steps": 300,
            "disp_freq": 100,
            "save_freq": 300,
            "seed": 1,
        },
    }
    (folder / "input.json").write_text(json.dumps(recipe))
    for command in (["train", "input.json", "--skip-neighbor-stat"], ["freeze", "-o", "model.pth"]):
        program = [sys.executable, "-c", "from deepmd.main import main; main()", "--pt", *command]
        subprocess.run(program, cwd=folder, check=True, capture_output=True, timeout=500)
    return folder / "model.pth"


def test_the_model_says_which_elements_it_knows(model):
    potential = find_potential("DeePMD", str(model))
    assert potential.elements == ("Cu", "Au")
    with pytest.raises(PotentialError, match="does not know Nb"):
        potential.require(["Nb"])


def test_relaxes_close_to_what_it_was_trained_on(model):
    potential = find_potential("DeePMD", str(model))
    start = AseAtomsAdaptor.get_structure(bulk("CuAu", "cesiumchloride", a=3.15))
    [(_, result)] = relax_batch({"CuAu": start}, potential, workers=1)
    assert result.converged, result.reason
    assert result.spacegroup_after == 221
    reference = bulk("CuAu", "cesiumchloride", a=result.structure.lattice.a)
    reference.calc = EMT()
    assert abs(np.trace(reference.get_stress(voigt=False))) / 3 < 0.05  # eV/A^3: EMT nearly agrees that it is at rest
    calculator = load_calculator(potential)
    assert calculator.get_potential_energy(reference) == pytest.approx(result.energy_ev, abs=1e-4)
