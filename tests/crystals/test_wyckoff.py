"""The table of Wyckoff positions, against the International Tables, ASE's operations and its own definition."""

import gzip
import json
from importlib.resources import files

import numpy as np
import pytest
from ase.spacegroup import Spacegroup

from invdesflow.crystals.wyckoff import TABLE_FILE, space_group_table
from invdesflow.crystals.wyckoff_tables import space_group_row
from invdesflow.errors import StructureError

GROUPS = range(1, 231)
CENTRING = {"P": 1, "A": 2, "C": 2, "I": 2, "R": 3, "F": 4}


def lies_on(table, position, point):
    """Does an image of the point lie on the representative of the position?"""
    images = table.rotations @ point + table.translations
    beside = ((images - position.offset) @ position.chart.T)[:, position.n_free :]
    return bool((np.abs(beside - np.rint(beside)) < 1e-6).all(axis=1).any())


def test_there_are_1731_positions():
    assert sum(len(space_group_table(number).positions) for number in GROUPS) == 1731


@pytest.mark.parametrize(
    ("number", "symbol", "multiplicities"),
    [
        (2, "P-1", [1] * 8 + [2]),
        (36, "Cmc2_1", [4, 8]),
        (62, "Pnma", [4, 4, 4, 8]),
        (139, "I4/mmm", [2, 2, 4, 4, 4, 8, 8, 8, 8, 8, 16, 16, 16, 16, 32]),
        (166, "R-3m", [3, 3, 6, 9, 9, 18, 18, 18, 36]),
        (194, "P6_3/mmc", [2, 2, 2, 2, 4, 4, 6, 6, 12, 12, 12, 24]),
        (198, "P2_13", [4, 12]),
        (223, "Pm-3n", [2, 6, 6, 6, 8, 12, 12, 12, 16, 24, 24, 48]),
        (225, "Fm-3m", [4, 4, 8, 24, 24, 32, 48, 48, 48, 96, 96, 192]),
        (227, "Fd-3m", [8, 8, 16, 16, 32, 48, 96, 96, 192]),
    ],
)
def test_multiplicities_are_those_of_the_international_tables(number, symbol, multiplicities):
    table = space_group_table(number)
    assert table.symbol == symbol
    assert [position.multiplicity for position in table.positions] == multiplicities


@pytest.mark.parametrize(
    ("number", "letter", "point"),
    [
        (2, "b", (0, 0, 1 / 2)),
        (2, "d", (1 / 2, 0, 0)),
        (2, "g", (0, 1 / 2, 1 / 2)),
        (12, "c", (0, 0, 1 / 2)),
        (12, "i", (0.123, 0, 0.321)),
        (47, "A", (0.1, 0.2, 0.3)),
        (62, "c", (0.1, 1 / 4, 0.3)),
        (123, "b", (0, 0, 1 / 2)),
        (136, "f", (0.3, 0.3, 0)),
        (139, "d", (0, 1 / 2, 1 / 4)),
        (166, "b", (0, 0, 1 / 2)),
        (166, "h", (0.1, -0.1, 0.3)),
        (191, "d", (1 / 3, 2 / 3, 1 / 2)),
        (194, "b", (0, 0, 1 / 4)),
        (194, "c", (1 / 3, 2 / 3, 1 / 4)),
        (194, "d", (1 / 3, 2 / 3, 3 / 4)),
        (194, "k", (0.1, 0.2, 0.3)),
        (221, "d", (1 / 2, 0, 0)),
        (223, "c", (1 / 4, 0, 1 / 2)),
        (225, "c", (1 / 4, 1 / 4, 1 / 4)),
        (225, "d", (0, 1 / 4, 1 / 4)),
        (227, "d", (5 / 8, 5 / 8, 5 / 8)),
        (229, "b", (0, 1 / 2, 1 / 2)),
    ],
)
def test_points_have_the_letters_of_the_international_tables(number, letter, point):
    table = space_group_table(number)
    # Of the positions that a point lies on, its own has the fewest free parameters.
    on = [position for position in table.positions if lies_on(table, position, np.array(point))]
    assert min(on, key=lambda position: position.n_free).letter == letter


