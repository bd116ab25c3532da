import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.errors import ModelError
from invdesflow.model_files import read_model, write_model
from invdesflow.screening.description import Descriptor
from invdesflow.screening.formation_energy import KIND, VERSION, WEIGHTS, FormationEnergy
from invdesflow.screening.predictions import FormationEnergyPrediction


@pytest.fixture(scope="module")
def model():
    return FormationEnergy.load()


@pytest.fixture(scope="module")
def descriptor():
    return Descriptor()


@pytest.fixture(scope="module")
def ask(model, descriptor):
    return lambda *structures: model.predict(structures, descriptor.describe(structures))


def rock_salt(first, second, edge):
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(edge), [first, second], [[0, 0, 0], [0.5, 0.5, 0.5]])


def diboride():
    return Structure(
        Lattice.hexagonal(3.073, 3.527), ["Mg", "B", "B"], [[0, 0, 0], [1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]]
    )


# Enthalpies of formation at 298 K of Chase, NIST-JANAF Thermochemical Tables (1998), kJ/mol: MgO -601.2, NaCl -411.1,
# TiN -337.6. MgB2: -0.130 eV/atom calculated at 0 K (Materials Project, mp-763).
@pytest.mark.parametrize(
    ("structure", "expected", "within"),
    [
        (rock_salt("Mg", "O", 4.21), -601.2 / 96.485 / 2, 0.1),
        (rock_salt("Na", "Cl", 5.64), -411.1 / 96.485 / 2, 0.1),
        (rock_salt("Ti", "N", 4.24), -337.6 / 96.485 / 2, 0.2),
        (diboride(), -0.130, 0.05),
    ],
    ids=["MgO", "NaCl", "TiN", "MgB2"],
)
def test_compounds_have_the_enthalpy_of_the_tables(ask, structure, expected, within):
    assert ask(structure)[0].energy_ev_per_atom == pytest.approx(expected, abs=within)


def test_elements_are_their_own_reference(ask):
    elements = {
        "Al": Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.04), ["Al"], [[0, 0, 0]]),
        "Nb": Structure.from_spacegroup("Im-3m", Lattice.cubic(3.31), ["Nb"], [[0, 0, 0]]),
        "Si": Structure.from_spacegroup("Fd-3m", Lattice.cubic(5.47), ["Si"], [[0, 0, 0]]),
        "Mg": Structure(Lattice.hexagonal(3.19, 5.18), ["Mg", "Mg"], [[1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]]),
    }
    for symbol, prediction in zip(elements, ask(*elements.values()), strict=True):
        assert prediction.energy_ev_per_atom == pytest.approx(0.0, abs=0.1), symbol


def test_a_compressed_crystal_is_less_stable(ask):
    relaxed, squeezed = ask(rock_salt("Ti", "N", 4.24), rock_salt("Ti", "N", 3.9))
    assert squeezed.energy_ev_per_atom > relaxed.energy_ev_per_atom + 0.1


class TestSymmetry:
    def test_supercell_permutation_and_rotation_change_nothing(self, model, descriptor):
        crystal = diboride()
        (described,) = descriptor.describe([crystal])
        expected = model.predict([crystal], [described])[0].energy_ev_per_atom
        order = [2, 0, 1]
        permuted = Structure.from_sites([crystal[site] for site in order])
        twice = crystal.copy().make_supercell([2, 1, 1])
        turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
        turned = Structure(crystal.lattice.matrix @ turn, crystal.species, crystal.frac_coords)
        for other in (permuted, twice, turned):
            answer = model.predict([other], descriptor.describe([other]))[0].energy_ev_per_atom
            assert answer == pytest.approx(expected, abs=1e-5)

    def test_a_batch_gives_what_each_crystal_gives(self, ask):
        structures = [rock_salt("Mg", "O", 4.21), diboride(), rock_salt("Ti", "N", 4.24)]
        for together, alone in zip(ask(*structures), [ask(one)[0] for one in structures], strict=True):
            assert together.energy_ev_per_atom == pytest.approx(alone.energy_ev_per_atom, abs=1e-5)
            assert together.std_ev_per_atom == pytest.approx(alone.std_ev_per_atom, rel=1e-3)


class TestReasons:
    def test_what_cannot_be_predicted_has_a_reason_and_the_rest_keeps_its_place(self, ask):
        disordered = Structure(Lattice.cubic(3.5), [{"Fe": 0.5, "Ni": 0.5}], [[0, 0, 0]])
        isolated = Structure(Lattice.cubic(20.0), ["H"], [[0, 0, 0]])
        einsteinium = rock_salt("Es", "O", 5.0)
        argon = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.3), ["Ar"], [[0, 0, 0]])
        known = diboride()
        *refused, last = ask(disordered, isolated, einsteinium, argon, known)
        for prediction, word in zip(refused, ("disordered", "isolated", "Es", "Ar"), strict=True):
            assert prediction.energy_ev_per_atom is None
            assert prediction.std_ev_per_atom is None
            assert word in prediction.reason
        (alone,) = ask(known)
        # A sum of 32 bits may come out in another order.
        assert last.energy_ev_per_atom == pytest.approx(alone.energy_ev_per_atom, abs=1e-5)
        assert last.std_ev_per_atom == pytest.approx(alone.std_ev_per_atom, abs=1e-5)
        assert last.reason is None

    def test_nothing_asked_nothing_answered(self, model):
        assert model.predict([], []) == []

    def test_only_refusals(self, model):
        assert model.predict([diboride()], ["no"]) == [FormationEnergyPrediction(None, None, "no")]


def test_the_shipped_card_tells_where_the_weights_come_from(model):
    card = model.card
    assert card["kind"] == KIND
    assert card["training_sets"][0]["licence"] == "CC BY 4.0"
    assert WEIGHTS.stat().st_size <= 6_000_000
    metrics = card["held_out"]["metrics"]
    assert metrics["MAE (eV/atom)"] < metrics["corrected CHGNet: MAE (eV/atom)"]
    assert 0.6 < metrics["coverage of 68 %"] < 0.8


def test_a_damaged_card_is_refused(tmp_path):
    arrays, card = read_model(WEIGHTS, KIND, VERSION)
    del card["calibration"]
    write_model(tmp_path / "formation_energy.safetensors", arrays, card)
    with pytest.raises(ModelError, match="calibration"):
        FormationEnergy.load(tmp_path / "formation_energy.safetensors")
