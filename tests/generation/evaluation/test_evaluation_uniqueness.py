"""Uniqueness, novelty and symmetry of small sets made on purpose."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.generation.evaluation.uniqueness import newness, space_group_share, summarise_newness
from invdesflow.generation.known_compounds import KnownCompounds
from invdesflow.generation.novelty import Crystal, CrystalIndex


def salt(metal: str, anion: str, length: float) -> Structure:
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(length), [metal, anion], [[0, 0, 0], [0.5, 0.5, 0.5]])


def test_a_repeated_crystal_is_not_unique() -> None:
    crystals = [salt("Na", "Cl", 5.6), salt("K", "Cl", 6.3), salt("Na", "Cl", 5.7).get_primitive_structure()]
    found = newness(crystals, CrystalIndex())
    assert [one is not None and one.unique for one in found] == [True, True, False]
    assert summarise_newness(found).unique.count == 2


def test_new_structures_and_new_compositions() -> None:
    known = CrystalIndex([Crystal("1", "references", salt("Na", "Cl", 5.64))])
    caesium_chloride = Structure(Lattice.cubic(3.4), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    found = summarise_newness(newness([salt("Na", "Cl", 5.6), caesium_chloride, salt("K", "Cl", 6.3)], known))
    assert (found.new_structure.count, found.new_composition.count) == (2, 1)
    assert found.unique_and_new_composition.count == 1


def test_compounds_known_by_name_are_no_new_compositions() -> None:
    found = newness([salt("K", "Cl", 6.3)], KnownCompounds.of([("KCl", 221)]))
    assert found[0] is not None
    assert (found[0].new_structure, found[0].new_composition) == (True, False)


def test_a_crystal_without_symmetry_is_nothing() -> None:
    overlapping = Structure(Lattice.cubic(4), ["Na", "Na"], [[0, 0, 0], [0, 0, 0]])
    found = newness([overlapping], CrystalIndex())
    assert found == [None]
    assert summarise_newness(found).unique.share == 0.0


def test_the_intended_space_group_is_counted() -> None:
    good = salt("Na", "Cl", 5.64)
    rattled = good.copy()
    rattled.translate_sites([1], [0.02, 0.01, 0.03])
    assert space_group_share([good, rattled, good], [225, 225, 221]).count == 1
    with pytest.raises(ValueError, match="zip"):
        space_group_share([good], [225, 225])


@pytest.mark.parametrize("broken", [np.nan, 0.0])
def test_a_broken_crystal_has_no_space_group(broken: float) -> None:
    crystal = Structure(Lattice.cubic(3), ["Na", "Na"], [[0, 0, 0], [broken, 0, 0]])
    assert space_group_share([crystal], [1]).count == 0


def test_the_tolerance_is_a_hundredth_of_an_angstrom() -> None:
    rng = np.random.default_rng(0)
    for size, kept in ((0.001, 1), (0.1, 0)):
        crystal = salt("Na", "Cl", 5.64)
        shifts = rng.normal(size=(len(crystal), 3))
        shifts *= size / np.linalg.norm(shifts, axis=1, keepdims=True)
        moved = Structure(crystal.lattice, crystal.species, crystal.cart_coords + shifts, coords_are_cartesian=True)
        assert space_group_share([moved], [225]).count == kept
