import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

from invdesflow.crystals.symmetry import space_group
from invdesflow.errors import StructureError
from invdesflow.superconductors.prototypes import build_crystal, load_prototypes

PROTOTYPES = load_prototypes()


def shortest(structure: Structure, one: str, other: str) -> float:
    distances = [
        neighbour.nn_distance
        for site in structure
        if site.specie.symbol == one
        for neighbour in structure.get_neighbors(site, 6.0)
        if neighbour.specie.symbol == other
    ]
    return min(distances)


def test_a15_chain_is_half_the_cell():
    crystal = build_crystal(PROTOTYPES["A15"], {"A": "Nb", "B": "Sn"}, {"a": 5.29}, {})
    assert len(crystal) == 8
    assert shortest(crystal, "Nb", "Nb") == pytest.approx(5.29 / 2)
    assert shortest(crystal, "Nb", "Sn") == pytest.approx(5.29 * np.sqrt(5) / 4)


def test_magnesium_diboride():
    crystal = build_crystal(PROTOTYPES["C32"], {"A": "Mg", "B": "B"}, {"a": 3.086, "c": 3.524}, {})
    assert crystal.composition.formula == "Mg1 B2"
    assert shortest(crystal, "B", "B") == pytest.approx(3.086 / np.sqrt(3))


def test_cubic_laves_phase_has_corner_sharing_tetrahedra():
    crystal = build_crystal(PROTOTYPES["C15"], {"A": "Zr", "B": "V"}, {"a": 7.445}, {})
    assert len(crystal) == 6
    assert shortest(crystal, "V", "V") == pytest.approx(7.445 * np.sqrt(2) / 4)
    assert shortest(crystal, "Zr", "Zr") == pytest.approx(7.445 * np.sqrt(3) / 4)


def test_sodalite_hydride():
    crystal = build_crystal(PROTOTYPES["CaH6"], {"A": "Ca", "H": "H"}, {"a": 3.5}, {})
    assert crystal.composition.formula == "Ca1 H6"
    assert shortest(crystal, "H", "H") == pytest.approx(3.5 * np.sqrt(2) / 4)


def test_filling_the_void_of_a2bh6_gives_a2xbh6():
    lattice, coordinates = {"a": 7.344}, {"H": {"x": 0.2122}}
    host = build_crystal(PROTOTYPES["K2PtCl6"], {"A": "K", "B": "Cu", "H": "H"}, lattice, coordinates)
    filled = build_crystal(PROTOTYPES["elpasolite"], {"A": "K", "B": "Cu", "X": "Ga", "H": "H"}, lattice, coordinates)
    assert (len(host), len(filled)) == (9, 10)
    filled.remove_species(["Ga"])
    assert StructureMatcher(primitive_cell=False, scale=False).fit(host, filled)


def test_agrees_with_pymatgen_in_a_rhombohedral_group():
    ours = build_crystal(PROTOTYPES["CaC6"], {"A": "Ca", "C": "C"}, {"a": 4.333, "c": 13.572}, {"C": {"x": 1 / 3}})
    theirs = Structure.from_spacegroup(
        "R-3m", Lattice.hexagonal(4.333, 13.572), ["Ca", "C"], [[0, 0, 0], [1 / 3, 0, 1 / 2]]
    )
    assert space_group(ours) == (166, "R-3m")
    assert StructureMatcher(scale=False).fit(ours, theirs)
    assert shortest(ours, "C", "C") == pytest.approx(4.333 / 3, abs=1e-3)


def test_hexagonal_stacking_follows_the_axial_ratio():
    crystal = build_crystal(PROTOTYPES["A3"], {"A": "Re"}, {"a": 2.7609, "c": 4.4583}, {})
    assert crystal.volume / len(crystal) == pytest.approx(2.7609**2 * np.sqrt(3) / 2 * 4.4583 / 2)


@pytest.mark.parametrize(
    ("elements", "lattice", "coordinates"),
    [
        ({"A": "Y"}, {"a": 4.1}, {"B": {"x": 0.2}}),
        ({"A": "Y", "B": "B", "C": "C"}, {"a": 4.1}, {"B": {"x": 0.2}}),
        ({"A": "Y", "B": "B"}, {"a": 4.1, "c": 4.1}, {"B": {"x": 0.2}}),
        ({"A": "Y", "B": "B"}, {"a": 4.1}, {}),
        ({"A": "Y", "B": "B"}, {"a": 4.1}, {"B": {"x": 0.2, "y": 0.1}}),
        ({"A": "Y", "B": "B"}, {"a": 4.1}, {"B": {"x": 0.5}}),
    ],
    ids=["element missing", "element too much", "c in a cube", "no x", "y too much", "x on a special position"],
)
def test_what_does_not_fit_the_prototype_is_refused(elements, lattice, coordinates):
    with pytest.raises(StructureError):
        build_crystal(PROTOTYPES["D2_1"], elements, lattice, coordinates)
