"""Symmetries of the network: what must not matter does not."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from invdesflow.crystals.wyckoff import space_group_table
from invdesflow.generation.diffusion.batch import MAX_ATOMIC_NUMBER, Frames, State
from invdesflow.generation.diffusion.encoding import decode
from invdesflow.generation.diffusion.lattice import FAMILIES, lattice_of
from invdesflow.generation.diffusion.orbits import OrbitCrystal
from invdesflow.generation.diffusion.templates import Template

# The rutile type, a general position, a polar group with free z, a rhombohedral and a face-centred one.
TEMPLATES = [(136, "af"), (14, "aee"), (99, "abc"), (166, "abh"), (225, "ace"), (1, "aa"), (6, "abc"), (194, "adf")]

relaxed = settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])


def double(frames: Frames) -> Frames:
    """Return frames in double precision; what symmetry puts into them are multiples of 1/24."""
    values = {field.name: getattr(frames, field.name) for field in dataclasses.fields(frames)}
    exact = {name: (24 * value.double()).round() / 24 for name, value in values.items() if value.is_floating_point()}
    fixed = torch.tensor([FAMILIES[family_of(int(number))].fixed for number in frames.space_group]).double()
    return Frames(**(values | exact | {"lattice_fixed": fixed}))


def family_of(space_group: int) -> str:
    return space_group_table(space_group).family


def random_state(frames: Frames, seed: int) -> State:
    generator = torch.Generator().manual_seed(seed)
    orbits = tuple(frames.orbit_mask.shape)
    return State(
        torch.randn((*orbits, MAX_ATOMIC_NUMBER), generator=generator).double(),
        torch.randn((len(frames), 6), generator=generator).double() * frames.lattice_free,
        torch.rand((*orbits, 3), generator=generator).double() * frames.free,
    )


def ask(network, frames: Frames, state: State, time: float = 0.4, label: float = 2.0):
    with torch.no_grad():
        return network(
            frames, state, torch.full((len(frames),), time).double(), torch.full((len(frames),), label).double()
        )


def assert_same(first, second, orbits=slice(None)):
    assert first.types.numpy() == pytest.approx(second.types.numpy()[:, orbits], abs=1e-8)
    assert first.lattice.numpy() == pytest.approx(second.lattice.numpy(), abs=1e-8)
    assert first.parameters.numpy() == pytest.approx(second.parameters.numpy()[:, orbits], abs=1e-8)


@pytest.mark.parametrize(("number", "letters"), TEMPLATES)
@relaxed
@given(seed=st.integers(0, 1000))
def test_periodic_images_of_the_parameters_do_not_matter(network, number, letters, seed):
    frames = double(Frames.of([Template(number, tuple(letters))]))
    state = random_state(frames, seed)
    shifts = torch.randint(-2, 3, state.parameters.shape, generator=torch.Generator().manual_seed(seed)) * frames.free
    moved = dataclasses.replace(state, parameters=state.parameters + shifts)
    assert_same(ask(network, frames, state), ask(network, frames, moved))


@relaxed
@given(seed=st.integers(0, 1000))
def test_numbering_of_equal_positions_does_not_matter(network, seed):
    frames = double(Frames.of([Template(14, ("a", "e", "e"))]))
    state = random_state(frames, seed)
    swap = [0, 2, 1]
    swapped = State(state.types[:, swap], state.lattice, state.parameters[:, swap])
    assert_same(ask(network, frames, state), ask(network, frames, swapped), swap)


@relaxed
@given(seed=st.integers(0, 1000), shift=st.floats(0, 1))
def test_the_origin_of_a_polar_axis_does_not_matter(network, seed, shift):
    frames = double(Frames.of([Template(99, ("a", "b", "c"))]))
    state = random_state(frames, seed)
    # The free parameter along the polar axis is the last one of every position of P4mm.
    along = torch.zeros_like(state.parameters)
    for orbit, basis in enumerate(frames.basis[0]):
        along[0, orbit] = torch.linalg.pinv(basis) @ torch.tensor([0.0, 0.0, shift]).double()
    moved = dataclasses.replace(state, parameters=state.parameters + along)
    assert_same(ask(network, frames, state), ask(network, frames, moved))


@relaxed
@given(seed=st.integers(0, 1000))
def test_rotating_the_crystal_does_not_matter_because_only_its_metric_enters(network, seed):
    """Two cells with the same metric give the same components and so the same answer; the lattice is never oriented."""
    frames = double(Frames.of([Template(6, ("a", "b", "c"))]))
    state = random_state(frames, seed)
    lattice = lattice_of(network.lattice_components(frames, state.lattice))[0]
    assert lattice.numpy() == pytest.approx(lattice.T.numpy())


@pytest.mark.parametrize("padding", [(225, "abce"), (14, "eeee")])
def test_padding_does_not_matter(network, padding):
    small = Template(136, ("a", "f"))
    alone = double(Frames.of([small]))
    padded = double(Frames.of([small, Template(padding[0], tuple(padding[1]))]))
    state = random_state(padded, 5)
    own = State(state.types[:1, :2], state.lattice[:1], state.parameters[:1, :2])
    first, both = ask(network, alone, own), ask(network, padded, state)
    assert first.types[0].numpy() == pytest.approx(both.types[0, :2].numpy(), abs=1e-8)
    assert first.lattice[0].numpy() == pytest.approx(both.lattice[0].numpy(), abs=1e-8)
    assert first.parameters[0].numpy() == pytest.approx(both.parameters[0, :2].numpy(), abs=1e-8)


@pytest.mark.parametrize(("number", "letters"), TEMPLATES)
def test_scores_live_in_the_free_directions_only(network, number, letters):
    frames = double(Frames.of([Template(number, tuple(letters))]))
    predicted = ask(network, frames, random_state(frames, 1))
    assert (predicted.parameters.numpy()[~frames.free.numpy()] == 0).all()
    if frames.free.any():
        assert np.abs(predicted.parameters.numpy()[frames.free.numpy()]).min() > 0


@pytest.mark.parametrize(("number", "letters"), TEMPLATES)
def test_pushes_on_all_atoms_of_an_orbit_are_copies_of_the_representatives(network, number, letters):
    """The directions to the neighbours, summed over images, turn with the symmetry operation that makes the copy."""
    template = Template(number, tuple(letters))
    frames = double(Frames.of([template]))
    state = random_state(frames, 2)
    arrays = template.arrays()
    lattice = lattice_of(network.lattice_components(frames, state.lattice))[0].numpy()
    crystal = OrbitCrystal(template, tuple(range(1, arrays.n_orbits + 1)), state.parameters[0].numpy(), lattice)
    structure = decode(crystal)
    representatives = [int(np.flatnonzero(arrays.orbit == orbit)[0]) for orbit in range(arrays.n_orbits)]

    def push(atom: int) -> np.ndarray:
        neighbours = structure.get_neighbors(structure[atom], 4.0)
        return sum((np.exp(-n.nn_distance) * (n.coords - structure[atom].coords) for n in neighbours), np.zeros(3))

    to_cartesian = lattice.T
    for atom in range(arrays.n_atoms):
        turned = to_cartesian @ arrays.rotation[atom] @ np.linalg.inv(to_cartesian)
        assert push(atom) == pytest.approx(turned @ push(representatives[arrays.orbit[atom]]), abs=1e-6)
    # So the push on a representative lies in its free directions, and projecting it on them loses nothing.
    for orbit, atom in enumerate(representatives):
        free = (arrays.basis[orbit].T @ lattice)[: arrays.n_free[orbit]]
        inside = np.linalg.lstsq(free.T, push(atom), rcond=None)[0] @ free if len(free) else np.zeros(3)
        assert inside == pytest.approx(push(atom), abs=1e-6)


def test_label_and_time_matter(network):
    frames = double(Frames.of([Template(225, ("a", "b"))]))
    state = random_state(frames, 0)
    plain = ask(network, frames, state).lattice
    assert not torch.allclose(plain, ask(network, frames, state, label=0.5).lattice)
    assert not torch.allclose(plain, ask(network, frames, state, label=float("nan")).lattice)
    assert not torch.allclose(plain, ask(network, frames, state, time=0.9).lattice)
