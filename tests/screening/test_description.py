"""What CHGNet says of crystals."""

import numpy as np
import pytest
from chgnet.model.model import CHGNet
from pymatgen.core import Lattice, Structure

from invdesflow.screening.description import FEATURES, Descriptor
from invdesflow.screening.training.descriptions import describe_set

IRON = Structure(Lattice.cubic(2.83), ["Fe", "Fe"], [[0, 0, 0], [0.5, 0.5, 0.5]])
ROCK_SALT = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.39), ["Nb", "N"], [[0, 0, 0], [0.5, 0.5, 0.5]])


@pytest.fixture(scope="module")
def descriptor():
    return Descriptor()


def test_it_says_what_chgnet_says_of_one_at_a_time(descriptor, capsys):
    stock = CHGNet.load(model_name="0.3.0", use_device="cpu", verbose=False)
    crystals = [IRON, ROCK_SALT.get_primitive_structure(), ROCK_SALT]
    for crystal, described in zip(crystals, descriptor.describe(crystals), strict=True):
        expected = stock.predict_structure(crystal, return_atom_feas=True)
        assert described.energy_ev_per_atom == pytest.approx(float(expected["e"]), abs=1e-5)
        assert described.magnetic_moments == pytest.approx(expected["m"], abs=1e-4)
        assert described.atoms == pytest.approx(expected["atom_fea"], abs=1e-4)
        assert described.atoms.shape == (len(crystal), FEATURES)


def test_a_larger_cell_is_described_in_the_same_way(descriptor):
    small, large = descriptor.describe([ROCK_SALT.get_primitive_structure(), ROCK_SALT])
    assert large.energy_ev_per_atom == pytest.approx(small.energy_ev_per_atom, abs=1e-4)
    assert np.unique(large.atoms.round(3), axis=0) == pytest.approx(np.unique(small.atoms.round(3), axis=0), abs=5e-3)


def test_iron_is_magnetic_and_niobium_nitride_is_not(descriptor):
    iron, nitride = descriptor.describe([IRON, ROCK_SALT])
    assert iron.magnetic_moments == pytest.approx([2.2, 2.2], abs=0.3)  # experiment: 2.22
    assert np.abs(nitride.magnetic_moments).max() < 0.05


def test_what_cannot_be_described_has_a_reason_and_its_place(descriptor):
    lonely = Structure(Lattice.cubic(20), ["He"], [[0, 0, 0]])
    foreign = Structure(Lattice.cubic(3.3), ["Po"], [[0, 0, 0]])
    disordered = Structure(Lattice.cubic(3.3), [{"Nb": 0.5, "Ti": 0.5}], [[0, 0, 0]])
    first, second, third, iron = descriptor.describe([lonely, foreign, disordered, IRON])
    assert "isolated" in first
    assert second == "CHGNet does not know Po"
    assert third == "the structure is disordered"
    assert len(iron.magnetic_moments) == 2


def test_nothing_is_described_without_crystals(descriptor):
    assert descriptor.describe([]) == []


def test_a_described_set_is_kept_and_read_again(tmp_path, monkeypatch):
    lonely = Structure(Lattice.cubic(20), ["He"], [[0, 0, 0]])
    first = describe_set([IRON, lonely, ROCK_SALT], tmp_path)
    monkeypatch.setattr(Descriptor, "describe", None)
    again = describe_set([IRON, lonely, ROCK_SALT], tmp_path)
    assert again[1] == first[1]
    for one, other in ((first[0], again[0]), (first[2], again[2])):
        assert one.energy_ev_per_atom == other.energy_ev_per_atom
        for name in ("magnetic_moments", "atoms"):
            assert np.array_equal(getattr(one, name), getattr(other, name))
    with pytest.raises(TypeError):
        describe_set([ROCK_SALT, lonely, IRON], tmp_path)
