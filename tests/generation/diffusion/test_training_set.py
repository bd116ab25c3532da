"""Encoded crystals as the network reads them."""

import dataclasses

import numpy as np
import pytest
import torch

from invdesflow.errors import TrainingError
from invdesflow.generation.diffusion.encoding import decode, encode
from invdesflow.generation.diffusion.lattice import lattice_of
from invdesflow.generation.diffusion.network import Denoiser, NetworkSettings
from invdesflow.generation.diffusion.orbits import EncodedCrystals, OrbitCrystal
from invdesflow.generation.diffusion.training_set import TrainingSet


@pytest.mark.parametrize("seed", [None, 0, 1])
def test_a_batch_holds_the_crystals(encoded, training_set, crystals, seed):
    """From the tensors of a batch the crystals come back, whichever choice of the parameters was drawn."""
    statistics = training_set.lattice_statistics()
    random = None if seed is None else np.random.default_rng(seed)
    indices = np.arange(len(training_set))[::3]
    frames, state, label = training_set.batch(indices, statistics, random=random)
    network = Denoiser(NetworkSettings(8, 1), torch.from_numpy(statistics.mean), torch.from_numpy(statistics.spread))
    lattices = lattice_of(network.lattice_components(frames, state.lattice).double()).numpy()
    for row, index in enumerate(indices):
        original = encoded.crystal(int(index))
        n = len(original.elements)
        numbers = (state.types[row, :n].argmax(-1) + 1).tolist()
        assert tuple(numbers) == original.elements
        assert lattices[row] @ lattices[row].T == pytest.approx(
            original.lattice @ original.lattice.T, rel=1e-5, abs=1e-4
        )
        chosen = OrbitCrystal(
            original.template, original.elements, state.parameters[row, :n].double().numpy(), original.lattice
        )
        assert same(decode(chosen), decode(original))
        assert label[row].isnan() == np.isnan(encoded.tc_k[index])


def same(first, second):
    """Tell whether the same elements are at the same places of the same cell."""
    difference = first.frac_coords[:, None] - second.frac_coords
    near = np.abs(difference - difference.round()).max(-1) < 1e-5
    alike = np.array([[a.specie == b.specie for b in second] for a in first])
    return bool((near & alike).any(1).all())


def test_all_choices_are_drawn(training_set):
    statistics = training_set.lattice_statistics()
    index = next(i for i, choices in enumerate(training_set.choices) if max(map(len, choices)) > 1)
    orbit = int(np.argmax([len(choices) for choices in training_set.choices[index]]))
    random = np.random.default_rng(0)
    drawn = {
        tuple(np.round(training_set.batch([index], statistics, random=random)[1].parameters[0, orbit].tolist(), 5))
        for _ in range(100)
    }
    assert drawn == {tuple(choice) for choice in np.round(training_set.choices[index][orbit], 5)}


def test_statistics_are_those_of_the_free_components(training_set):
    statistics = training_set.lattice_statistics()
    families = np.array([template.arrays().family for template in training_set.templates])
    assert statistics.mean[5] == pytest.approx(training_set.lattice[:, 5].mean())
    free = training_set.lattice[families != "cubic", 4]  # the ratio of c to a; cubic crystals have none
    assert (statistics.mean[4], statistics.spread[4]) == pytest.approx((free.mean(), free.std()))
    assert statistics.spread[0] == 1  # no triclinic crystal in the set
    assert statistics.mean[0] == 0


def test_the_size_is_that_of_one_atom(training_set, crystals):
    volumes = np.array([crystal.volume / len(crystal) for crystal in crystals])
    np.testing.assert_allclose(np.exp(3 * training_set.lattice[:, 5]), volumes, rtol=1e-6)


def test_formulas_are_held_out_whole(training_set):
    learned, held = training_set.split(0.3)
    assert len(learned) + len(held) == len(training_set)
    assert len(held)
    assert not set(learned.formulas) & set(held.formulas)
    assert training_set.split(0.3)[1].formulas == held.formulas
    assert len(training_set.split(0.0)[1]) == 0
    assert len(training_set.split(1.0)[0]) == 0


def test_crystals_of_one_composition_are_split_one_by_one(training_set):
    carbons = dataclasses.replace(training_set, formulas=["C"] * len(training_set))
    learned, held = carbons.split(0.3)
    assert len(learned) + len(held) == len(carbons)
    assert 0 < len(held) < len(learned)
    assert np.array_equal(carbons.split(0.3)[1].lattice, held.lattice)


def test_known_elements(training_set, crystals):
    assert set(training_set.known_elements) == {site.specie.Z for crystal in crystals for site in crystal}


def test_no_crystals_are_refused():
    with pytest.raises(TrainingError, match="no crystals"):
        TrainingSet.of(EncodedCrystals.of([], [], [], []))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("field", ["choices", "lattice"])
def test_numbers_that_are_not_finite_are_refused_by_name(crystals, field, value):
    names = ["first", "second", "third"]
    encoded = EncodedCrystals.of([encode(crystal) for crystal in crystals[-3:]], [1.0] * 3, names, names)
    damaged = getattr(encoded, field).copy()
    damaged[-1] = value
    with pytest.raises(TrainingError, match=r"not finite.*third"):
        TrainingSet.of(dataclasses.replace(encoded, **{field: damaged}))
