"""Crystals as graphs, against ASE's neighbour list and known coordination."""

import numpy as np
import pytest
from ase.neighborlist import neighbor_list
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from invdesflow.errors import StructureError
from invdesflow.screening.crystal_graph import GraphBatch, crystal_graph

NIOBIUM = Structure(Lattice.cubic(3.3), ["Nb", "Nb"], [[0, 0, 0], [0.5, 0.5, 0.5]])
BORIDE = Structure.from_spacegroup(
    "P6/mmm", Lattice.hexagonal(3.08, 3.52), ["Mg", "B"], [[0, 0, 0], [1 / 3, 2 / 3, 0.5]]
)


@pytest.mark.parametrize("crystal", [NIOBIUM, BORIDE])
def test_edges_are_those_of_ase(crystal):
    graph = crystal_graph(crystal, 6.0)
    centre, distance = neighbor_list("id", AseAtomsAdaptor.get_atoms(crystal), 6.0)
    for site in range(len(crystal)):
        assert np.allclose(np.sort(graph.distance[graph.centre == site]), np.sort(distance[centre == site]), atol=1e-4)


@pytest.mark.parametrize(("asked", "kept"), [(8, 8), (9, 14), (14, 14), (15, 26)])
def test_a_shell_is_kept_whole(asked, kept):
    """Body-centred: shells of 8, 6 and 12 neighbours."""
    graph = crystal_graph(NIOBIUM, 6.0, asked)
    assert (np.bincount(graph.centre) == kept).all()


def test_fewer_neighbours_than_asked_for_are_all_kept():
    assert len(crystal_graph(NIOBIUM, 3.0, 100).centre) == 16


def test_a_batch_keeps_its_crystals_apart():
    graphs = [crystal_graph(crystal, 5.0) for crystal in (NIOBIUM, BORIDE)]
    batch = GraphBatch.of(graphs)
    assert len(batch) == 2
    assert batch.numbers.tolist() == [41, 41, 12, 5, 5]
    assert (batch.crystal[batch.centre] == batch.crystal[batch.neighbour]).all()
    own = batch.crystal[batch.centre] == 1
    assert batch.distance[own].numpy() == pytest.approx(graphs[1].distance)
    assert (batch.neighbour[own] - 2).tolist() == graphs[1].neighbour.tolist()


def test_a_site_without_neighbours_is_refused():
    with pytest.raises(StructureError, match="no neighbour"):
        crystal_graph(Structure(Lattice.cubic(20), ["Al"], [[0, 0, 0]]), 8.0)


def test_a_disordered_crystal_is_refused():
    with pytest.raises(StructureError, match="disordered"):
        crystal_graph(Structure(Lattice.cubic(3.3), [{"Nb": 0.5, "Ti": 0.5}], [[0, 0, 0]]), 6.0)
