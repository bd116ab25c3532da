"""Files from strangers: what is sound comes back the same, everything else is one clear error."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from invdesflow.crystals.identity import candidate_id
from invdesflow.crystals.reading import MAX_BYTES, read_structure, structure_from_text
from invdesflow.crystals.symmetry import space_group
from invdesflow.crystals.writing import FORMATS, structure_to_text, write_structure
from invdesflow.errors import ConfigurationError, StructureError


@pytest.fixture(scope="module")
def perovskite():
    sites = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    return Structure(Lattice.cubic(3.812), ["Mg", "C", "Ni", "Ni", "Ni"], sites)


@pytest.fixture(scope="module")
def low_symmetry():
    lattice = Lattice.from_parameters(4.1, 5.2, 6.3, 81, 94, 103)
    return Structure(lattice, ["Nb", "Ge", "N", "N"], [[0, 0, 0], [0.31, 0.52, 0.43], [0.7, 0.1, 0.5], [0.5, 0.8, 0.9]])


@pytest.mark.parametrize("file_format", sorted(FORMATS))
@pytest.mark.parametrize("name", ["perovskite", "low_symmetry"])
def test_written_and_read_again_is_the_same_crystal(file_format, name, tmp_path, request):
    structure = request.getfixturevalue(name)
    path = tmp_path / f"crystal{FORMATS[file_format]}"
    write_structure(structure, path, file_format)
    again = read_structure(path)
    assert candidate_id(again) == candidate_id(structure)
    assert again.volume == pytest.approx(structure.volume, rel=1e-6)


def test_cif_carries_the_symmetry(perovskite):
    text = structure_to_text(perovskite.make_supercell([2, 1, 1], in_place=False), "cif")
    assert "Pm-3m" in text
    assert text.count("Ni0") + text.count("Ni1") + text.count("Ni2") == 1  # one site for the orbit
    assert space_group(structure_from_text(text, "cif"))[0] == 221


def test_unknown_format_to_write(perovskite):
    with pytest.raises(ConfigurationError, match="pdb"):
        structure_to_text(perovskite, "pdb")


def test_oxidation_states_are_left_out():
    text = cif("Na1 Na+ 0 0 0 1\nCl1 Cl- 0.5 0.5 0.5 1")
    assert structure_from_text(text, "cif").composition.chemical_system == "Cl-Na"
    assert [str(site.specie) for site in structure_from_text(text, "cif")] == ["Na", "Cl"]


def test_poscar_may_be_called_contcar(perovskite, tmp_path):
    path = tmp_path / "CONTCAR"
    write_structure(perovskite, path, "poscar")
    assert len(read_structure(path)) == 5


CUBE = """data_x
_cell_length_a 4
_cell_length_b 4
_cell_length_c 4
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt '{group}'
loop_
 _atom_site_label
 _atom_site_type_symbol
 _atom_site_fract_x
 _atom_site_fract_y
 _atom_site_fract_z
 _atom_site_occupancy
{sites}
"""


def cif(sites, group="P 1"):
    return CUBE.format(group=group, sites=sites)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (cif("Nb1 Nb 0 0 0 0.5\nTi1 Ti 0 0 0 0.5"), "disordered"),
        (cif("Nb1 Nb 0 0 0 0.9"), "disordered"),
        (cif("Nb1 Nb 0 0 0 1\nN1 N 0.11 0 0 1"), "0.44 A"),
        (cif("Nb1 Nb nan 0 0 1"), "."),
        (cif("Nb1 Nb 0 0 0 1").replace("_a 4", "_a nan"), "."),
        (cif("Nb1 Nb 0 0 0 1").replace("_a 4", "_a 0"), "."),
        (cif("Nb1 Nb 0 0 0 1").replace("_a 4", "_a 1e-8"), "."),
        (cif("Qq1 Qq 0 0 0 1"), "."),
        (cif(""), "."),
        (cif("Nb1 Nb 0 0 0 1", "F m -3 q"), "no symmetry"),
        (cif("Nb1 Nb 0 0 0 1").replace("_space_group", "_no_group"), "no symmetry"),
        (cif("K1 K 0.25 0.25 0.25 1\nCu1 Cu 0 0 0 1", "F m -3 m") + "_chemical_formula_sum 'K2 Cu1 H6'", "elements H"),
        (cif("Nb1 Nb 0 0 0 1") + "_chemical_formula_sum 'Nb3 N1'", "formula"),
        (cif("Nb1 Nb 0 0 0 1")[:120], "."),
        ("", "."),
        ("data_", "."),
        ("{}", "."),
        (cif("\n".join(f"Na{i} Na 0.1{i} 0.2{i} 0.3{i} 1" for i in range(100)), "F m -3 m"), "too many"),
        (cif("\n".join(f"Na{i} Na 0.{i} 0.{i} 0.{i} 1" for i in range(6000))), "too many"),
    ],
)
def test_bad_cif(text, message):
    with pytest.raises(StructureError, match=message) as raised:
        structure_from_text(text, "cif")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "file_format", "message"),
    [
        ("x\n1\n4 0 0\n0 4 0\n0 0 4\n1\ndirect\n0 0 0\n", "poscar", "elements"),
        ("x\n1\n4 0 0\n0 4 0\n0 0 4\nNb\n2\ndirect\n0 0 0\n", "poscar", "."),
        ("x\n1\n4 0 0\n0 4 0\n0 0 inf\nNb\n1\ndirect\n0 0 0\n", "poscar", "."),
        ("x\n1\n4 0 0\n0 4 0\n0 0 4\nNb\n2\ndirect\n0 0 0\n0 0 0\n", "poscar", "0.00 A"),
        ("x\n1\n4 0 0\n0 4 0\n0 0 4\nNb\n1000000000\ndirect\n0 0 0\n", "poscar", "too many"),
        ("x\n1\n4 0 0\n0 4 0\n0 0 4\nNb N\n1 +1_000_000_000\ndirect\n0 0 0\n", "poscar", "too many"),
        ('1000000000\nLattice="4 0 0 0 4 0 0 0 4" pbc="T T T"\nNb 0 0 0\n', "extxyz", "too many"),
        ("1\n\nNb 0 0 0\n", "extxyz", "periodic"),
        ('1\nLattice="4 0 0 0 4 0 0 0 4" pbc="T T F"\nNb 0 0 0\n', "extxyz", "periodic"),
        ('2\nLattice="4 0 0 0 4 0 0 0 4" pbc="T T T"\nNb 0 0 0\n', "extxyz", "."),
        ('1\nLattice="4 0 0 0 4 0 0 0 4" pbc="T T T"\nNb nan 0 0\n', "extxyz", "."),
        ('0\nLattice="4 0 0 0 4 0 0 0 4" pbc="T T T"\n', "extxyz", "."),
        ('1\nLattice="4 0 0 0 4 0 0 0 4" pbc="T T T"\nX 0 0 0\n', "extxyz", "."),
    ],
)
def test_bad_poscar_and_extxyz(text, file_format, message):
    with pytest.raises(StructureError, match=message):
        structure_from_text(text, file_format)


def test_one_short_contact_among_images(perovskite):
    squeezed = Structure(Lattice.orthorhombic(0.4, 8, 8), ["Nb"], [[0, 0, 0]])
    with pytest.raises(StructureError, match=r"0\.40 A"):
        structure_from_text(structure_to_text(squeezed, "poscar"), "poscar")


def test_binary_garbage(tmp_path):
    for name in ("a.cif", "POSCAR", "a.extxyz"):
        path = tmp_path / name
        path.write_bytes(np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8).tobytes())
        with pytest.raises(StructureError, match="not a text file"):
            read_structure(path)
        path.write_bytes(b"\0" * 5000)
        with pytest.raises(StructureError, match="not a text file"):
            read_structure(path)


def test_huge_file_is_not_read(tmp_path):
    path = tmp_path / "huge.cif"
    with path.open("wb") as file:
        file.truncate(50 * MAX_BYTES)
    with pytest.raises(StructureError, match="larger than"):
        read_structure(path)


def test_missing_file_folder_and_unknown_name(tmp_path):
    for path in (tmp_path / "none.cif", tmp_path):
        with pytest.raises(StructureError, match="not a file"):
            read_structure(path)
    path = tmp_path / "crystal.pdb"
    path.write_text("x")
    with pytest.raises(StructureError, match="format"):
        read_structure(path)


def test_nothing_is_printed(perovskite, tmp_path, capsys):
    text = structure_to_text(perovskite, "cif").replace("_cell_volume", "_unknown_item")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        structure_from_text(text, "cif")
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


@given(st.data())
@settings(max_examples=60)
def test_damaged_files_read_or_fail_cleanly(data):
    structure = Structure(Lattice.cubic(3.3), ["Nb", "N"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    file_format = data.draw(st.sampled_from(sorted(FORMATS)))
    text = structure_to_text(structure, file_format)
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, min(len(text), start + 40)))
    damaged = text[:start] + data.draw(st.text(st.characters(max_codepoint=0x2FF), max_size=12)) + text[stop:]
    try:
        result = structure_from_text(damaged, file_format)
    except StructureError:
        return
    assert result.is_ordered
    assert np.isfinite(result.lattice.matrix).all()
