"""Voids of crystals whose interstitial sites are known: from the literature, or because a known guest sits there."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.errors import StructureError
from invdesflow.intercalation.voids import VoidSettings, find_voids, void_at
from invdesflow.superconductors.catalogue import load_entries, make_document


def spacegroup(symbol, lattice, species, positions):
    return Structure.from_spacegroup(symbol, lattice, species, positions)


# Host, position of the void, site symmetry, distance to the nearest atom in units of a where it is simple, neighbours.
FCC = spacegroup("Fm-3m", Lattice.cubic(4.05), ["Al"], [[0, 0, 0]])
BCC = spacegroup("Im-3m", Lattice.cubic(3.3), ["Nb"], [[0, 0, 0]])
HCP = spacegroup("P6_3/mmc", Lattice.hexagonal(2.95, 2.95 * np.sqrt(8 / 3)), ["Ti"], [[1 / 3, 2 / 3, 0.25]])
AA_GRAPHITE = Structure(Lattice.hexagonal(2.46, 3.35), ["C"] * 2, [[1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0]])
AB_GRAPHITE = Structure(
    Lattice.hexagonal(2.46, 6.7), ["C"] * 4, [[0, 0, 0.25], [0, 0, 0.75], [1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]]
)
BORON = Structure(Lattice.hexagonal(3.08, 3.52), ["B"] * 2, [[1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]])
REO3 = spacegroup("Pm-3m", Lattice.cubic(3.75), ["Re", "O"], [[0, 0, 0], [0.5, 0, 0]])
TIS2 = spacegroup("P-3m1", Lattice.hexagonal(3.407, 5.695), ["Ti", "S"], [[0, 0, 0], [1 / 3, 2 / 3, 0.25]])
NBS2 = spacegroup("P6_3/mmc", Lattice.hexagonal(3.33, 11.95), ["Nb", "S"], [[0, 0, 0.25], [1 / 3, 2 / 3, 0.117]])
RUTILE = spacegroup("P4_2/mnm", Lattice.tetragonal(4.594, 2.959), ["Ti", "O"], [[0, 0, 0], [0.305, 0.305, 0]])
DIAMOND = spacegroup("Fd-3m", Lattice.cubic(5.431), ["Si"], [[0, 0, 0]])
ZINC_BLENDE = spacegroup("F-43m", Lattice.cubic(5.65), ["Ga", "As"], [[0, 0, 0], [0.25] * 3])
FLUORITE = spacegroup("Fm-3m", Lattice.cubic(5.46), ["Ca", "F"], [[0, 0, 0], [0.25] * 3])
SODALITE = spacegroup("Im-3m", Lattice.cubic(3.54), ["H"], [[0.25, 0, 0.5]])
CLATHRATE = spacegroup("Pm-3n", Lattice.cubic(10.23), ["Si"] * 3, [[0.25, 0, 0.5], [0.1837] * 3, [0, 0.3077, 0.1175]])
SPINEL = spacegroup("Fd-3m", Lattice.cubic(8.03), ["Mn", "O"], [[0.625] * 3, [0.3878] * 3])

KNOWN = [
    pytest.param(FCC, 0, [0.5, 0.5, 0.5], "4b", "m-3m", {"Al": 6}, 4.05 / 2, id="fcc, octahedral"),
    pytest.param(FCC, 1, [0.25] * 3, "8c", "-43m", {"Al": 4}, 4.05 * np.sqrt(3) / 4, id="fcc, tetrahedral"),
    pytest.param(BCC, 0, [0.5, 0.25, 0], "12d", "-4m.2", {"Nb": 4}, 3.3 * np.sqrt(5) / 4, id="bcc, tetrahedral"),
    pytest.param(HCP, 0, [0, 0, 0], "2a", "-3m.", {"Ti": 6}, 2.95 / np.sqrt(2), id="hcp, octahedral"),
    pytest.param(HCP, 1, [1 / 3, 2 / 3, 0.625], "4f", "3m.", {"Ti": 4}, None, id="hcp, tetrahedral"),
    pytest.param(AA_GRAPHITE, 0, [0, 0, 0.5], "1b", "6/mmm", {"C": 12}, None, id="graphite AA, the site of CaC6"),
    pytest.param(BORON, 0, [0, 0, 0], "1b", "6/mmm", {"B": 12}, None, id="honeycomb of B, the site of MgB2"),
    pytest.param(REO3, 0, [0.5] * 3, "1b", "m-3m", {"O": 12}, 3.75 / np.sqrt(2), id="ReO3, the A site of perovskite"),
    pytest.param(TIS2, 0, [0, 0, 0.5], "1b", "-3m.", {"S": 6}, None, id="TiS2, the site of LiTiS2"),
    pytest.param(NBS2, 0, [0, 0, 0], "2a", "-3m.", {"S": 6}, None, id="2H-NbS2, octahedral between the layers"),
    pytest.param(RUTILE, 0, [0, 0.5, 0.25], "4d", "-4..", {"O": 4}, None, id="rutile, in the tunnel"),
    pytest.param(DIAMOND, 0, [0.5] * 3, "8b", "-43m", {"Si": 4}, 5.431 * np.sqrt(3) / 4, id="diamond, tetrahedral"),
    pytest.param(DIAMOND, 1, [0.625] * 3, "16c", ".-3m", {"Si": 6}, None, id="diamond, hexagonal"),
    pytest.param(FLUORITE, 0, [0.5] * 3, "4b", "m-3m", {"F": 8}, 5.46 * np.sqrt(3) / 4, id="fluorite"),
    pytest.param(SODALITE, 0, [0, 0, 0], "2a", "m-3m", {"H": 24}, 3.54 * np.sqrt(5) / 4, id="sodalite, CaH6"),
    pytest.param(CLATHRATE, 0, [0.25, 0.5, 0], "6d", "-4m.2", None, None, id="clathrate I, large cage"),
    pytest.param(CLATHRATE, 1, [0, 0, 0], "2a", "m-3.", {"Si": 20}, None, id="clathrate I, small cage"),
    pytest.param(SPINEL, 0, [0.125] * 3, "16d", ".-3m", {"O": 6}, None, id="spinel Mn2O4, empty octahedra"),
    pytest.param(SPINEL, 1, [0, 0, 0], "8b", "-43m", {"O": 4}, None, id="spinel Mn2O4, the site of LiMn2O4"),
]


def same_points(structure, first, second):
    """Tell whether every point of the one set lies on one of the other."""
    return structure.lattice.get_all_distances(first, second).min(axis=1).max() < 1e-6


@pytest.mark.parametrize(("host", "rank", "position", "wyckoff", "site_symmetry", "neighbours", "radius"), KNOWN)
def test_known_sites(host, rank, position, wyckoff, site_symmetry, neighbours, radius):
    void = find_voids(host)[rank]
    assert void.site_symmetry == site_symmetry
    assert void.wyckoff[:-1] == wyckoff[:-1]
    assert same_points(host, [position], void.fractional_coords)
    nearest = host.lattice.get_all_distances(void.fractional_coords, host.frac_coords).min(axis=1)
    assert nearest == pytest.approx(void.radius, abs=1e-6)
    if neighbours is not None:
        assert void.neighbours == neighbours
    if radius is not None:
        assert void.radius == pytest.approx(radius, abs=1e-6)


def test_graphite_in_ab_stacking_has_no_site_between_two_hexagons():
    void = find_voids(AB_GRAPHITE)[0]
    assert (void.wyckoff, void.neighbours) == ("4f", {"C": 7})  # under a hexagon, over an atom
    assert void.radius < find_voids(AA_GRAPHITE)[0].radius


def test_the_octahedral_site_of_a_bcc_lattice_is_no_void():
    assert [void.wyckoff for void in find_voids(BCC)] == ["12d"]


@pytest.mark.parametrize("entry", [e for e in load_entries() if e.prototype == "K2PtCl6"], ids=lambda entry: entry.name)
def test_4b_is_the_largest_void_of_every_known_a2bh6(entry):
    void = find_voids(make_document(entry).structure)[0]
    assert (void.wyckoff, void.site_symmetry, void.neighbours) == ("4b", "m-3m", {"H": 6})
    assert void.fractional_coords.tolist() == [[0.5, 0.5, 0.5]]


def test_by_radius_alone_4b_would_not_be_the_largest_void_of_most_a2bh6():
    voids = [find_voids(make_document(e).structure) for e in load_entries() if e.prototype == "K2PtCl6"]
    largest = [max(found, key=lambda void: void.radius).wyckoff for found in voids]
    assert (largest.count("24d"), largest.count("4b")) == (9, 5)


def test_the_guest_of_every_known_crystal_sits_in_the_largest_void_of_its_host():
    roles = {"elpasolite": "X", "CaC6": "A", "EuC6": "A", "C32": "A", "CaH6": "A", "LaH10": "A", "D2_f": "A"}
    tried = 0
    for entry in load_entries():
        guest = entry.elements.get(roles.get(entry.prototype, ""))
        if guest is None:
            continue
        crystal = make_document(entry).structure
        host = crystal.copy()
        host.remove_species([guest])
        sites = [site.frac_coords for site in crystal if site.specie.symbol == guest]
        largest = find_voids(host)[0]
        # The lattice of the host may be finer than that of the crystal: guests of CaC6 take a third of the voids.
        assert same_points(host, sites, largest.fractional_coords), entry.name
        tried += 1
    assert tried >= 15


def test_the_letter_does_not_depend_on_the_origin_and_the_cell():
    host = spacegroup("Fm-3m", Lattice.cubic(7.344), ["Cu", "K", "H"], [[0, 0, 0], [0.25] * 3, [0.2122, 0, 0]])
    for shift in ([0, 0, 0], [0.5, 0.5, 0.5], [0.13, 0.2, 0.37]):
        moved = host.copy()
        moved.translate_sites(range(len(moved)), shift)
        void = find_voids(moved)[0]
        assert (void.wyckoff, void.n_sites) == ("4b", 4)
    supercell = host.get_primitive_structure().make_supercell([2, 1, 1], in_place=False)
    void = find_voids(supercell)[0]
    assert (void.wyckoff, void.n_sites) == ("4b", 2)


def test_a_relaxed_crystal_has_the_voids_of_the_ideal_one():
    disturbed = AA_GRAPHITE.copy()
    disturbed.perturb(0.001, seed=0)
    assert find_voids(disturbed)[0].radius == pytest.approx(find_voids(AA_GRAPHITE)[0].radius, abs=0.01)


def test_the_clearance_is_what_the_atoms_leave():
    void = find_voids(FCC)[0]
    assert void.clearance == pytest.approx(4.05 / 2 - 1.21, abs=1e-6)  # Cordero's radius of Al


def test_a_point_can_be_described_without_being_a_void():
    octahedral = void_at(BCC, [0.5, 0.5, 0.01])
    assert octahedral.wyckoff == "6b"
    assert octahedral.fractional_coords[0].tolist() in [[0.5, 0.5, 0.0], [0.0, 0.0, 0.5], [0.0, 0.5, 0.0]]


def test_small_voids_are_left_out():
    assert find_voids(FCC, VoidSettings(min_radius_a=1.9))[0].wyckoff == "4b"
    assert len(find_voids(FCC, VoidSettings(min_radius_a=1.9))) == 1
    assert find_voids(FCC, VoidSettings(min_radius_a=3)) == []


def test_a_disordered_host_is_refused():
    alloy = Structure(Lattice.cubic(3), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]])
    with pytest.raises(StructureError, match="disordered"):
        find_voids(alloy)
