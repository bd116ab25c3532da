"""What is drawn has its symmetry exactly, meets its conditions, and is the same again."""

import dataclasses
import tracemalloc
from collections import deque
from itertools import islice

import numpy as np
import pytest
import torch
from pymatgen.core import Element

from invdesflow.crystals.wyckoff import space_group_table
from invdesflow.errors import ConfigurationError
from invdesflow.generation.diffusion.conditions import Conditions
from invdesflow.generation.diffusion.encoding import decode
from invdesflow.generation.diffusion.orbits import OrbitCrystal
from invdesflow.generation.diffusion.prior import TemplatePrior
from invdesflow.generation.diffusion.sampling import Sampler, SamplerSettings
from invdesflow.generation.diffusion.templates import Template

FAST = SamplerSettings(steps=5, chunk=16)
# One group of every crystal family and of the usual centrings, with fixed, partly free and general positions.
TEMPLATES = [
    (1, "aaa"), (2, "aii"), (5, "ac"), (14, "aee"), (15, "ef"), (43, "ab"), (62, "ccd"),
    (70, "afh"), (88, "acf"), (99, "abc"), (136, "afj"), (139, "ade"), (148, "abf"), (160, "abc"), (166, "ach"),
    (176, "chi"), (194, "afk"), (198, "aab"), (216, "aeg"), (221, "abc"), (225, "ace"), (227, "adf"), (230, "acg"),
]  # fmt: skip


def draw(model, count=16, seed=0, settings=FAST, **conditions):
    return list(islice(Sampler(model, Conditions(**conditions), settings).draw(seed), count))


def require_space_group(crystal: OrbitCrystal) -> None:
    """Apply every operation of the table: it must map atoms onto atoms of the same element, and keep all lengths."""
    table = space_group_table(crystal.template.space_group)
    metric = crystal.lattice @ crystal.lattice.T
    arrays = crystal.template.arrays()
    to_primitive = np.linalg.inv(arrays.primitive)
    atoms = crystal.template.positions(crystal.parameters)
    elements = np.array(crystal.elements)[arrays.orbit]
    for rotation, translation in zip(table.rotations, table.translations, strict=True):
        # Rows of the lattice are its vectors: a rotation R of fractional columns leaves R^T G R = G.
        np.testing.assert_allclose(rotation.T @ metric @ rotation, metric, rtol=0, atol=1e-6 * metric.trace())
        apart = ((atoms @ rotation.T + translation)[:, None] - atoms) @ to_primitive
        onto = np.abs(apart - np.rint(apart)).max(-1) < 1e-9
        assert (onto.sum(1) == 1).all()
        assert (elements[onto.argmax(1)] == elements).all()


@pytest.mark.parametrize(("number", "letters"), TEMPLATES)
def test_an_untrained_model_keeps_every_space_group(small_model, number, letters):
    prior = TemplatePrior.count([Template(number, tuple(letters))], np.array([np.nan]))
    model = dataclasses.replace(small_model, prior=prior)
    for crystal in draw(model, 4, settings=SamplerSettings(steps=5, chunk=4)):
        assert crystal.template.space_group == number
        require_space_group(crystal)
        assert len(decode(crystal)) == crystal.template.arrays().n_atoms


def test_composed_templates_keep_their_space_group(small_model):
    for crystal in draw(small_model, settings=SamplerSettings(steps=3, chunk=16, composed_share=1.0)):
        require_space_group(crystal)


def test_the_check_can_fail(small_model):
    crystal = next(c for c in draw(small_model, 64) if c.template.space_group == 136)
    skew = dataclasses.replace(crystal, lattice=crystal.lattice + np.eye(3, k=1) * 1e-3)
    with pytest.raises(AssertionError):
        require_space_group(skew)


def same(first, second):
    return (
        first.template == second.template
        and first.elements == second.elements
        and np.array_equal(first.parameters, second.parameters)
        and np.array_equal(first.lattice, second.lattice)
    )


def test_a_seed_gives_the_same_crystals(small_model):
    first = draw(small_model, 20, seed=7)
    assert all(same(*pair) for pair in zip(first, draw(small_model, 20, seed=7), strict=True))
    assert not any(same(*pair) for pair in zip(first, draw(small_model, 20, seed=8), strict=True))


@pytest.mark.parametrize("first", [1, 16, 37])
def test_a_sequence_can_begin_anywhere(small_model, first):
    sampler = Sampler(small_model, settings=FAST)
    whole = list(islice(sampler.draw(3), 40))
    rest = islice(sampler.draw(3, first=first), 40 - first)
    assert all(same(*pair) for pair in zip(whole[first:], rest, strict=True))


