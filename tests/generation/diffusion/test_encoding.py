"""Crystals as orbits and back."""

import numpy as np
import pytest
import spglib
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

from invdesflow.errors import StructureError
from invdesflow.generation.diffusion.encoding import decode, encode
from invdesflow.generation.diffusion.orbits import OrbitCrystal
from invdesflow.generation.diffusion.templates import Template
from invdesflow.superconductors.catalogue import load_catalogue

MATCHER = StructureMatcher(ltol=0.02, stol=0.02, angle_tol=1)


def group_of(structure):
    cell = (structure.lattice.matrix, structure.frac_coords, [site.specie.Z for site in structure])
    return spglib.get_symmetry_dataset(cell, symprec=0.01).number


def rutile():
    return Structure.from_spacegroup(
        "P4_2/mnm", Lattice.tetragonal(4.594, 2.959), ["Ti", "O"], [[0, 0, 0], [0.305, 0.305, 0]]
    )


def test_rutile_is_two_orbits():
    crystal = encode(rutile())
    assert crystal.template == Template(136, ("a", "f"))
    assert crystal.elements == (22, 8)
    assert crystal.parameters[1] == pytest.approx([0.305, 0, 0]) or crystal.parameters[1] == pytest.approx(
        [0.195, 0, 0]
    )
    np.testing.assert_allclose(crystal.lattice, np.diag([4.594, 4.594, 2.959]), atol=1e-6)


def test_alternatives_give_the_same_crystal():
    structure = rutile()
    crystal = encode(structure)
    assert [len(choices) for choices in crystal.alternatives] == [1, 2]
    np.testing.assert_array_equal(crystal.alternatives[1][0], crystal.parameters[1])
    for choice in crystal.alternatives[1]:
        other = OrbitCrystal(
            crystal.template, crystal.elements, np.array([crystal.parameters[0], choice]), crystal.lattice
        )
        assert MATCHER.fit(structure, decode(other))


@pytest.mark.parametrize("seed", range(5))
def test_the_cell_that_a_crystal_comes_in_does_not_matter(seed):
    random = np.random.default_rng(seed)
    structure = rutile()
    structure.translate_sites(range(len(structure)), random.random(3))
    structure.make_supercell([[1, 1, 0], [0, 1, 0], [0, 0, 2]])
    crystal = encode(structure)
    assert crystal.template == Template(136, ("a", "f"))
    assert len(decode(crystal)) == 6


def test_centred_cells_decode_to_primitive_ones():
    copper = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.61), ["Cu"], [[0, 0, 0]])
    crystal = encode(copper)
    assert crystal.template == Template(225, ("a",))
    assert len(decode(crystal)) == 1
    assert decode(crystal).volume == pytest.approx(3.61**3 / 4)


def test_orbits_are_sorted():
    structure = Structure.from_spacegroup(
        "Pnma", Lattice.orthorhombic(9, 4, 7), ["S", "Fe", "S"], [[0.4, 0.25, 0.1], [0.2, 0.25, 0.6], [0.1, 0.25, 0.3]]
    )
    crystal = encode(structure)
    assert crystal.template.letters == ("c", "c", "c")
    assert crystal.elements == (16, 16, 26)
    shuffled = Structure.from_sites([structure[i] for i in np.random.default_rng(1).permutation(len(structure))])
    again = encode(shuffled)
    assert again.elements == crystal.elements
    assert again.template == crystal.template


@pytest.mark.slow
def test_the_catalogue_comes_back():
    documents = load_catalogue()
    for document in documents:
        crystal = encode(document.structure)
        back = decode(crystal)
        assert len(back) == crystal.template.arrays().n_atoms
        assert group_of(back) == crystal.template.space_group == group_of(document.structure), document.name
        assert MATCHER.fit(document.structure, back), document.name
    assert len(documents) > 200


@pytest.mark.parametrize(
    ("number", "letters", "cell"),
    [
        (2, "aii", Lattice.from_parameters(5, 6, 7, 80, 95, 100)),
        (5, "ac", Lattice.monoclinic(8, 5, 7, 105)),
        (15, "ef", Lattice.monoclinic(8, 5, 7, 105)),
        (40, "abc", Lattice.orthorhombic(5, 6, 7)),
        (43, "ab", Lattice.orthorhombic(9, 10, 7)),
        (88, "acf", Lattice.tetragonal(6, 11)),
        (122, "abd", Lattice.tetragonal(6, 11)),
        (148, "abf", Lattice.hexagonal(7, 12)),
        (166, "ach", Lattice.hexagonal(7, 12)),
        (173, "abc", Lattice.hexagonal(7, 12)),
        (194, "afk", Lattice.hexagonal(7, 12)),
        (198, "aab", Lattice.cubic(8)),
        (216, "aeg", Lattice.cubic(11)),
        (227, "adf", Lattice.cubic(11)),
        (230, "acg", Lattice.cubic(14)),
    ],
)
def test_orbits_of_a_group_have_that_group(number, letters, cell):
    """What we complete, spglib recognises: the letters too, up to another choice of the origin."""
    template = Template(number, tuple(letters))
    parameters = np.random.default_rng(number).random((len(letters), 3))
    made = decode(OrbitCrystal(template, tuple(range(11, 11 + len(letters))), parameters, cell.matrix))
    assert group_of(made) == number
    again = encode(made)
    np.testing.assert_array_equal(sorted(again.template.arrays().multiplicity), sorted(template.arrays().multiplicity))
    assert MATCHER.fit(made, decode(again))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("oxygen", [[0, 0.5, 0.5], [0.5, 0, 0]])
def test_one_structure_type_has_one_template(seed, oxygen):
    """Perovskite with the octahedra at the corner or at the centre, and the origin anywhere."""
    sites = [[0, 0, 0], [0.5, 0.5, 0.5], oxygen]
    elements = ["Sr", "Ti", "O"] if oxygen[0] == 0 else ["Ti", "Sr", "O"]
    structure = Structure.from_spacegroup("Pm-3m", Lattice.cubic(3.905), elements, sites)
    structure.translate_sites(range(len(structure)), np.random.default_rng(seed).random(3))
    crystal = encode(structure)
    assert crystal.template == Template(221, ("a", "b", "c"))
    assert crystal.elements == (38, 22, 8)


def test_a_disordered_crystal_is_refused():
    structure = Structure(Lattice.cubic(3), [{"Fe": 0.5, "Ni": 0.5}], [[0, 0, 0]])
    with pytest.raises(StructureError, match="disordered"):
        encode(structure)


def test_overlapping_atoms_are_refused():
    structure = Structure(Lattice.cubic(3), ["Fe", "Fe"], [[0, 0, 0], [0.0001, 0, 0]])
    with pytest.raises(StructureError, match="symmetry"):
        encode(structure)
