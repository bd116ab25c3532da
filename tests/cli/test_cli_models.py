"""`invdesflow models`, on a real database and the models that ship."""

import json

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.cli import models
from invdesflow.errors import ConfigurationError, ModelError
from invdesflow.generation.diffusion import model as generator
from invdesflow.generation.known_compounds import SHIPPED as known_compounds
from invdesflow.model_files import write_model
from invdesflow.screening import kinds as screening

SHIPPED = {"superconductors", "crystals", "classifier-1", "formation-energy-1", "tc-alignn-1", "cost-1"}
METRIC = "MAE (eV/atom)"


def shown(capsys):
    return json.loads(capsys.readouterr().out)


def another_model(folder, name, change, capsys):
    """Write a formation-energy model whose held-out error is that of the shipped one and a change."""
    models.show("formation-energy-1", json=True)
    [shipped] = shown(capsys)
    held_out = shipped["card"]["held_out"]
    error = held_out["metrics"][METRIC] + change
    card = {
        "kind": "formation-energy",
        "version": 1,
        "model_id": name,
        "held_out": held_out | {"metrics": {METRIC: error}},
    }
    path = folder / "model.safetensors"
    write_model(path, {"weight": np.ones(3)}, card)
    return path


def test_every_shipped_model_is_listed_and_one_of_each_kind_is_asked(database, capsys):
    models.list_models(json=True)
    rows = shown(capsys)
    assert {row["model_id"] for row in rows} == SHIPPED
    assert {row["model_id"] for row in rows if row["promoted"]} == SHIPPED - {"crystals"}
    models.list_models()
    table = capsys.readouterr().out
    assert all(name in table for name in SHIPPED)
    assert METRIC in table


def test_an_imported_potential_is_listed_and_none_is_asked_before_one_is_promoted(database, tmp_path, capsys):
    path = tmp_path / "hydrides.safetensors"
    card = {"kind": "potential", "version": 1, "model_id": "hydrides"}
    write_model(path, {"frozen_model": np.zeros(3, dtype=np.uint8)}, card)
    models.import_model(path)
    capsys.readouterr()
    models.list_models(json=True)
    assert {row["model_id"]: row["promoted"] for row in shown(capsys)}["hydrides"] is False


def test_all_models_together_stay_small():
    shipped = [path for paths in screening.SHIPPED.values() for path in paths] + [*generator.SHIPPED, known_compounds]
    assert sum(path.stat().st_size for path in shipped) < 30e6


def test_a_better_model_is_imported_promoted_and_exported(database, tmp_path, capsys):
    path = another_model(tmp_path, "mine", -0.001, capsys)
    models.import_model(path)
    models.promote("mine")
    models.list_models(json=True)
    promoted = {row["kind"]: row["model_id"] for row in shown(capsys) if row["promoted"]}
    assert promoted["formation-energy"] == "mine"
    assert promoted["tc"] == "tc-alignn-1"
    models.export("mine", tmp_path / "out")
    assert (tmp_path / "out" / "mine.safetensors").read_bytes() == path.read_bytes()


def test_a_worse_model_is_not_promoted(database, tmp_path, capsys):
    models.import_model(another_model(tmp_path, "mine", 0.001, capsys))
    with pytest.raises(ModelError, match=r"not better than formation-energy-1: MAE \(eV/atom\)"):
        models.promote("mine")


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_a_card_is_shown(database, capsys, name):
    models.show(name)
    assert "sha256" in capsys.readouterr().out


def test_mistakes_have_one_line(database, tmp_path):
    with pytest.raises(ModelError, match="There is no model 'absent'"):
        models.show("absent")
    with pytest.raises(ModelError, match="cannot be read"):
        models.import_model(tmp_path / "absent.safetensors")
    with pytest.raises(ConfigurationError, match="not NAME=PATH"):
        models.evaluate("tc-alignn-1", ["alexandria"])
    with pytest.raises(ConfigurationError, match="not measured on held-out formulas"):
        models.evaluate("cost-1", ["alexandria=absent.gz"])


def test_crystals_in_files_are_predicted_without_a_database(tmp_path, capsys):
    boride = Structure.from_spacegroup(
        "P6/mmm", Lattice.hexagonal(3.08, 3.52), ["Mg", "B"], [[0, 0, 0], [1 / 3, 2 / 3, 0.5]]
    )
    salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5] * 3])
    polonium = Structure(Lattice.cubic(3.36), ["Po"], [[0, 0, 0]])
    paths = []
    for number, crystal in enumerate((boride, salt, polonium)):
        paths.append(tmp_path / f"{number}.cif")
        crystal.to_file(str(paths[-1]))
    models.predict(paths, json=True)
    first, second, third = shown(capsys)
    assert first["superconductor_probability"] > 0.5 > second["superconductor_probability"]
    assert first["tc_k"] > 5
    assert second["formation_energy_ev_per_atom"] == pytest.approx(-2.1, abs=0.15)  # experiment: -2.13
    assert third["tc_k"] is None
    assert "Po" in third["reason"]
    models.predict(paths[:1])
    assert "MgB2" in capsys.readouterr().out