def test_memory_does_not_grow(small_model):
    sampler = Sampler(small_model, settings=SamplerSettings(steps=2, chunk=16))
    deque(islice(sampler.draw(0), 64), maxlen=1)  # what is kept for good: tables, templates
    peaks = []
    for count in (32, 960):
        tracemalloc.start()
        deque(islice(sampler.draw(1), count), maxlen=1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 150_000  # a crystal takes 600 bytes at least


@pytest.mark.parametrize("composed_share", [0.0, 0.5])
@pytest.mark.parametrize(("formula", "reduced"), [("ZrO2", "ZrO2"), ("Ti3N3", "TiN"), ("MoTi", "TiMo")])
def test_compositions_are_exact(small_model, formula, reduced, composed_share):
    settings = SamplerSettings(steps=3, chunk=16, composed_share=composed_share)
    for crystal in draw(small_model, settings=settings, composition=formula):
        assert decode(crystal).composition.reduced_formula == reduced
        require_space_group(crystal)


def symbols(crystal):
    return {Element.from_Z(number).symbol for number in crystal.elements}


def test_required_elements_are_there(small_model):
    drawn = draw(small_model, 32, required_elements=("N", "Ti"))
    assert all({"N", "Ti"} <= symbols(crystal) for crystal in drawn)


def test_an_element_that_is_required_twice_is_required_once(small_model):
    drawn = draw(small_model, 32, required_elements=("Zr", "O", "O"), n_atoms=2)
    assert all(symbols(crystal) == {"Zr", "O"} for crystal in drawn)


def test_only_allowed_elements_are_drawn(small_model):
    allowed = {"N", "Ti", "Zr"}
    drawn = [symbols(crystal) for crystal in draw(small_model, 48, elements=tuple(allowed))]
    assert set().union(*drawn) == allowed
    without = draw(small_model, 32, excluded_elements=("N", "Ti"))
    assert not any(symbols(crystal) & {"N", "Ti"} for crystal in without)
    known = {Element.from_Z(number).symbol for number in small_model.elements}
    assert all(symbols(crystal) <= known for crystal in draw(small_model, 32))


def test_all_conditions_together(small_model):
    asked = {"elements": ("Ti", "Zr", "O"), "required_elements": ("O",), "n_atoms": 6, "space_group": 136, "tc_k": 5.0}
    for crystal in draw(small_model, **asked):
        assert crystal.template == Template(136, ("a", "f"))
        assert symbols(crystal) <= {"Ti", "Zr", "O"}
        assert "O" in symbols(crystal)


def test_guidance_of_one_is_the_conditional_model(small_model):
    """Without exaggeration the unlabelled answer is not needed, and with it the crystals are others."""
    plain = draw(small_model, 8, tc_k=10.0, guidance=1.0)
    near = draw(small_model, 8, tc_k=10.0, guidance=1.0 + 1e-7)
    strong = draw(small_model, 8, tc_k=10.0, guidance=30.0)
    for first, second, third in zip(plain, near, strong, strict=True):
        assert first.template == second.template == third.template
        np.testing.assert_allclose(first.lattice, second.lattice, rtol=1e-3)
        assert not np.allclose(first.lattice, third.lattice, rtol=1e-3)


@pytest.mark.parametrize("asked", [{"composition": "TiOg"}, {"composition": "K2GaCuH6"}, {"n_atoms": 19}])
def test_what_cannot_be_met_is_refused_before_anything_is_drawn(small_model, asked):
    with pytest.raises(ConfigurationError):
        Sampler(small_model, Conditions(**asked), FAST)


def test_corrector_steps_move_coordinates_and_keep_symmetry(small_model):
    plain = draw(small_model, settings=FAST)
    corrected = draw(small_model, settings=FAST.model_copy(update={"corrector_steps": 2}))
    for crystal in corrected:
        require_space_group(crystal)
    free = [n for n, crystal in enumerate(plain) if crystal.template.arrays().n_free.any()]
    assert free
    assert not any(np.array_equal(plain[n].parameters, corrected[n].parameters) for n in free)


def test_noise_prediction_gives_crystals(small_model):
    model = dataclasses.replace(small_model, predict="noise")
    drawn = [crystal for crystal in draw(model, 32) if crystal is not None]
    assert drawn
    for crystal in drawn:
        require_space_group(crystal)


def test_what_does_not_stay_finite_is_none(small_model):
    network = small_model.network
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state["lattice_head.2.bias"][:] = 1e6
    wild = type(network)(network.settings, network.lattice_mean, network.lattice_spread)
    wild.load_state_dict(state)
    model = dataclasses.replace(small_model, network=wild.eval())
    assert draw(model, 8) == [None] * 8


def test_a_network_that_knows_gives_its_crystal(small_model):
    """Where the network always says the same clean crystal, that crystal is drawn."""

    class Knowing(torch.nn.Module):
        def forward(self, frames, state, time, label):
            told = small_model.network(frames, state, time, label)
            types = torch.zeros_like(told.types)
            types[:, 0, 21], types[:, 1, 7] = 50.0, 50.0
            lattice = torch.tensor([0, 0, 0, 0, 0.3, -0.5]).expand_as(told.lattice)
            return dataclasses.replace(told, types=types, lattice=lattice)

    knowing = Knowing()
    knowing.lattice_components = small_model.network.lattice_components
    model = dataclasses.replace(small_model, network=knowing)
    for crystal in draw(model, 8, space_group=136):
        assert crystal.elements == (22, 8)
        mean, spread = small_model.network.lattice_mean, small_model.network.lattice_spread
        assert np.log(np.linalg.det(crystal.lattice) / 6) / 3 == pytest.approx(
            float(mean[5] - 0.5 * spread[5]), abs=1e-4
        )
