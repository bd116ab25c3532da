"""The identifier of a crystal against everything that must not, and everything that must, change it."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Element, Lattice, Structure

from invdesflow.crystals.identity import candidate_id, fingerprint
from invdesflow.errors import StructureError

SPACE_GROUPS = {
    "triclinic": (1, 2),
    "monoclinic": (4, 8, 12, 14),
    "orthorhombic": (19, 43, 62, 63, 70, 74),
    "tetragonal": (76, 88, 129, 139, 141),
    "trigonal": (144, 148, 161, 166, 167),
    "hexagonal": (169, 176, 187, 191, 194),
    "cubic": (198, 212, 216, 221, 225, 227, 229),
}
LENGTHS = st.floats(5.0, 9.0)
COORDINATES = st.tuples(*[st.floats(0.03, 0.97)] * 3)


def lattice_of(family, a, b, c, angle):
    if family == "triclinic":
        return Lattice.from_parameters(a, b, c, angle, 95.0, 82.0)
    if family == "monoclinic":
        return Lattice.monoclinic(a, b, c, angle + 15)
    if family == "orthorhombic":
        return Lattice.orthorhombic(a, b, c)
    if family == "tetragonal":
        return Lattice.tetragonal(a, c)
    if family in ("trigonal", "hexagonal"):
        return Lattice.hexagonal(a, c)
    return Lattice.cubic(a)


@st.composite
def crystals(draw):
    """The origin and a free position, in a random cell of a random family."""
    family = draw(st.sampled_from(sorted(SPACE_GROUPS)))
    number = draw(st.sampled_from(SPACE_GROUPS[family]))
    lattice = lattice_of(family, draw(LENGTHS), draw(LENGTHS), draw(LENGTHS), draw(st.floats(80.0, 88.0)))
    first, second = draw(st.sampled_from([("Nb", "Sn"), ("B", "Mg"), ("Cu", "O")]))
    x, y, z = draw(COORDINATES)
    position = [x, 0, 0] if family == "cubic" else [x, y, z]  # up to 192 atoms else
    return Structure.from_spacegroup(number, lattice, [first, second], [[0, 0, 0], position])


def rotation(rng):
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.diag(r))
    return q * np.sign(np.linalg.det(q))


def rewritten(structure, rng):
    """The same crystal, turned, shifted, in another cell and with its atoms in another order."""
    matrix = structure.lattice.matrix @ rotation(rng)
    coordinates = structure.frac_coords + rng.uniform(size=3) + rng.integers(-2, 3, size=(len(structure), 3))
    order = rng.permutation(len(structure))
    other = Structure(Lattice(matrix), [structure.species[i] for i in order], coordinates[order])
    shear = np.eye(3, dtype=int)
    i, j = rng.choice(3, size=2, replace=False)
    shear[i, j] = rng.integers(-2, 3)
    return other.make_supercell(shear, in_place=False)


def far_from_edges(structure):
    """Symmetry is decided within a tolerance: pairs just outside of it are not what is tested here."""
    distances = structure.distance_matrix[np.triu_indices(len(structure), 1)]
    return len(distances) == 0 or distances.min() > 0.3


@given(crystals(), st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_identifier_does_not_depend_on_how_the_crystal_is_written(structure, seed):
    if not far_from_edges(structure):
        return
    expected = fingerprint(structure)
    assert fingerprint(rewritten(structure, np.random.default_rng(seed))) == expected
    assert fingerprint(structure.get_primitive_structure(tolerance=0.01)) == expected


@pytest.fixture
def a15():
    return Structure.from_spacegroup("Pm-3n", Lattice.cubic(5.29), ["Nb", "Sn"], [[0.25, 0, 0.5], [0, 0, 0]])


@pytest.mark.parametrize("scaling", [(2, 1, 1), (2, 2, 1), (3, 1, 2), [[1, 1, 0], [0, 1, 1], [1, 0, 1]]])
def test_supercell_is_the_same_crystal(scaling, a15):
    assert candidate_id(a15.make_supercell(scaling, in_place=False)) == candidate_id(a15)


FCC = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])


def rock_salt(first, second, a=5.64):
    return Structure(Lattice(a * FCC), [first, second], [[0, 0, 0], [0.5, 0.5, 0.5]])


def test_both_origins_of_rock_salt_are_one_crystal():
    first = rock_salt("Na", "Cl").make_supercell([[-1, 1, 1], [1, -1, 1], [1, 1, -1]], in_place=False)
    assert len(first) == 8
    assert candidate_id(first) == candidate_id(rock_salt("Cl", "Na"))


def test_both_hands_are_one_crystal():
    quartz = Structure.from_spacegroup(
        152, Lattice.hexagonal(4.913, 5.405), ["Si", "O"], [[0.4697, 0, 1 / 3], [0.4135, 0.2669, 0.4524]]
    )
    mirror = Structure(quartz.lattice, quartz.species, quartz.frac_coords * [1, 1, -1])
    assert fingerprint(mirror) == fingerprint(quartz)
    assert fingerprint(quartz)["space_group"] == 152


def close_packed(stacking, a=2.8):
    """Close-packed layers in a stacking such as ABC, with the ideal layer spacing."""
    height = a * np.sqrt(2 / 3)
    shift = {"A": (0.0, 0.0), "B": (1 / 3, 2 / 3), "C": (2 / 3, 1 / 3)}
    positions = [[*shift[layer], k / len(stacking)] for k, layer in enumerate(stacking)]
    return Structure(Lattice.hexagonal(a, height * len(stacking)), ["Co"] * len(stacking), positions)


def test_polytypes_of_the_same_density_are_different_crystals():
    stackings = ["ABC", "AB", "ABAC", "ABCACB", "ABCBCACAB"]
    identifiers = {candidate_id(close_packed(stacking)) for stacking in stackings}
    assert len(identifiers) == len(stackings)


def test_same_composition_and_space_group_with_elements_exchanged_is_different():
    sites = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    identifiers = {
        candidate_id(Structure(Lattice.cubic(3.8), [corner, centre, face, face, face], sites))
        for corner, centre, face in itertools.permutations(["Mg", "C", "Ni"])
    }
    assert len(identifiers) == 6


@pytest.mark.parametrize(("first", "second"), [(4.40, 4.44), (4.40, 4.36)])
def test_another_lattice_constant_is_another_crystal(first, second):
    assert candidate_id(rock_salt("Nb", "N", first)) != candidate_id(rock_salt("Nb", "N", second))


def test_free_coordinate_is_seen():
    def rutile(u):
        return Structure.from_spacegroup(136, Lattice.tetragonal(4.59, 2.96), ["Ti", "O"], [[0, 0, 0], [u, u, 0]])

    assert candidate_id(rutile(0.305)) != candidate_id(rutile(0.325))
    assert candidate_id(rutile(0.305)) == candidate_id(rutile(0.305 + 1e-9))


def test_noise_of_a_millionth_angstrom_practically_never_changes_the_identifier():
    """300 random low-symmetry crystals of 9 atoms and 3 elements, the worst case; expected below one in a thousand."""
    rng = np.random.default_rng(3)
    changed = 0
    for _ in range(300):
        lattice = Lattice.from_parameters(*rng.uniform(4, 7, 3), *rng.uniform(75, 105, 3))
        species = ["Nb", "Nb", "Nb", "Al", "Al", "Al", "O", "O", "O"]
        structure = Structure(lattice, species, rng.uniform(size=(9, 3)))
        noise = rng.normal(size=(9, 3))
        noise *= 1e-6 / np.linalg.norm(noise, axis=1)[:, None]
        noisy = Structure(lattice, species, structure.cart_coords + noise, coords_are_cartesian=True)
        changed += candidate_id(noisy) != candidate_id(structure)
    assert changed <= 1


def test_isotope_is_the_same_element():
    assert candidate_id(rock_salt("Pd", "D", 4.1)) == candidate_id(rock_salt("Pd", "H", 4.1))
    assert Element("D").Z == 1


def test_disordered_crystal_has_no_identity():
    alloy = Structure(Lattice.cubic(3.0), [{"Nb": 0.5, "Ti": 0.5}], [[0, 0, 0]])
    with pytest.raises(StructureError, match="isordered"):
        candidate_id(alloy)


@pytest.mark.parametrize("lattice", [np.full((3, 3), np.nan), np.diag([3.0, 3.0, 0.0])])
def test_cell_that_is_none_has_no_identity(lattice):
    with pytest.raises(StructureError):
        candidate_id(Structure(Lattice(lattice), ["Nb"], [[0, 0, 0]]))


def test_flat_cell_is_refused_before_memory_runs_out():
    flat = Structure(Lattice(np.diag([1e-7, 50.0, 50.0])), ["Nb", "Nb"], [[0, 0, 0], [0, 0.5, 0.25]])
    with pytest.raises(StructureError):
        candidate_id(flat)
