"""The shipped Tc model: what it says of well-known crystals, and what it refuses."""

import json
import shutil

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.eliashberg.formulas import allen_dynes_tc
from invdesflow.errors import ModelError
from invdesflow.screening.tc_baseline import WEIGHTS, TcBaseline


def cubic(space_group, a, species, positions):
    return Structure.from_spacegroup(space_group, Lattice.cubic(a), species, positions)


ORIGIN, HALF = [0, 0, 0], [0.5, 0.5, 0.5]
NIOBIUM = cubic("Im-3m", 3.30, ["Nb"], [ORIGIN])
COPPER = cubic("Fm-3m", 3.61, ["Cu"], [ORIGIN])
SALT = cubic("Fm-3m", 5.64, ["Na", "Cl"], [ORIGIN, HALF])
NIOBIUM_NITRIDE = cubic("Fm-3m", 4.39, ["Nb", "N"], [ORIGIN, HALF])
NIOBIUM_TIN = cubic("Pm-3n", 5.29, ["Sn", "Nb"], [ORIGIN, [0.25, 0, 0.5]])
SODIUM = cubic("Im-3m", 4.29, ["Na"], [ORIGIN])


@pytest.fixture(scope="module")
def model():
    return TcBaseline.load()


def test_superconductors_stand_above_normal_metals(model):
    niobium, nitride, a15, copper, sodium, salt = model.predict(
        [NIOBIUM, NIOBIUM_NITRIDE, NIOBIUM_TIN, COPPER, SODIUM, SALT]
    )
    best_normal = max(copper.tc_k, sodium.tc_k, salt.tc_k)
    assert min(niobium.tc_k, nitride.tc_k, a15.tc_k) > 5 * max(best_normal, 0.5)
    assert copper.tc_k < 0.5


def test_tc_follows_from_lambda_and_omega_log_at_any_mu_star(model):
    for mu_star in (0.08, 0.10, 0.13):
        for prediction in model.predict([NIOBIUM, COPPER], mu_star):
            expected = allen_dynes_tc(prediction.lambda_, prediction.omega_log_mev, prediction.omega_log_mev, mu_star)
            assert prediction.tc_k == pytest.approx(float(expected), rel=1e-9)
    low, high = (model.predict([NIOBIUM], mu)[0].tc_k for mu in (0.08, 0.13))
    assert low > high


def test_prediction_does_not_depend_on_the_cell_or_the_company(model):
    larger = NIOBIUM_TIN.copy()
    larger.make_supercell([[1, 1, 0], [0, 1, 0], [0, 0, 2]])
    alone = model.predict([NIOBIUM_TIN])[0]
    together = model.predict([COPPER, larger])[1]
    assert together.tc_k == pytest.approx(alone.tc_k, rel=1e-4)
    assert together.domain_distance == pytest.approx(alone.domain_distance, rel=1e-3)


def test_high_pressure_hydride_is_outside_the_domain(model):
    # H3S at 200 GPa: nothing in the training set is compressed like this.
    compressed = cubic("Im-3m", 2.984, ["S", "H"], [ORIGIN, [0, 0, 0.5]])
    prediction, ordinary = model.predict([compressed, NIOBIUM_TIN])
    assert prediction.domain_distance > 1.0
    assert not prediction.in_domain
    assert ordinary.in_domain


def test_failures_are_reasons_in_their_place(model):
    uranium = cubic("Fm-3m", 4.9, ["U", "N"], [ORIGIN, HALF])
    isolated = Structure(Lattice.cubic(15), ["Nb"], [ORIGIN])
    disordered = Structure(Lattice.cubic(3.3), [{"Nb": 0.5, "Ti": 0.5}], [ORIGIN])
    predictions = model.predict([uranium, NIOBIUM, isolated, disordered])
    assert [p.tc_k is None for p in predictions] == [True, False, True, True]
    assert "not seen U" in predictions[0].reason
    assert "no neighbour" in predictions[2].reason
    assert "disordered" in predictions[3].reason
    assert model.predict([]) == []


def test_uncertainty_is_positive_and_grows_with_coupling(model):
    niobium, copper = model.predict([NIOBIUM, COPPER])
    assert niobium.tc_std_k > copper.tc_std_k >= 0


@pytest.fixture
def copied(tmp_path):
    for suffix in (".safetensors", ".json"):
        shutil.copy(WEIGHTS.with_suffix(suffix), tmp_path / f"model{suffix}")
    return tmp_path / "model.safetensors"


def test_tampered_weights_are_refused(copied):
    assert TcBaseline.load(copied).digest == TcBaseline.load().digest
    data = bytearray(copied.read_bytes())
    data[-5] ^= 1
    copied.write_bytes(bytes(data))
    with pytest.raises(ModelError, match="SHA-256"):
        TcBaseline.load(copied)


def test_missing_files_are_refused(copied):
    copied.with_suffix(".json").unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        TcBaseline.load(copied)
    with pytest.raises(ModelError, match="cannot be read"):
        TcBaseline.load(copied.parent / "absent.safetensors")


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [("version", 0, "is needed"), ("kind", "classifier", "is needed"), ("features_version", 0, "features of version")],
)
def test_other_versions_are_refused(copied, entry, value, message):
    card = json.loads(copied.with_suffix(".json").read_text())
    copied.with_suffix(".json").write_text(json.dumps(card | {entry: value}))
    with pytest.raises(ModelError, match=message):
        TcBaseline.load(copied)


def test_card_states_the_error_and_beats_the_mean():
    card = json.loads(WEIGHTS.with_suffix(".json").read_text())
    figures = card["cross_validation"]
    assert figures["model: MAE (K)"] < 0.5 * figures["mean of the training set: MAE (K)"]
    assert np.isclose(figures["coverage of 68 %"], 0.68, atol=0.04)
    assert np.isclose(figures["coverage of 95 %"], 0.95, atol=0.02)
    assert WEIGHTS.stat().st_size < 8.4e6
