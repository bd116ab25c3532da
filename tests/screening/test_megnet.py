import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure

from invdesflow.screening.crystal_graph import GraphBatch, crystal_graph
from invdesflow.screening.megnet import Joint, Megnet, MegnetShape, Set2Set


@pytest.fixture
def crystals():
    rock_salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.25), ["Ti", "N"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    diboride = Structure(
        Lattice.hexagonal(3.08, 3.52), ["Mg", "B", "B"], [[0, 0, 0], [1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]]
    )
    return [rock_salt, diboride]


def ask(network, structures):
    batch = GraphBatch.of([crystal_graph(structure, 6.0, 12) for structure in structures])
    sites = torch.stack([torch.sin(batch.numbers.float()), torch.cos(batch.numbers.float())], dim=1)
    state = torch.log(batch.volume_per_atom)[:, None]
    with torch.no_grad():
        return network(batch, sites, state).numpy()


@pytest.mark.parametrize("blocks", [0, 2])
class TestSymmetry:
    @pytest.fixture
    def network(self, blocks):
        torch.manual_seed(0)
        return Megnet(MegnetShape(2, 1, blocks=blocks, width=8, hidden=16, head=16)).eval()

    def test_crystals_in_a_batch_do_not_see_each_other(self, network, crystals):
        alone = np.concatenate([ask(network, [crystal]) for crystal in crystals])
        np.testing.assert_allclose(ask(network, crystals), alone, atol=1e-6)
        assert np.abs(alone[0] - alone[1]).max() > 1e-3

    def test_supercell_permutation_and_rotation_change_nothing(self, network, crystals):
        for crystal in crystals:
            supercell = crystal.copy().make_supercell([[2, 0, 0], [0, 1, 0], [1, 0, 2]])
            permuted = Structure.from_sites(list(reversed(crystal.sites)))
            turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
            turned = Structure(crystal.lattice.matrix @ turn, crystal.species, crystal.frac_coords)
            expected = ask(network, [crystal])
            for other in (supercell, permuted, turned):
                np.testing.assert_allclose(ask(network, [other]), expected, atol=1e-5)


def test_blocks_see_the_bond_lengths_at_one_volume():
    torch.manual_seed(0)
    network = Megnet(MegnetShape(2, 1, blocks=1, width=8, hidden=16, head=16)).eval()
    blind = Megnet(MegnetShape(2, 1, blocks=0, width=8, hidden=16, head=16)).eval()
    centred = Structure(Lattice.cubic(4.1), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    shifted = Structure(Lattice.cubic(4.1), ["Cs", "Cl"], [[0, 0, 0], [0.4, 0.5, 0.5]])
    assert np.abs(ask(network, [centred]) - ask(network, [shifted])).max() > 1e-5
    np.testing.assert_array_equal(ask(blind, [centred]), ask(blind, [shifted]))


def test_joint_is_a_dense_layer_on_the_inputs_side_by_side():
    torch.manual_seed(0)
    joint = Joint((3, 2), 4, 5)
    shared, rows, own = torch.randn(2, 3), torch.tensor([0, 1, 1]), torch.randn(3, 2)
    weight = torch.cat([layer.weight for layer in joint.first], dim=1)
    expected = joint.rest(torch.cat([shared[rows], own], dim=1) @ weight.T + joint.first[0].bias)
    torch.testing.assert_close(joint((shared, rows), (own, None)), expected)


def test_set2set_attends_as_a_softmax_within_each_set():
    torch.manual_seed(0)
    reader = Set2Set(4, 2)
    members, home = torch.randn(7, 4), torch.tensor([0, 0, 1, 1, 1, 1, 0])
    found = reader(members, home, 2)
    for number in (0, 1):
        own = members[home == number]
        query, cell, read = torch.zeros(1, 4), torch.zeros(1, 4), torch.zeros(1, 8)
        for _ in range(2):
            query, cell = reader.memory(read, (query, cell))
            read = torch.cat([query, torch.softmax(own @ query[0], dim=0)[None] @ own], dim=1)
        torch.testing.assert_close(found[number : number + 1], read)
