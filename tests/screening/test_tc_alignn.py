"""The shipped Tc model: what it says of well-known crystals, how sure it is, and what it refuses."""

import json
import shutil

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

pytest.importorskip("alignn", reason="alignn is not installed")

from invdesflow.eliashberg.formulas import allen_dynes_tc
from invdesflow.errors import ModelError
from invdesflow.screening.description import Descriptor
from invdesflow.screening.tc_alignn import WEIGHTS, TcEnsemble


def cubic(space_group, a, species, positions):
    return Structure.from_spacegroup(space_group, Lattice.cubic(a), species, positions)


ORIGIN, HALF, QUARTER = [0, 0, 0], [0.5, 0.5, 0.5], [0.25, 0.25, 0.25]
NIOBIUM = cubic("Im-3m", 3.30, ["Nb"], [ORIGIN])
COPPER = cubic("Fm-3m", 3.61, ["Cu"], [ORIGIN])
SODIUM = cubic("Im-3m", 4.29, ["Na"], [ORIGIN])
NIOBIUM_NITRIDE = cubic("Fm-3m", 4.39, ["Nb", "N"], [ORIGIN, HALF])
NIOBIUM_TIN = cubic("Pm-3n", 5.29, ["Sn", "Nb"], [ORIGIN, [0.25, 0, 0.5]])
HYDRIDE = cubic("Fm-3m", 7.64, ["K", "Ga", "Cu", "H"], [QUARTER, ORIGIN, HALF, [0.235, 0, 0]])
"""K2GaCuH6, at ambient pressure."""


@pytest.fixture(scope="module")
def model():
    return TcEnsemble.load()


@pytest.fixture(scope="module")
def descriptor():
    return Descriptor()


@pytest.fixture(scope="module")
def predict(model, descriptor):
    return lambda structures, **options: model.predict(structures, descriptor.describe(structures), **options)


def test_superconductors_stand_above_normal_metals(predict):
    niobium, nitride, a15, copper, sodium = predict([NIOBIUM, NIOBIUM_NITRIDE, NIOBIUM_TIN, COPPER, SODIUM])
    assert min(niobium.tc_k, nitride.tc_k, a15.tc_k) > 5 * max(copper.tc_k, sodium.tc_k, 0.5)
    assert niobium.tc_std_k > copper.tc_std_k


def test_no_tc_is_certain(predict, model):
    """Where both ends of the interval have no superconductivity it has no width; errors there are still of kelvins."""
    hopeless = np.log([[0.05, 20.0]])
    width = model.width(hopeless, np.zeros(1), 0.10)
    assert width == [0.0]
    assert 1.0 < model.deviation(width)[0] < 3.0
    (copper,) = predict([COPPER])
    assert copper.tc_std_k >= model.deviation(width)[0]


def test_tc_follows_from_lambda_and_omega_log_at_any_mu_star(predict):
    for mu_star in (0.08, 0.13):
        (found,) = predict([NIOBIUM], mu_star=mu_star)
        expected = allen_dynes_tc(found.lambda_, found.omega_log_mev, found.omega_log_mev, mu_star)
        assert found.tc_k == pytest.approx(float(expected), rel=1e-9)


def test_each_member_of_the_ensemble_says_its_tc(model, predict, descriptor):
    crystals = [NIOBIUM, COPPER]
    found = predict(crystals)
    described = descriptor.describe(crystals)
    outputs = model.outputs([model.featuriser.inputs(*pair) for pair in zip(crystals, described, strict=True)])
    for crystal, prediction in enumerate(found):
        assert len(prediction.members_k) == 5
        logs = []
        for member, tc_k in enumerate(prediction.members_k):
            log_lambda, log_omega = model.average(outputs[member : member + 1])[0][crystal, :2]
            assert tc_k == pytest.approx(float(allen_dynes_tc(*np.exp([log_lambda, log_omega, log_omega]), 0.10)))
            logs.append(log_lambda)
        assert np.exp(np.mean(logs)) == pytest.approx(prediction.lambda_)
        assert np.std(logs) == pytest.approx(prediction.disagreement)


def test_prediction_does_not_depend_on_the_cell_or_the_company(predict):
    larger = NIOBIUM_TIN.copy()
    larger.make_supercell([[1, 1, 0], [0, 1, 0], [0, 0, 2]])
    (alone,) = predict([NIOBIUM_TIN])
    together = predict([COPPER, larger])[1]
    assert together.tc_k == pytest.approx(alone.tc_k, rel=1e-2)
    assert together.domain_distance == pytest.approx(alone.domain_distance, rel=1e-2)


def test_hydride_at_ambient_pressure_is_outside_the_domain(predict):
    hydride, ordinary = predict([HYDRIDE, NIOBIUM_TIN])
    assert len(HYDRIDE) == 40
    assert hydride.domain_distance > 1
    assert not hydride.in_domain
    assert ordinary.in_domain


def test_failures_are_reasons_in_their_place(predict):
    uranium = cubic("Fm-3m", 4.9, ["U", "N"], [ORIGIN, HALF])
    isolated = Structure(Lattice.cubic(15), ["Nb"], [ORIGIN])
    disordered = Structure(Lattice.cubic(3.3), [{"Nb": 0.5, "Ti": 0.5}], [ORIGIN])
    predictions = predict([uranium, NIOBIUM, isolated, disordered])
    assert [p.tc_k is None for p in predictions] == [True, False, True, True]
    assert "not seen U" in predictions[0].reason
    assert "isolated" in predictions[2].reason
    assert "disordered" in predictions[3].reason
    assert predict([]) == []


@pytest.fixture
def copied(tmp_path):
    for suffix in (".safetensors", ".json"):
        shutil.copy(WEIGHTS.with_suffix(suffix), tmp_path / f"model{suffix}")
    return tmp_path / "model.safetensors"


def test_tampered_weights_and_other_versions_are_refused(copied):
    data = bytearray(copied.read_bytes())
    data[-5] ^= 1
    copied.write_bytes(bytes(data))
    with pytest.raises(ModelError, match="SHA-256"):
        TcEnsemble.load(copied)


@pytest.mark.parametrize(("entry", "value", "message"), [("version", 0, "is needed"), ("inputs", {}, "lacks")])
def test_cards_that_do_not_fit_are_refused(copied, entry, value, message):
    card = json.loads(copied.with_suffix(".json").read_text())
    copied.with_suffix(".json").write_text(json.dumps(card | {entry: value}))
    with pytest.raises(ModelError, match=message):
        TcEnsemble.load(copied)


def test_card_states_what_was_measured():
    card = json.loads(WEIGHTS.with_suffix(".json").read_text())
    metrics = card["held_out"]["metrics"]
    for figures in (metrics, card["cross_validation"]):
        assert figures["MAE (K)"] < 0.5 * figures["mean of the training set: MAE (K)"]
        assert figures["coverage of 68 %"] == pytest.approx(0.68, abs=0.06)
    assert card["held_out"]["rows"] == metrics["rows"] + metrics["rows, other set"]
