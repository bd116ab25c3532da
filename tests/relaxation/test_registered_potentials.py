"""A potential of our own is found by its name in the registry; those of programs as before."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from invdesflow.campaigns.models import model_registry
from invdesflow.errors import ModelError
from invdesflow.model_files import write_model
from invdesflow.relaxation.registered import (
    ARRAY,
    KIND,
    SCORE,
    VERSION,
    find_registered_potential,
    unpack_potential,
)

FROZEN = b"what deepmd-kit would read"


def packed(folder, name, error=0.2, arrays=None):
    path = folder / f"{name}.safetensors"
    card = {
        "kind": KIND,
        "version": VERSION,
        "model_id": name,
        "held_out": {"formulas_digest": "f", "metrics": {SCORE[0]: error}},
    }
    write_model(path, arrays or {ARRAY: np.frombuffer(FROZEN, dtype=np.uint8)}, card)
    return path


def test_the_frozen_file_comes_back_byte_by_byte(tmp_path):
    path = unpack_potential(packed(tmp_path, "mine"), tmp_path / "models")
    assert path.read_bytes() == FROZEN
    assert path.name == f"{hashlib.sha256(FROZEN).hexdigest()}.pth"
    assert unpack_potential(tmp_path / "mine.safetensors", tmp_path / "models") == path


def test_other_models_are_refused(tmp_path):
    path = packed(tmp_path, "odd", arrays={"weights": np.zeros(3)})
    with pytest.raises(ModelError, match="no frozen model"):
        unpack_potential(path, tmp_path / "models")


def test_the_promoted_potential_is_asked_where_none_is_named(database, tmp_path, monkeypatch):
    monkeypatch.setattr("invdesflow.relaxation.registered.find_potential", lambda kind, model: (kind, model))
    assert find_registered_potential(database, "CHGNet") == ("CHGNet", None)
    with pytest.raises(ModelError, match="no model of the kind 'potential'"):
        find_registered_potential(database, "DeePMD")
    registry = model_registry(database)
    registry.add(packed(tmp_path, "first"))
    better = packed(tmp_path, "second", 0.1, {ARRAY: np.frombuffer(b"better", dtype=np.uint8)})
    registry.add(better)
    registry.promote("second")
    for name, content in ((None, b"better"), ("first", FROZEN)):
        kind, path = find_registered_potential(database, "DeePMD", name)
        assert kind == "DeePMD"
        assert Path(path).read_bytes() == content
    with pytest.raises(ModelError, match="not better"):
        registry.promote("first")
    own = tmp_path / "own.pth"
    own.write_bytes(FROZEN)
    assert find_registered_potential(database, "DeePMD", str(own)) == ("DeePMD", str(own))
