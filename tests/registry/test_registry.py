"""The registry of models, in a real database."""

import json

import numpy as np
import pytest

from invdesflow.errors import DatabaseError, ModelError
from invdesflow.model_files import read_model, write_model
from invdesflow.registry.documents import ModelDocument
from invdesflow.registry.registry import Registry


def model_file(folder, name, error, *, kind="tc", formulas="f1", weight=None):
    path = folder / f"{name}.safetensors"
    card = {
        "kind": kind,
        "version": 1,
        "model_id": name,
        "parent": None,
        "held_out": {"rows": 10, "formulas_digest": formulas, "metrics": {"MAE (K)": error}},
    }
    write_model(path, {"weight": np.full(40, error if weight is None else weight)}, card)
    return path


@pytest.fixture
def registry(database, tmp_path):
    shipped = {"tc": [model_file(tmp_path, "first", 1.0)], "cost": []}
    return Registry(database, shipped, {"tc": ("MAE (K)", False)})


def test_what_ships_is_asked_without_being_stored(registry, tmp_path):
    assert registry.promoted("tc").model_id == "first"
    assert registry.find("tc") == tmp_path / "first.safetensors"
    assert [model.model_id for model in registry.models()] == ["first"]


def test_a_better_model_is_promoted_and_its_weights_come_back_from_the_database(registry, tmp_path):
    path = model_file(tmp_path, "second", 0.5)
    registry.add(path)
    assert registry.promoted("tc").model_id == "first"
    path.unlink()
    registry.promote("second")
    found = registry.find("tc")
    assert read_model(found, "tc", 1)[0]["weight"].tolist() == [0.5] * 40
    registry.promote("first", anyway=True)
    assert registry.promoted("tc").model_id == "first"


def test_a_model_that_is_not_better_is_not_promoted(registry, tmp_path):
    registry.add(model_file(tmp_path, "worse", 2.0))
    with pytest.raises(ModelError, match=r"not better than first: MAE \(K\) is 2, not 1"):
        registry.promote("worse")
    registry.add(model_file(tmp_path, "equal", 1.0, weight=3.0))
    with pytest.raises(ModelError, match="not better"):
        registry.promote("equal")
    registry.add(model_file(tmp_path, "elsewhere", 0.1, formulas="f2"))
    with pytest.raises(ModelError, match="different held-out formulas"):
        registry.promote("elsewhere")
    assert registry.promoted("tc").model_id == "first"
    assert registry.promote("worse", anyway=True).promoted_at is not None
    assert registry.promoted("tc").model_id == "worse"


def test_a_model_is_exported_as_it_was_imported(registry, tmp_path):
    path = model_file(tmp_path, "second", 0.5)
    registry.add(path)
    written = registry.export("second", tmp_path / "out")
    assert written.read_bytes() == path.read_bytes()
    assert written.with_suffix(".json").read_text() == path.with_suffix(".json").read_text()
    assert registry.export("first", tmp_path / "out").read_bytes() == (tmp_path / "first.safetensors").read_bytes()


def test_importing_again_changes_nothing(registry, database, tmp_path):
    path = model_file(tmp_path, "second", 0.5)
    first = registry.add(path)
    registry.promote("second")
    assert registry.add(path).digest == first.digest
    assert registry.promoted("tc").model_id == "second"
    assert database.raw["data.files"].count_documents({}) == 1


def test_two_models_cannot_have_one_name(registry, tmp_path):
    registry.add(model_file(tmp_path, "second", 0.5))
    with pytest.raises(ModelError, match="Another model is called second"):
        registry.add(model_file(tmp_path, "second", 0.6))


def test_damaged_and_foreign_files_are_refused(registry, tmp_path):
    path = model_file(tmp_path, "second", 0.5)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match="SHA-256"):
        registry.add(path)
    with pytest.raises(ModelError, match="unknown kind 'oracle'"):
        registry.add(model_file(tmp_path, "third", 0.5, kind="oracle"))
    with pytest.raises(ModelError, match="cannot be read"):
        registry.add(tmp_path / "absent.safetensors")
    nameless = model_file(tmp_path, "fourth", 0.5)
    card = json.loads(nameless.with_suffix(".json").read_text())
    del card["model_id"]
    nameless.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="lacks model_id"):
        registry.add(nameless)


def test_a_model_of_another_kind_is_not_taken(registry, tmp_path):
    registry.add(model_file(tmp_path, "price", 0.5, kind="cost"))
    with pytest.raises(ModelError, match="kind cost, not tc"):
        registry.find("tc", "price")
    assert registry.find("tc", str(tmp_path / "price.safetensors")) == tmp_path / "price.safetensors"


