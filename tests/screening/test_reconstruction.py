"""Neighbourhood Wasserstein reconstruction against brute force and analytic limits."""

from itertools import permutations

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure
from scipy.optimize import linear_sum_assignment

from invdesflow.screening.crystal_graph import GraphBatch, crystal_graph
from invdesflow.screening.graph_encoder import GraphEncoder
from invdesflow.screening.reconstruction import (
    NeighbourhoodDecoder,
    optimal_assignment,
    sample_neighbours,
    wasserstein,
)


@pytest.fixture(scope="module")
def batch():
    salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    copper = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.61), ["Cu"], [[0, 0, 0]])
    return GraphBatch.of([crystal_graph(one, 8.0, 12) for one in (salt, copper)])


def test_assignments_are_as_cheap_as_the_cheapest_permutation():
    cost = torch.rand(40, 5, 5, generator=torch.Generator().manual_seed(0))
    found = optimal_assignment(cost)
    rows = torch.arange(5)
    cheapest = torch.stack([cost[:, rows, list(p)].sum(dim=1) for p in permutations(range(5))]).min(dim=0).values
    assert cost.gather(2, found[:, :, None]).sum(dim=(1, 2)).tolist() == pytest.approx(cheapest.tolist())
    assert (found.sort(dim=1).values == rows).all()


def test_distance_of_each_set_is_scipys_on_its_own():
    generator = torch.Generator().manual_seed(1)
    one, other = torch.randn(30, 8, 4, generator=generator), torch.randn(30, 8, 4, generator=generator)
    expected = []
    for points, partners in zip(one.numpy(), other.numpy(), strict=True):
        cost = ((points[:, None] - partners[None]) ** 2).sum(axis=2)
        expected.append(cost[linear_sum_assignment(cost)].mean())
    assert wasserstein(one, other).tolist() == pytest.approx(expected, rel=1e-5)


def test_distance_of_shifted_points_is_the_square_of_the_shift_whatever_their_order():
    one = torch.randn(1, 6, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    other = one[:, torch.randperm(6, generator=torch.Generator().manual_seed(3))] + torch.tensor([0.3, -0.4, 1.2])
    assert wasserstein(one, other).item() == pytest.approx(0.3**2 + 0.4**2 + 1.2**2)


def test_gradient_points_to_the_partners():
    one = torch.tensor([[[0.0], [10.0]]], requires_grad=True)
    wasserstein(one, torch.tensor([[[11.0], [1.0]]])).sum().backward()
    assert one.grad.flatten().tolist() == pytest.approx([-1.0, -1.0])


def test_sampled_neighbours_are_neighbours_and_not_repeated(batch):
    found = sample_neighbours(batch, 8)
    degree = torch.bincount(batch.centre)
    for site, sampled in enumerate(found):
        own = batch.neighbour[batch.centre == site]
        for neighbour in sampled.unique():
            assert (sampled == neighbour).sum() <= (own == neighbour).sum()
    assert found.shape == (12, 8)
    assert (degree >= 12).all()


def test_more_samples_than_neighbours_repeat_all_of_them(batch):
    degree = int(torch.bincount(batch.centre)[0])
    sampled = sample_neighbours(batch, 2 * degree)[0].sort().values
    own = batch.neighbour[batch.centre == 0].repeat(2).sort().values
    assert sampled.tolist() == own.tolist()


def test_auto_encoder_learns_to_reconstruct(batch):
    torch.manual_seed(0)
    features = torch.nn.functional.one_hot(torch.unique(batch.numbers, return_inverse=True)[1], 3).float()
    encoder, decoder = GraphEncoder(3, 16, 2), NeighbourhoodDecoder(3, 16, 2)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], 1e-2)
    losses = []
    for _ in range(150):
        parts = decoder(features, encoder(features, batch), batch)
        optimizer.zero_grad()
        sum(parts.values()).backward()
        optimizer.step()
        losses.append({name: part.item() for name, part in parts.items()})
    means = [{name: np.mean([loss[name] for loss in part]) for name in losses[0]} for part in (losses[:5], losses[-5:])]
    for name, limit in {"features": 0.1, "degree": 0.05, "neighbours": 0.5}.items():
        assert means[1][name] < limit * means[0][name], name


def test_representation_does_not_depend_on_the_order_of_sites_and_edges(batch):
    torch.manual_seed(0)
    encoder = GraphEncoder(3, 8, 2).eval()
    features = torch.rand(len(batch.numbers), 3)
    turned = torch.randperm(len(features))
    place = torch.empty_like(turned).scatter_(0, turned, torch.arange(len(turned)))
    shuffled = torch.randperm(len(batch.centre))
    other = GraphBatch(
        batch.numbers[turned],
        batch.crystal[turned],
        place[batch.centre][shuffled],
        place[batch.neighbour][shuffled],
        batch.distance[shuffled],
        batch.volume_per_atom,
    )
    expected, found = encoder(features, batch)[-1][turned], encoder(features[turned], other)[-1]
    assert torch.allclose(expected, found, atol=1e-5)
