"""Features do not depend on how a crystal is written down, and see the physics they stand for."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from scipy.spatial.transform import Rotation

from invdesflow.errors import StructureError
from invdesflow.screening.elements import periodic_table
from invdesflow.screening.environments import find_bonds
from invdesflow.screening.features import crystal_features

MGB2 = Structure.from_spacegroup(
    "P6/mmm", Lattice.hexagonal(3.086, 3.524), ["Mg", "B"], [[0, 0, 0], [1 / 3, 2 / 3, 0.5]]
)
NB3SN = Structure.from_spacegroup("Pm-3n", Lattice.cubic(5.29), ["Sn", "Nb"], [[0, 0, 0], [0.25, 0, 0.5]])
QUARTZ_LIKE = Structure.from_spacegroup(
    "P3_221", Lattice.hexagonal(4.91, 5.40), ["Si", "O"], [[0.47, 0, 2 / 3], [0.414, 0.267, 0.786]]
)


def transformed(structure, seed):
    rng = np.random.default_rng(seed)
    larger = structure.copy()
    larger.make_supercell([[1, 1, 0], [0, 1, 0], [0, 0, 2]])
    order = rng.permutation(len(larger))
    rotation = Rotation.random(rng=rng).as_matrix()
    return Structure(
        Lattice(larger.lattice.matrix @ rotation),
        [larger[int(i)].specie for i in order],
        larger.frac_coords[order] + rng.random(3),
    )


@pytest.mark.parametrize("structure", [MGB2, NB3SN, QUARTZ_LIKE], ids=["MgB2", "Nb3Sn", "SiO2"])
@pytest.mark.parametrize("seed", [1, 2])
def test_features_do_not_depend_on_the_description(structure, seed):
    table = periodic_table()
    reference, other = crystal_features(structure, table), crystal_features(transformed(structure, seed), table)
    assert list(reference) == list(other)
    np.testing.assert_allclose(list(other.values()), list(reference.values()), rtol=1e-6, atol=1e-6)


def test_names_are_the_same_for_every_crystal_and_values_finite():
    table = periodic_table()
    copper = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.61), ["Cu"], [[0, 0, 0]])
    for structure in (MGB2, NB3SN, QUARTZ_LIKE):
        features = crystal_features(structure, table)
        assert list(features) == list(crystal_features(copper, table))
        assert np.isfinite(list(features.values())).all()


def test_known_values_of_magnesium_diboride():
    features = crystal_features(MGB2, periodic_table())
    assert features["space_group"] == 191
    assert features["point_operations"] == 24
    assert features["centrosymmetric"] == 1
    assert (features["primitive_sites"], features["orbits"]) == (3, 2)
    assert features["valence_per_atom"] == pytest.approx((2 + 3 + 3) / 3)
    assert features["volume_per_atom"] == pytest.approx(3.086**2 * np.sqrt(3) / 2 * 3.524 / 3)
    assert 1 / features["closeness:Z5"] == pytest.approx(3.086 / np.sqrt(3))  # B-B bond of the honeycomb
    assert features["closeness:Z1"] == 0


def test_quartz_has_no_inversion():
    assert crystal_features(QUARTZ_LIKE, periodic_table())["centrosymmetric"] == 0


def test_a_compressed_crystal_is_stiffer_and_denser():
    table = periodic_table()
    small = NB3SN.copy()
    small.scale_lattice(0.9 * NB3SN.volume)
    loose, tight = crystal_features(NB3SN, table), crystal_features(small, table)
    for name in ("stiffness:mean", "einstein:log_mean", "valence_density", "packing:covalent", "d_width:mean"):
        assert tight[name] > loose[name]


@pytest.mark.parametrize(
    ("space_group", "order4", "order6"),
    # fcc: Steinhardt, Nelson and Ronchetti (1983); simple cubic by hand: P4 and P6 at 0, 90 and 180 degrees.
    [("Fm-3m", 0.1909, 0.5745), ("Pm-3m", np.sqrt(7 / 12), np.sqrt(1 / 8))],
)
def test_bond_order_of_the_first_shell(space_group, order4, order6):
    crystal = Structure.from_spacegroup(space_group, Lattice.cubic(4.0), ["Cu"], [[0, 0, 0]])
    bonds = find_bonds(crystal, np.full(len(crystal), 0.5))
    first = bonds.distance < bonds.distance.min() * 1.01
    shell = type(bonds)(
        bonds.centre[first],
        bonds.neighbour[first],
        bonds.distance[first],
        bonds.reduced[first],
        np.ones(first.sum()),
        bonds.direction[first],
        bonds.sites,
    )
    np.testing.assert_allclose(shell.orientational_order(4), order4, atol=1e-3)
    np.testing.assert_allclose(shell.orientational_order(6), order6, atol=1e-3)


@pytest.mark.parametrize(
    ("structure", "message"),
    [
        (Structure(Lattice.cubic(4), [{"Nb": 0.5, "Ti": 0.5}], [[0, 0, 0]]), "disordered"),
        (Structure(Lattice.cubic(12), ["Nb"], [[0, 0, 0]]), "no neighbour"),
        (Structure(Lattice.cubic(4), ["Nb", "Nb"], [[0, 0, 0], [0.01, 0, 0]]), "apart"),
        (Structure(Lattice.cubic(4), ["He"], [[0, 0, 0]]), "no tabulated properties"),
    ],
)
def test_what_has_no_features_is_refused(structure, message):
    with pytest.raises(StructureError, match=message):
        crystal_features(structure, periodic_table())


def test_valence_electrons():
    table = periodic_table()
    expected = {1: 1, 5: 3, 12: 2, 13: 3, 41: 5, 46: 10, 57: 3, 71: 3, 82: 4, 83: 5}
    total = sum(table.column(f"{shell}_electrons") for shell in "spdf")
    assert {z: total[z] for z in expected} == expected