def test_what_is_not_there_has_an_error(registry, database, tmp_path):
    with pytest.raises(ModelError, match="no model 'absent'"):
        registry.get("absent")
    with pytest.raises(ModelError, match="no model of the kind 'cost'"):
        registry.find("cost")
    registry.add(model_file(tmp_path, "second", 0.25))
    database.raw["data.files"].delete_many({})
    with pytest.raises(DatabaseError, match="holds no blob"):
        registry.find("tc", "second")


def test_a_kind_whose_file_is_lost_leaves_the_others_alone(registry, tmp_path):
    registry.add(model_file(tmp_path, "price", 0.5, kind="cost"))
    registry.promote("price")
    (tmp_path / "first.safetensors").unlink()
    with pytest.raises(ModelError, match=r"first\.safetensors cannot be read"):
        registry.find("tc")
    assert registry.find("cost").exists()


def test_a_damaged_blob_is_noticed(registry, database, tmp_path):
    model = registry.add(model_file(tmp_path, "second", 0.5))
    chunk = database.raw["data.chunks"].find_one({})
    database.raw["data.chunks"].update_one({"_id": chunk["_id"]}, {"$set": {"data": chunk["data"][:-1] + b"x"}})
    with pytest.raises(DatabaseError, match="damaged"):
        database.blobs.get(model.digest)


def test_a_document_holds_the_card_of_its_model(tmp_path):
    card = json.loads(model_file(tmp_path, "first", 1.0).with_suffix(".json").read_text())
    document = ModelDocument.from_card(card, shipped=True)
    with pytest.raises(ValueError, match="another model"):
        ModelDocument(**(document.model_dump() | {"model_id": "second"}))


def test_rollback_goes_back_step_by_step_and_is_recorded(registry, tmp_path):
    with pytest.raises(ModelError, match="Before first no other tc model"):
        registry.rollback("tc")
    for name, error in (("second", 0.5), ("third", 0.25)):
        registry.add(model_file(tmp_path, name, error))
        registry.promote(name)
    assert registry.rollback("tc").model_id == "second"
    assert registry.promoted("tc").model_id == "second"
    assert registry.rollback("tc").model_id == "first"
    with pytest.raises(ModelError, match="no other tc model"):
        registry.rollback("tc")
    registry.promote("third")
    assert registry.rollback("tc").model_id == "first"
    how = {model.model_id: [one.how for one in model.promotions] for model in registry.models("tc")}
    assert how == {"first": ["rollback"] * 2, "second": ["better", "rollback"], "third": ["better"] * 2}


def test_a_paired_comparison_counts_for_more_than_two_figures(registry, tmp_path):
    first = registry.promoted("tc")
    for name, reason in (("noise", "the gain is within noise"), ("better", "")):
        path = model_file(tmp_path, name, 2.0 if not reason else 0.5, formulas="f2")
        card = json.loads(path.with_suffix(".json").read_text())
        path.with_suffix(".json").write_text(
            json.dumps(card | {"comparison": {"with": first.digest, "not_promoted": reason}})
        )
        registry.add(path)
    with pytest.raises(ModelError, match="noise is not better than first: the gain is within noise"):
        registry.promote("noise")
    assert registry.promote("better").promotions[0].how == "better"


def test_a_model_that_was_compared_with_another_one_is_not_promoted_by_a_last_digit(registry, tmp_path):
    first = registry.promoted("tc")
    for name, error, reason in (("noise", 0.5 - 1e-7, "the gain is within noise"), ("better", 0.5, "")):
        path = model_file(tmp_path, name, error)
        card = json.loads(path.with_suffix(".json").read_text())
        path.with_suffix(".json").write_text(
            json.dumps(card | {"comparison": {"with": first.digest, "not_promoted": reason}})
        )
        registry.add(path)
    registry.promote("better")
    with pytest.raises(ModelError, match="noise was measured against another model than better"):
        registry.promote("noise")
    assert registry.promoted("tc").model_id == "better"
    assert registry.promote("noise", anyway=True).promotions[0].how == "anyway"


def test_of_a_kind_that_does_not_ship_none_is_asked_before_it_is_promoted(registry, tmp_path):
    registry.add(model_file(tmp_path, "price", 0.5, kind="cost"))
    with pytest.raises(ModelError, match=r"No model of the kind 'cost' is promoted.*promote price"):
        registry.find("cost")
    assert registry.asked("cost") is None
    registry.promote("price")
    assert registry.promoted("cost").model_id == "price"
    with pytest.raises(ModelError, match="no other cost model"):
        registry.rollback("cost")
    registry.add(model_file(tmp_path, "dearer", 0.7, kind="cost"))
    registry.promote("dearer", anyway=True)
    assert registry.rollback("cost").model_id == "price"
