"""Graphs of ALIGNN: one atom, bond and angle of each orbit give what all of them give in the package's own layers."""

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure

pytest.importorskip("alignn", reason="alignn is not installed")

from invdesflow.errors import StructureError
from invdesflow.screening.alignn_graph import CUTOFF, TIE, AlignnBatch, alignn_graph
from invdesflow.screening.alignn_network import AlignnNetwork, AlignnShape

MGB2 = Structure(Lattice.hexagonal(3.07, 3.52), ["Mg", "B", "B"], [[0, 0, 0], [1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]])
NB3SN = Structure.from_spacegroup("Pm-3n", Lattice.cubic(5.29), ["Sn", "Nb"], [[0, 0, 0], [0.25, 0, 0.5]])
ROCK_SALT = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.39), ["Nb", "N"], [[0, 0, 0], [0.5, 0.5, 0.5]])
TRICLINIC = Structure(
    Lattice.from_parameters(3.1, 3.9, 4.7, 81, 97, 104),
    ["Nb", "Ti", "C"],
    [[0, 0, 0], [0.41, 0.52, 0.47], [0.8, 0.2, 0.7]],
)
CRYSTALS = [MGB2, NB3SN, ROCK_SALT, TRICLINIC]


def site_inputs(numbers):
    return torch.stack([torch.sin(torch.arange(1.0, 7.0) * float(z)) for z in numbers])


def package_forward(network, structure, neighbours):
    """Run the package's own layers over every atom, bond and angle of the cell as it is given."""
    sources, targets, vectors = [], [], []
    for centre in range(len(structure)):
        found = sorted(structure.get_neighbors(structure[centre], CUTOFF), key=lambda n: n.nn_distance)
        farthest = found[min(neighbours, len(found)) - 1].nn_distance + TIE
        for near in found:
            if near.nn_distance <= farthest:
                sources.append(near.index)
                targets.append(centre)
                vectors.append(structure[centre].coords - near.coords)
    source, target = torch.tensor(sources), torch.tensor(targets)
    vector = torch.tensor(np.array(vectors), dtype=torch.float32)
    first, second = torch.nonzero(target[:, None] == source[None], as_tuple=True)
    cosine = -torch.nn.functional.cosine_similarity(vector[first], vector[second], dim=1)
    atoms = network.atom_embedding(site_inputs([site.specie.Z for site in structure]))
    bonds, angles = network.bond_embedding(vector.norm(dim=1)), network.angle_embedding(cosine)
    count = len(structure)
    for layer in network.line_layers:
        atoms, bonds, angles = layer.forward_tensors(
            source, target, count, first, second, len(source), atoms, bonds, angles
        )
    for layer in network.bond_layers:
        atoms, bonds = layer.forward_tensors(source, target, count, atoms, bonds)
    return network.readout(torch.cat([atoms.mean(dim=0), network.crystal_embedding(torch.ones(2))]))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return AlignnNetwork(AlignnShape(site_inputs=6, crystal_inputs=2, hidden=16, readout=8)).eval()


@torch.no_grad()
def test_orbits_give_what_the_whole_cell_gives(network):
    graphs = [alignn_graph(structure, 8) for structure in CRYSTALS]
    batch = AlignnBatch.of(graphs)
    found = network(batch, site_inputs(batch.numbers.tolist()), torch.ones(len(graphs), 2))
    for row, structure in zip(found, CRYSTALS, strict=True):
        torch.testing.assert_close(row, package_forward(network, structure, 8), atol=2e-4, rtol=1e-3)
    assert (found[0] - found[1]).abs().max() > 0.01  # the network does tell crystals apart


def test_symmetry_leaves_little_of_a_cubic_crystal():
    graph = alignn_graph(ROCK_SALT, 6)
    assert sorted(graph.numbers) == [7, 41]
    assert graph.multiplicity.tolist() == [1, 1]  # of the primitive cell, though the conventional one was given
    assert graph.bond_count.tolist() == [6, 6]
    assert graph.distance == pytest.approx([4.39 / 2] * 2)
    # From a bond of an octahedron: back, across, and to the four sides.
    assert sorted(graph.angle_count.tolist()) == [1, 1, 1, 1, 4, 4]
    assert np.sort(graph.cosine) == pytest.approx([-1, -1, 0, 0, 1, 1], abs=1e-6)


def test_nothing_is_merged_without_symmetry():
    graph = alignn_graph(TRICLINIC, 8)
    assert graph.multiplicity.tolist() == [1, 1, 1]
    assert np.bincount(graph.target, weights=graph.bond_count) == pytest.approx([8, 8, 8], abs=2)


def test_isolated_atoms_are_refused():
    with pytest.raises(StructureError, match="no neighbour"):
        alignn_graph(Structure(Lattice.cubic(15), ["Nb"], [[0, 0, 0]]), 8)
