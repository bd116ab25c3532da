"""Distorted crystals keep the symmetry that they are asked to keep, and are the same for the same seed."""

import numpy as np
import pytest
from ase.calculators.emt import EMT
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

from invdesflow.crystals.symmetry import symmetry_of
from invdesflow.learning.potential.sampling import DistortionSettings, distorted, relaxation_path

ANTIFLUORITE = Structure.from_spacegroup(
    "Fm-3m", Lattice.cubic(7.344), ["K", "Cu", "H"], [[0.25, 0.25, 0.25], [0, 0, 0], [0.2122, 0, 0]]
)
FREE = DistortionSettings()


def test_the_same_seed_gives_the_same_crystals_however_many():
    three, five = (list(distorted(ANTIFLUORITE, FREE, n, seed=4)) for n in (3, 5))
    assert three == five[:3]
    assert list(distorted(ANTIFLUORITE, FREE, 1, seed=5)) != three[:1]
    assert all(len(one) == 9 for one in five)


def test_the_whole_group_leaves_the_lattice_constant_and_one_coordinate():
    for one in distorted(ANTIFLUORITE, DistortionSettings(operations=48), 4, seed=1):
        assert symmetry_of(one).symbol == "Fm-3m"
    volumes = [one.volume for one in distorted(ANTIFLUORITE, DistortionSettings(operations=48), 4, seed=1)]
    assert np.ptp(volumes) > 1


@pytest.mark.parametrize("operations", [2, 6])
def test_a_subgroup_is_kept(operations):
    crystals = list(distorted(ANTIFLUORITE, DistortionSettings(operations=operations), 12, seed=2))
    orders = [len(symmetry_of(one).rotations) for one in crystals]
    assert min(orders) >= operations
    assert len({symmetry_of(one).symbol for one in crystals}) > 3


def test_displacements_have_the_size_that_was_asked_for():
    still = DistortionSettings(stretch=0, strain=0, displacement=0.05)
    first = next(distorted(ANTIFLUORITE, DistortionSettings(stretch=0, strain=0, displacement=0), 1, seed=0))
    moved = [one.cart_coords - first.cart_coords for one in distorted(ANTIFLUORITE, still, 40, seed=3)]
    assert np.sqrt(np.mean(np.square(moved))) == pytest.approx(0.05, rel=0.15)
    np.testing.assert_allclose(first.lattice.abc, np.full(3, 7.344 / np.sqrt(2)), atol=1e-8)


def test_a_relaxation_is_followed_to_its_end():
    start = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.8), ["Cu"], [[0, 0, 0]])
    path = relaxation_path(start, EMT())
    assert StructureMatcher(scale=False).fit(path[0], start)
    assert path[-1].volume * 4 == pytest.approx(3.59**3, rel=0.01)
    assert len(path) > 2
