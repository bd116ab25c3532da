"""Space groups and standard cells against textbook crystals, and the memory against spglib asked directly."""

import numpy as np
import pytest
import spglib
from pymatgen.core import Lattice, Structure

from invdesflow.crystals.symmetry import conventional, primitive, space_group, symmetry_of
from invdesflow.errors import StructureError

FCC = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
HYDRIDE_SITES = [[0.25] * 3, [0.75] * 3, [0, 0, 0], [0.5] * 3]


def hydride(a, names, x=0.24):
    hydrogen = [[-x, x, x], [x, -x, -x], [x, -x, x], [-x, x, -x], [x, x, -x], [-x, -x, x]]
    species = [names[0], names[0], names[1], names[2]] + [names[3]] * 6
    return Structure(Lattice(a * FCC), species, HYDRIDE_SITES + hydrogen)


@pytest.mark.parametrize(
    ("structure", "expected"),
    [
        (Structure(Lattice(4.4 * FCC), ["Nb", "N"], [[0, 0, 0], [0.5] * 3]), (225, "Fm-3m")),
        (Structure(Lattice(5.4 * FCC), ["Si", "Si"], [[0, 0, 0], [0.25] * 3]), (227, "Fd-3m")),
        (Structure(Lattice.cubic(3.3), ["Nb", "Nb"], [[0, 0, 0], [0.5] * 3]), (229, "Im-3m")),
        (
            Structure(
                Lattice.hexagonal(3.1, 3.5), ["Mg", "B", "B"], [[0, 0, 0], [1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]]
            ),
            (191, "P6/mmm"),
        ),
        (hydride(7.64, ["K", "Ga", "Cu", "H"]), (225, "Fm-3m")),
        (Structure(Lattice.from_parameters(4, 5, 6, 80, 85, 95), ["Nb"] * 2, [[0, 0, 0], [0.4, 0.3, 0.2]]), (2, "P-1")),
    ],
)
def test_space_group_of_known_crystals(structure, expected):
    assert space_group(structure) == expected


def test_remembered_symmetry_equals_spglib_for_other_elements_and_sizes():
    for a, names in [(7.64, "K Ga Cu H"), (8.2, "Rb In Ag H"), (6.9, "Li Al Ni H")]:
        structure = hydride(a, names.split())
        cell = (structure.lattice.matrix, structure.frac_coords, list(structure.atomic_numbers))
        direct = spglib.get_symmetry_dataset(cell, symprec=0.01)
        symmetry = symmetry_of(structure)
        assert symmetry.number == direct.number
        assert np.array_equal(symmetry.orbits, direct.crystallographic_orbits)
        assert abs(np.linalg.det(symmetry.primitive_lattice)) == pytest.approx(a**3 / 4)


def test_exchanged_elements_are_not_mistaken_for_the_remembered_shape():
    same = Structure(Lattice.cubic(3.0), ["Nb", "Nb"], [[0, 0, 0], [0.5] * 3])
    ordered = Structure(Lattice.cubic(3.0), ["Ru", "Nb"], [[0, 0, 0], [0.5] * 3])
    assert space_group(same)[0] == 229
    assert space_group(ordered)[0] == 221


def test_standard_cells():
    structure = hydride(7.64, ["K", "Ga", "Cu", "H"]).make_supercell([2, 1, 1], in_place=False)
    assert len(primitive(structure)) == 10
    assert len(conventional(structure)) == 40
    assert conventional(structure).lattice.abc == pytest.approx((7.64,) * 3)


def test_standard_cell_removes_noise_within_the_tolerance():
    structure = Structure(Lattice.cubic(3.3), ["Nb", "Nb"], [[0.0005, 0, 0], [0.5, 0.5, 0.5]])
    assert space_group(structure)[0] == 229
    assert len(primitive(structure)) == 1


@pytest.mark.parametrize("find", [symmetry_of, primitive, conventional])
def test_disordered_crystals_are_refused(find):
    with pytest.raises(StructureError, match="disordered"):
        find(Structure(Lattice.cubic(3.0), [{"Nb": 0.5, "Ti": 0.5}], [[0, 0, 0]]))
