"""Counts by symmetry against tables of group theory and against what pw.x and ph.x print."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.errors import StructureError
from invdesflow.screening.wave_vectors import CrystalSymmetry


def crystal(group, lattice, species, sites) -> Structure:
    return Structure.from_spacegroup(group, lattice, species, sites).get_primitive_structure()


ALUMINIUM = crystal(225, Lattice.cubic(4.05), ["Al"], [[0] * 3])
SILICON = crystal(227, Lattice.cubic(5.43), ["Si"], [[0] * 3])
ZINCBLENDE = crystal(216, Lattice.cubic(5.65), ["Ga", "As"], [[0] * 3, [0.25] * 3])
DIBORIDE = crystal(191, Lattice.hexagonal(3.08, 3.52), ["Mg", "B"], [[0] * 3, [1 / 3, 2 / 3, 0.5]])
HYDRIDE = crystal(225, Lattice.cubic(7.344), ["K", "Cu", "H"], [[0.25] * 3, [0] * 3, [0.2124, 0, 0]])


@pytest.mark.parametrize(
    ("structure", "mesh", "points"),
    [  # "number of k points" of pw.x 6.7 (automatic mesh without shift), files *.dyn0 of ph.x for 3^3, 4^3 and 3 3 2
        (ALUMINIUM, (12, 12, 12), 72),
        (ALUMINIUM, (8, 8, 8), 29),
        (ALUMINIUM, (3, 3, 3), 4),
        (ALUMINIUM, (4, 4, 4), 8),
        (DIBORIDE, (4, 4, 3), 8),
        (DIBORIDE, (3, 3, 2), 6),
        (HYDRIDE, (2, 2, 2), 3),
    ],
)
def test_irreducible_points_of_a_mesh(structure, mesh, points):
    found, weights = CrystalSymmetry(structure).irreducible_points(mesh)
    assert len(found) == points
    assert weights.sum() == np.prod(mesh)
    assert not found[0].any()
    assert CrystalSymmetry(structure).count_points(mesh) == points  # another way to count


def test_the_small_group_leaves_as_many_k_points_as_ph_x_takes():
    # ph.x 6.7, fcc Al, second wave vector (L) of 2 2 2: "number of k points= 378" and "130", k and k + q.
    for mesh, pairs in ((12, 189), (8, 65)):
        vectors = CrystalSymmetry(ALUMINIUM).wave_vectors((2, 2, 2), (mesh,) * 3)
        at_l = next(vector for vector in vectors if vector.weight == 4)
        assert at_l.k_points == pairs
        assert vectors[0].k_points == CrystalSymmetry(ALUMINIUM).count_points((mesh,) * 3)


@pytest.mark.parametrize(
    ("structure", "q", "degeneracies"),
    [
        (SILICON, (0, 0, 0), [3, 3]),  # T1u and T2g
        (SILICON, (0.5, 0.5, 0), [2, 2, 2]),  # X: TA, LA with LO, TO
        (SILICON, (0.5, 0.5, 0.5), [1, 1, 2, 2]),  # L
        (ZINCBLENDE, (0.5, 0.5, 0), [1, 1, 2, 2]),  # the sublattices differ: LA and LO part at X
        (DIBORIDE, (0, 0, 0), [1, 1, 1, 2, 2, 2]),  # 2 A2u + B2g + 2 E1u + E2g
        (HYDRIDE, (0, 0, 0), [1, 2] + [3] * 8),  # A1g + Eg + T1g + 2 T2g + 4 T1u + T2u, as in K2PtCl6
    ],
)
def test_irreducible_representations(structure, q, degeneracies):
    assert sorted(CrystalSymmetry(structure).representations(q)) == degeneracies


def test_time_reversal_joins_representations_that_space_alone_keeps_apart():
    # Point group 3 at Gamma: two complex one-dimensional representations become one of two dimensions.
    chiral = crystal(146, Lattice.hexagonal(4, 5), ["Fe"], [[0.2, 0.05, 0.1]])
    assert sorted(CrystalSymmetry(chiral).representations((0, 0, 0))) == [1, 1, 1, 2, 2, 2]


def test_a_mesh_that_breaks_the_symmetry_is_reduced_by_what_is_left():
    _, weights = CrystalSymmetry(ALUMINIUM).irreducible_points((4, 4, 3))
    assert weights.sum() == 48
    assert len(weights) == CrystalSymmetry(ALUMINIUM).count_points((4, 4, 3)) > 8


def test_no_symmetry_is_an_error():
    with pytest.raises(StructureError):
        CrystalSymmetry(Structure(Lattice.cubic(3), ["Al", "Al"], [[0] * 3, [0] * 3]))
