import gzip
import json
from itertools import combinations

import numpy as np
import pytest
from pymatgen.core import Element, Lattice, Structure

from invdesflow.errors import ModelError, TrainingError
from invdesflow.screening.description import FEATURES, CrystalDescription
from invdesflow.screening.formation_energy import FormationEnergy
from invdesflow.screening.formation_energy_inputs import ATOM_FEATURES, see
from invdesflow.screening.training.formation_energy import figures, train
from invdesflow.screening.training.formation_energy_data import EnergyRow, energy_set, read_formation_energies
from invdesflow.screening.training.formation_energy_fitting import Recipe, fit_correction, fit_inputs
from invdesflow.screening.training.formation_energy_trials import ABLATIONS, trial

ELEMENTS = ("Li", "Mg", "Al", "Ti", "Fe", "Cu", "Y", "Nb", "Sn", "N", "O", "S", "Cl", "Se")
SHIFT = dict(zip(ELEMENTS, np.random.default_rng(2).normal(3.0, 1.5, len(ELEMENTS)), strict=True))


def cell(first, second, edge):
    return Structure(Lattice.cubic(edge), [first, second, second], [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.0, 0.0]])


def formation_energy(structure):
    spread = np.std([site.specie.X for site in structure])
    return -float(spread) + 0.02 * (structure.volume / len(structure) - 15.0)


def description(structure):
    """A potential whose energy lacks the elemental references and errs by what its features tell."""
    features = np.zeros((len(structure), FEATURES), dtype=np.float32)
    features[:, 0] = [np.sin(site.specie.Z) for site in structure]
    energy = formation_energy(structure) - np.mean([SHIFT[site.specie.symbol] for site in structure])
    error = 0.3 * float(features[:, 0].std())  # nothing that a sum over elements could mend
    return CrystalDescription(energy + error, np.zeros(len(structure)), features)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    pairs = [pair for a, b in combinations(ELEMENTS, 2) for pair in ((a, b), (b, a))]
    structures = [cell(a, b, rng.uniform(3.4, 4.2)) for a, b in pairs]
    return [EnergyRow(s.composition.reduced_formula, s, formation_energy(s), False) for s in structures]


@pytest.fixture(scope="module")
def crystals(rows):
    return energy_set(rows, [description(row.structure) for row in rows], bonds=False)


@pytest.fixture(scope="module")
def small():
    return Recipe(blocks=0, width=16, hidden=32, epochs=60, batch=16)


@pytest.fixture(scope="module")
def trained(crystals, small, tmp_path_factory):
    return train(crystals, small, tmp_path_factory.mktemp("model"))


def test_the_correction_finds_the_elemental_references(rows):
    structures = [row.structure for row in rows]
    sights = [
        see(s, CrystalDescription(-np.mean([SHIFT[e.specie.symbol] for e in s]), None, np.zeros((3, 0))), False)
        for s in structures
    ]
    energies = np.zeros(len(sights))
    energies[::40] = 5.0  # failed calculations
    correction = fit_correction(sights, energies)
    for symbol, shift in SHIFT.items():
        assert correction[Element(symbol).Z] == pytest.approx(shift, abs=0.02)
    assert np.isnan(correction[Element("U").Z])


def test_the_model_learns_what_the_potential_gets_wrong(trained, crystals):
    found = figures(trained, crystals)
    assert found["MAE (eV/atom)"] < 0.7 * found["corrected CHGNet: MAE (eV/atom)"]
    assert found["rows"] == trained.card["held_out"]["rows"]
    assert found == pytest.approx(trained.card["held_out"]["metrics"])


def test_the_interval_is_stretched_to_its_promise_on_what_was_not_seen(trained, crystals):
    card = trained.card
    assert card["calibration"]["stretch_95"] > card["calibration"]["stretch_68"] > 0
    assert card["cross_validation"]["rows"] == crystals.taught.sum()
    assert card["training_sets"][0]["rows"] == crystals.taught.sum()


def test_held_out_formulas_teach_nothing(crystals, small, tmp_path):
    lies = crystals.energies + np.where(crystals.held_out, 10.0, 0.0)
    told = type(crystals)(crystals.formulas, crystals.sights, lies, crystals.folds, crystals.held_out, crystals.legacy)
    short = Recipe(blocks=0, width=8, hidden=16, epochs=1, batch=32)
    one, other = (train(data, short, tmp_path / name) for name, data in (("a", crystals), ("b", told)))
    assert one.digest == other.digest


def test_a_training_goes_on_where_it_was_interrupted(crystals, tmp_path):
    recipe = Recipe(blocks=0, width=8, hidden=16, epochs=2, batch=32)
    first = train(crystals, recipe, tmp_path / "a", tmp_path / "state")
    assert train(crystals, recipe, tmp_path / "b", tmp_path / "state").digest == first.digest
    with pytest.raises(TrainingError, match="other settings"):
        train(crystals, Recipe(blocks=0, width=8, hidden=16, epochs=3, batch=32), tmp_path / "c", tmp_path / "state")


def test_a_set_that_cannot_be_divided_is_refused(crystals, tmp_path):
    mask = crystals.folds == 0
    with pytest.raises(TrainingError, match="fold"):
        train(crystals.rows(mask), Recipe(epochs=1), tmp_path)


def test_trials_go_without_the_potential(rows):
    blind = energy_set(rows, [None] * len(rows), bonds=True)
    recipe = Recipe(blocks=1, width=8, hidden=16, epochs=10, batch=16)
    spread = np.abs(blind.energies - np.median(blind.energies)).mean()
    assert trial(blind, recipe, 200, None) < spread
    for features in ABLATIONS.values():
        taught = blind.rows(blind.taught)
        inputs = fit_inputs(taught.sights, taught.energies, features)
        assert inputs.site_inputs == sum(len(ATOM_FEATURES[name]) for name in features)


def test_the_reader_leaves_out_what_teaches_nothing(tmp_path):
    def row(energy, edge=3.5, sources="mp_20_biternary_val", sites=1):
        frac = [[k / sites, 0, 0] for k in range(sites)]
        lattice = [[edge * sites, 0, 0], [0, edge, 0], [0, 0, edge]]
        return {"lattice": lattice, "species": ["Ti"] * sites, "frac": frac, "e_form": energy, "source": sources}

    legacy = row(0.2, sources="matminer_flla,3dsc_mp_raw")
    both = row(0.3, sources="matminer_flla,mpts_52_test")
    lines = [row(0.1), row(None), row(3.0), row(0.1, edge=9.0), row(0.1, sites=41), legacy, both]
    path = tmp_path / "mp.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    found = list(read_formation_energies(path))
    assert [(one.energy_ev_per_atom, one.legacy) for one in found] == [(0.1, False), (0.2, True), (0.3, False)]
    path.write_bytes(gzip.compress(json.dumps(row(None)).encode()))
    with pytest.raises(ModelError, match="no formation energies"):
        list(read_formation_energies(path))


def test_the_written_model_is_the_trained_one(trained, crystals, tmp_path, small):
    assert isinstance(trained, FormationEnergy)
    assert trained.model_id == "formation-energy-1"
    assert trained.card["recipe"]["blocks"] == small.blocks
