"""Model files: what is written is what is read, and nothing else is accepted."""

import hashlib
import json
import pickle

import numpy as np
import pytest
import torch
from safetensors.numpy import load, save

from invdesflow.errors import ModelError
from invdesflow.generation.diffusion.batch import Frames
from invdesflow.generation.diffusion.model import GeneratorModel


@pytest.fixture
def path(small_model, tmp_path):
    path = tmp_path / "model.safetensors"
    GeneratorModel.save(
        path,
        small_model.network,
        predict="noise",
        prior=small_model.prior,
        elements=small_model.elements,
        card={"model_id": "small", "version": 0, "data": "a few crystals"},
    )
    return path


def rewrite(path, change):
    """Change the arrays and put the right digest on the card."""
    arrays = load(path.read_bytes())
    change(arrays)
    weights = save(arrays)
    path.write_bytes(weights)
    card = json.loads(path.with_suffix(".json").read_text())
    card["sha256"] = hashlib.sha256(weights).hexdigest()
    path.with_suffix(".json").write_text(json.dumps(card))


def refusal(path):
    with pytest.raises(ModelError) as caught:
        GeneratorModel.load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_written_is_read(small_model, path):
    model = GeneratorModel.load(path)
    assert (model.name, model.predict, model.elements) == ("small", "noise", small_model.elements)
    assert model.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert model.prior.templates == small_model.prior.templates
    np.testing.assert_array_equal(model.prior.counts, small_model.prior.counts)
    assert model.card["data"] == "a few crystals"
    assert not model.network.training
    ours, theirs = small_model.network.state_dict(), model.network.state_dict()
    for name, tensor in ours.items():
        torch.testing.assert_close(theirs[name], tensor, rtol=1e-3, atol=1e-6)  # half precision
    for name in ("lattice_mean", "lattice_spread"):
        assert torch.equal(theirs[name], ours[name])
    assert Frames.of(model.prior.templates[:1]).space_group[0] == model.prior.space_groups[0]


def test_the_file_holds_no_pickle(path):
    with pytest.raises(pickle.UnpicklingError):
        pickle.loads(path.read_bytes())


def test_a_missing_file(tmp_path):
    assert "cannot be read" in refusal(tmp_path / "none.safetensors")


def test_a_missing_card(path):
    path.with_suffix(".json").unlink()
    assert "cannot be read" in refusal(path)


def test_tampered_weights(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    assert "SHA-256" in refusal(path)


def test_truncated_weights(path):
    path.write_bytes(path.read_bytes()[:-100])
    assert "SHA-256" in refusal(path)


@pytest.mark.parametrize(("field", "value"), [("version", 2), ("kind", "perceptron")])
def test_another_version_or_kind(path, field, value):
    card = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps(card | {field: value}))
    assert "generator version 1 is needed" in refusal(path)


def test_a_missing_array(path):
    rewrite(path, lambda arrays: arrays.pop("elements"))
    assert "does not hold what its version promises" in refusal(path)


def test_a_network_of_another_size(path):
    rewrite(path, lambda arrays: arrays.update({"network.norm.weight": arrays["network.norm.weight"][:-1]}))
    assert "does not hold what its version promises" in refusal(path)


@pytest.mark.parametrize("name", ["prior.letters", "prior.n_letters", "prior.counts"])
def test_a_truncated_prior(path, name):
    rewrite(path, lambda arrays: arrays.update({name: arrays[name][:-1]}))
    assert "templates are damaged" in refusal(path)