@pytest.mark.parametrize("number", GROUPS)
def test_operations_are_those_of_ase(number):
    table, reference = space_group_table(number), Spacegroup(number)
    ours = {(*r.ravel(), *t) for r, t in zip(table.rotations, np.rint(table.translations * 24) % 24, strict=True)}
    theirs = {(*r.ravel(), *(np.rint(t * 24) % 24)) for r, t in reference.get_symop()}
    assert ours == theirs


@pytest.mark.parametrize("number", GROUPS)
def test_primitive_cells_hold_one_lattice_point(number):
    table = space_group_table(number)
    n_centring = CENTRING[table.symbol[0]]
    assert len(table.centring) == n_centring
    assert np.linalg.det(table.primitive) == pytest.approx(1 / n_centring)
    inside = table.centring @ np.linalg.inv(table.primitive)
    np.testing.assert_allclose(inside, np.rint(inside), atol=1e-12)


@pytest.mark.parametrize("number", GROUPS)
def test_every_orbit_has_its_multiplicity_and_no_other_letter(number):
    table, random = space_group_table(number), np.random.default_rng(number)
    for position in table.positions:
        point = position.offset + position.basis @ (random.permutation([0.1237, 0.3471, 0.4319])[: position.n_free])
        whole = np.unique(np.round((table.rotations @ point + table.translations) % 1, 6) % 1, axis=0)
        assert len(whole) == position.multiplicity
        first = table.rotations[position.operations] @ point + table.translations[position.operations]
        np.testing.assert_allclose(first[0], point)
        made = np.round((first[:, None] + table.centring).reshape(-1, 3) % 1, 6) % 1
        np.testing.assert_array_equal(np.unique(made, axis=0), whole)
        # It lies on positions with more freedom, but on no other with as much or less.
        rivals = [other for other in table.positions if other is not position and other.n_free <= position.n_free]
        assert not [other.letter for other in rivals if lies_on(table, other, point)]


@pytest.mark.parametrize("number", GROUPS)
def test_charts_read_the_parameters(number):
    for position in space_group_table(number).positions:
        assert abs(np.linalg.det(position.chart)) == pytest.approx(1)
        expected = np.eye(3)[:, : position.n_free]
        np.testing.assert_array_equal(position.chart @ position.basis, expected)


@pytest.mark.parametrize("number", GROUPS)
def test_shifts_of_the_origin_keep_the_group_and_exchange_positions(number):
    table, random = space_group_table(number), np.random.default_rng(number)
    assert table.origins[0].letters == table.letters
    assert not table.origins[0].shift.any()
    inverse = np.linalg.inv(table.primitive)
    for origin in table.origins:
        assert sorted(origin.letters) == sorted(table.letters)
        moved = (origin.shift @ table.rotations.transpose(0, 2, 1) - origin.shift) @ inverse
        np.testing.assert_allclose(moved, np.rint(moved), atol=1e-9)
        for position, letter in zip(table.positions, origin.letters, strict=True):
            there = table.position(letter)
            assert there.multiplicity == position.multiplicity
            point = position.offset + position.basis @ random.random(position.n_free) + origin.shift
            assert lies_on(table, there, point)


def test_the_two_sites_of_rock_salt_are_exchanged():
    assert [origin.letters[:4] for origin in space_group_table(225).origins] == ["abcd", "bacd"]


@pytest.mark.parametrize("number", [1, 2, 15, 43, 62, 88, 166, 198])
def test_the_table_is_what_its_script_makes(number):
    rows = json.loads(gzip.decompress(files("invdesflow.crystals").joinpath(TABLE_FILE).read_bytes()))
    assert rows[number - 1] == space_group_row(number)


def test_families_follow_the_numbers():
    found = [space_group_table(number).family for number in (2, 3, 16, 75, 143, 168, 195)]
    assert found == ["triclinic", "monoclinic", "orthorhombic", "tetragonal", "hexagonal", "hexagonal", "cubic"]


@pytest.mark.parametrize("number", [0, 231, -1])
def test_there_are_230_groups(number):
    with pytest.raises(StructureError, match="no space group"):
        space_group_table(number)


def test_unknown_letters_are_named():
    with pytest.raises(StructureError, match="'q'"):
        space_group_table(225).position("q")


def test_tables_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        space_group_table(1).rotations[0, 0, 0] = 2
