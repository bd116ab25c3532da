"""Potentials: the weights that are named are the weights that are loaded."""

import hashlib
import importlib.util
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import bulk

from invdesflow.errors import PotentialError
from invdesflow.relaxation.potentials import Potential, find_potential, load_calculator, weights_path

CHGNET = Path(importlib.util.find_spec("chgnet").submodule_search_locations[0])
WEIGHTS = CHGNET / "pretrained/0.3.0/chgnet_0.3.0_e29f68s314m37.pth.tar"


def test_default_is_chgnet_as_it_comes_in_its_wheel():
    potential = find_potential()
    assert (potential.kind, potential.model) == ("CHGNet", "0.3.0")
    assert potential.digest == hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    assert len(potential.elements) == 89
    assert Potential.model_validate_json(potential.model_dump_json()) == potential


@pytest.mark.parametrize("model", ["0.3.0", "0.2.0", "r2scan"])
def test_calculator_gives_what_the_stock_calculator_gives(model, capsys):
    from chgnet.model import CHGNet
    from chgnet.model.dynamics import CHGNetCalculator

    atoms = bulk("NiAl", "cesiumchloride", a=2.95)
    atoms.rattle(0.05, seed=1)
    capsys.readouterr()
    atoms.calc = load_calculator(find_potential("CHGNet", model))
    ours = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
    assert capsys.readouterr().out == ""
    atoms.calc = CHGNetCalculator(CHGNet.load(model_name=model, use_device="cpu"), use_device="cpu")
    assert ours[0] == pytest.approx(atoms.get_potential_energy(), abs=1e-5)
    np.testing.assert_allclose(ours[1], atoms.get_forces(), atol=1e-4)
    np.testing.assert_allclose(ours[2], atoms.get_stress(), atol=1e-5)


def test_a_file_is_the_same_potential_as_the_name(tmp_path):
    copy = tmp_path / "weights.pth.tar"
    copy.write_bytes(WEIGHTS.read_bytes())
    potential = find_potential("CHGNet", str(copy))
    assert potential.digest == find_potential().digest
    atoms = bulk("Cu")
    atoms.calc = load_calculator(potential)
    assert atoms.get_potential_energy() == pytest.approx(-4.1, abs=0.1)


def test_weights_that_changed_are_refused(tmp_path):
    copy = tmp_path / "weights.pth.tar"
    copy.write_bytes(WEIGHTS.read_bytes())
    potential = find_potential("CHGNet", str(copy))
    copy.write_bytes(WEIGHTS.read_bytes() + b"\0")
    with pytest.raises(PotentialError, match="changed"):
        load_calculator(potential)


def test_damaged_weights_are_refused_in_one_line(tmp_path):
    broken = tmp_path / "weights.pth.tar"
    broken.write_bytes(WEIGHTS.read_bytes()[:1000])
    with pytest.raises(PotentialError, match="cannot load") as raised:
        load_calculator(find_potential("CHGNet", str(broken)))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "model", "message"),
    [
        ("CHGNet", "9.9", "no CHGNet model '9.9'"),
        ("SevenNet", "/nowhere/model.pth", "no SevenNet model"),
        ("DeePMD", None, "without weights"),
        ("DeePMD", "/nowhere/model.pth", "DeePMD"),
        ("GAP", None, "no potential of kind"),
    ],
)
def test_what_is_not_there_is_refused_with_a_remedy(kind, model, message):
    with pytest.raises(PotentialError, match=message) as raised:
        find_potential(kind, model)
    assert raised.value.remedy


def test_a_missing_package_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PotentialError, match=r"package sevenn, which is not installed.*pip install"):
        find_potential("SevenNet")


def test_unknown_elements_are_named():
    with pytest.raises(PotentialError, match="does not know Po, Rn"):
        find_potential().require(["Rn", "Cu", "Po"])


def test_sevennet_says_itself_which_elements_it_knows():
    pytest.importorskip("sevenn")
    potential = find_potential("SevenNet")
    assert set(potential.elements) == set(find_potential().elements)
    atoms = bulk("Cu")
    atoms.calc = load_calculator(potential)
    assert atoms.get_potential_energy() == pytest.approx(-4.1, abs=0.1)


class _Code:
    def __reduce__(self):
        return os.mkdir, ("made by a checkpoint",)


@pytest.mark.parametrize("kind", ["CHGNet", "SevenNet"])
def test_weights_that_would_run_code_are_refused(kind, tmp_path, monkeypatch):
    pytest.importorskip("sevenn")
    monkeypatch.chdir(tmp_path)
    torch.save({"model": _Code(), "config": {}}, tmp_path / "weights.pth")
    with pytest.raises(PotentialError):
        load_calculator(find_potential(kind, "weights.pth"))
    assert not Path("made by a checkpoint").exists()


def test_a_copy_of_sevennet_is_taken(tmp_path):
    pytest.importorskip("sevenn")
    shutil.copy(weights_path(find_potential("SevenNet")), tmp_path / "mine.pth")
    assert find_potential("SevenNet", str(tmp_path / "mine.pth")).digest == find_potential("SevenNet").digest


def test_compiled_models_are_refused(tmp_path):
    pytest.importorskip("deepmd")
    (tmp_path / "model.pt2").touch()
    with pytest.raises(PotentialError, match=r"\.pth"):
        find_potential("DeePMD", str(tmp_path / "model.pt2"))
