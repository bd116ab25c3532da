"""Batches of similar size, and padded arrays."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from invdesflow.generation.diffusion.batch import Frames, size_batches
from invdesflow.generation.diffusion.templates import Template

sizes = st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20)), min_size=1, max_size=60)


@given(sizes, st.integers(1, 500), st.integers(1, 12), st.integers(0, 100))
def test_every_crystal_is_in_one_batch_and_limits_are_kept(sizes, most_pairs, most_crystals, seed):
    n_atoms, n_orbits = np.array(sizes).T
    order = np.random.default_rng(seed).permutation(len(sizes))
    batches = size_batches(n_atoms, n_orbits, most_pairs, order, most_crystals)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(sizes)))
    for batch in batches:
        assert len(batch) <= most_crystals
        pairs = len(batch) * n_orbits[batch].max() * n_atoms[batch].max()
        assert pairs <= most_pairs or len(batch) == 1  # one crystal that is too large goes alone


def test_nothing_makes_no_batch():
    empty = np.array([], int)
    assert size_batches(empty, empty, 100, empty) == []


def test_equal_sizes_stay_in_order():
    order = np.array([3, 1, 0, 2])
    batches = size_batches(np.full(4, 2), np.full(4, 2), 8, order)
    assert [batch.tolist() for batch in batches] == [[3, 1], [0, 2]]


def test_padding_adds_no_atoms():
    templates = [Template(225, ("a",)), Template(14, ("a", "e", "e")), Template(221, ("a", "b", "c"))]
    together = Frames.of(templates)
    parameters = torch.rand((3, 3, 3), generator=torch.Generator().manual_seed(0))
    atoms = together.atoms(together.representatives(parameters))
    for row, template in enumerate(templates):
        cell = template.arrays()
        assert together.atom_mask[row].sum() == cell.n_atoms
        assert together.orbit_mask[row].sum() == cell.n_orbits
        expected = template.positions(parameters[row, : cell.n_orbits].numpy())
        np.testing.assert_allclose(atoms[row, : cell.n_atoms], expected, atol=1e-5)
    assert together.atoms_per_conventional_cell.tolist() == [4, 10, 5]
