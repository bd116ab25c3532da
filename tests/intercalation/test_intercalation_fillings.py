"""Orderings against published counts and a second way to count them; the first guess of the widened cell."""

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from ase.data import covalent_radii
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

from invdesflow.errors import ConfigurationError, IntercalationError
from invdesflow.intercalation.expansion import widened
from invdesflow.intercalation.fillings import OrderingSettings, SiteFilling, fill
from invdesflow.intercalation.voids import find_voids
from invdesflow.superconductors.catalogue import load_catalogue

FCC = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
ALUMINIUM = Structure(Lattice(4.05 * FCC), ["Al"], [[0, 0, 0]])
NIOBIUM = Structure(Lattice(3.3 * (np.full((3, 3), 0.5) - np.eye(3))), ["Nb"], [[0, 0, 0]])
GRAPHITE = Structure(Lattice.hexagonal(2.46, 3.35), ["C"] * 2, [[1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0]])


def known(name):
    return next(document.structure for document in load_catalogue() if document.name == name)


def orderings(host, share, max_cells, rank=0, guest="Li", limit=10_000):
    filling = SiteFilling.of(find_voids(host)[rank], {guest: share})
    return fill(host, [filling], OrderingSettings(max_cells=max_cells, max_orderings=limit))


@pytest.mark.parametrize(("cells", "expected"), [(2, 2), (3, 6), (4, 19), (5, 28)])
def test_orderings_on_a_fcc_lattice_are_those_of_hart_and_forcade(cells, expected):
    # Table of Hart & Forcade (2008): 2, 3, 12, 14 where A and B may be exchanged, which here they may not; of the
    # 12 with four sites, 7 have the composition AB3 and 5 A2B2.
    found = [ordering for k in range(1, cells) for ordering in orderings(ALUMINIUM, Fraction(k, cells), cells)]
    assert sum(ordering.n_cells == cells for ordering in found) == expected


def test_orderings_within_one_cell_are_those_that_a_structure_matcher_tells_apart():
    host = NIOBIUM.make_supercell([[0, 1, 1], [1, 0, 1], [1, 1, 0]], in_place=False)  # the cubic cell
    void = find_voids(host)[0]
    assert void.n_sites == 12
    primitive = find_voids(NIOBIUM)[0]
    found = fill(NIOBIUM, [SiteFilling.of(primitive, {"H": Fraction(1, 3)})], OrderingSettings(max_cells=1))
    brute = []
    for chosen in combinations(primitive.fractional_coords, 2):
        crystal = NIOBIUM.copy()
        for site in chosen:
            crystal.append("H", site)
        brute.append(crystal)
    groups = StructureMatcher(stol=0.05, ltol=0.01, angle_tol=0.1, scale=False, primitive_cell=False).group_structures(
        brute
    )
    assert len(found) == len(groups)
    matcher = StructureMatcher(stol=0.2, scale=True)
    assert all(sum(matcher.fit(one.structure, group[0]) for group in groups) >= 1 for one in found)


def test_a_third_of_the_sites_of_graphite_is_calcium_hexacarbide():
    found = orderings(GRAPHITE, 0.3333, 3, guest="Ca")
    matcher = StructureMatcher(ltol=0.25)
    assert sum(matcher.fit(ordering.structure, known("CaC6")) for ordering in found) == 1
    assert {ordering.n_cells for ordering in found} == {3}
    assert [ordering.filling for ordering in found] == pytest.approx([1 / 3] * len(found))
    assert all(ordering.guests == {"Ca": 1} for ordering in found)


def test_the_host_comes_first_and_the_guests_after():
    filled = orderings(known("K2CuH6"), 1, 1, guest="Ga")[0]
    assert [site.specie.symbol for site in filled.structure] == [
        *(site.specie.symbol for site in known("K2CuH6")),
        "Ga",
    ]
    assert StructureMatcher().fit(filled.structure, known("K2GaCuH6"))


def test_several_guests_in_several_voids():
    octahedral, tetrahedral = find_voids(ALUMINIUM)
    fillings = [SiteFilling.of(octahedral, {"Li": 1}), SiteFilling.of(tetrahedral, {"H": 0.5, "D": 0.5})]
    (filled,) = fill(ALUMINIUM, fillings)
    assert filled.guests == {"D": 1, "H": 1, "Li": 1}
    assert filled.sites == ["4b", "8c"]
    assert filled.filling == 1


def test_a_fraction_that_no_cell_can_hold():
    with pytest.raises(IntercalationError, match=r"No cell of up to 2 host cells has whole atoms .* 0.333 Li"):
        orderings(ALUMINIUM, Fraction(1, 3), 2)


def test_an_explosion_is_counted_before_anything_is_built(monkeypatch):
    monkeypatch.setattr("invdesflow.intercalation.fillings.colourings", lambda _: pytest.fail("built"))
    with pytest.raises(IntercalationError, match=r"at least \d+ orderings .* 20 are allowed"):
        orderings(ALUMINIUM, Fraction(1, 2), 8, limit=20)


@pytest.mark.parametrize("share", [0.0, 1.2, -0.5, 0.005])
def test_shares_that_make_no_sense(share):
    with pytest.raises(ConfigurationError, match="cannot be filled with"):
        SiteFilling.of(find_voids(ALUMINIUM)[0], {"Li": share})


def test_graphite_widens_between_its_layers_and_not_within_them():
    filled = orderings(GRAPHITE, 1, 1, guest="Ba")[0].structure
    assert filled.lattice.a == pytest.approx(2.46, abs=0.01)
    assert filled.lattice.c > 4.2  # 5.25 in BaC6, 3.35 without
    assert filled.get_space_group_info()[0] == "P6/mmm"


def test_a_guest_with_room_leaves_the_cell_as_it_is():
    filled = orderings(known("Na2AgH6"), 1, 1, guest="Li")[0].structure
    assert filled.lattice == known("Na2AgH6").lattice


def test_a_cubic_host_is_strained_alike_on_all_axes():
    crystal = Structure(Lattice(4.05 * FCC), ["Al", "K"], [[0, 0, 0], [0.5] * 3])
    strained = widened(crystal, [1])
    assert strained.get_space_group_info()[0] == "Fm-3m"
    factor = (strained.volume / crystal.volume) ** (1 / 3)
    assert 1 < factor <= (covalent_radii[13] + covalent_radii[19]) / (4.05 / 2)
