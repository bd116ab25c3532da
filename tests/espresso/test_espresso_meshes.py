"""Meshes and paths, against counts known from ph.x and from the published settings."""

import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.crystals.symmetry import symmetry_of
from invdesflow.errors import StructureError
from invdesflow.espresso.meshes import (
    FineMesh,
    Meshes,
    band_path,
    explicit_k_points,
    mesh_of_spacing,
    primitive_for_espresso,
)
from invdesflow.espresso.protocols import load_protocol, protocol_names
from invdesflow.screening.wave_vectors import CrystalSymmetry

AL = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.97), ["Al"], [[0, 0, 0]])
MGB2 = Structure.from_spacegroup(
    "P6/mmm", Lattice.hexagonal(3.086, 3.523), ["Mg", "B"], [[0, 0, 0], [1 / 3, 2 / 3, 0.5]]
)
H3S = Structure.from_spacegroup("Im-3m", Lattice.cubic(2.984), ["S", "H"], [[0, 0, 0], [0, 0, 0.5]])
K2CUH6 = Structure.from_spacegroup(
    "Fm-3m", Lattice.cubic(7.344), ["K", "Cu", "H"], [[0.25, 0.25, 0.25], [0, 0, 0], [0.2122, 0, 0]]
)
OTHERS = {
    "body-centred tetragonal": Structure.from_spacegroup(
        "I4/mmm", Lattice.tetragonal(3.9, 13.0), ["Ba", "As", "Fe"], [[0, 0, 0], [0, 0, 0.354], [0, 0.5, 0.25]]
    ),
    "rhombohedral": Structure.from_spacegroup(
        "R-3m", Lattice.hexagonal(4.38, 30.5), ["Bi", "Te", "Te"], [[0, 0, 0.4], [0, 0, 0], [0, 0, 0.21]]
    ),
    "base-centred orthorhombic": Structure.from_spacegroup(
        "Cmcm", Lattice.orthorhombic(2.85, 5.87, 4.95), ["U"], [[0, 0.1, 0.25]]
    ),
    "face-centred orthorhombic": Structure.from_spacegroup(
        "Fddd", Lattice.orthorhombic(3.16, 5.77, 10.2), ["Pu"], [[0.125, 0.125, 0.125]]
    ),
    "base-centred monoclinic": Structure.from_spacegroup(
        "C2/m", Lattice.monoclinic(12.0, 3.7, 6.4, 107), ["Nb", "Se"], [[0.1, 0, 0.3], [0.35, 0, 0.2]]
    ),
    "triclinic": Structure(
        Lattice.from_parameters(3.1, 4.2, 5.5, 82, 95, 103), ["Re", "S"], [[0, 0, 0], [0.4, 0.3, 0.6]]
    ),
    "without inversion": Structure.from_spacegroup(
        "P6_3mc", Lattice.hexagonal(3.25, 5.2), ["Zn", "O"], [[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.38]]
    ),
}
CRYSTALS = {"Al": AL, "MgB2": MGB2, "H3S": H3S, "K2CuH6": K2CUH6} | OTHERS


@pytest.mark.parametrize(("crystal", "mesh", "known"), [(AL, (3, 3, 3), 4), (MGB2, (3, 3, 2), 6), (H3S, (2, 2, 2), 3)])
def test_irreducible_q_points_are_those_of_ph_x(crystal: Structure, mesh: tuple[int, int, int], known: int) -> None:
    cell = primitive_for_espresso(crystal)
    spacing = max(length / n for length, n in zip(cell.lattice.reciprocal_lattice.abc, mesh, strict=True))
    assert mesh_of_spacing(cell, spacing) == mesh
    assert len(CrystalSymmetry(cell).irreducible_points(mesh)[0]) == known


def test_the_paper_protocol_gives_the_meshes_of_the_paper() -> None:
    for lattice_constant in (7.30, 7.344, 7.358, 7.40):  # relaxing must not move a mesh
        cell = primitive_for_espresso(K2CUH6.copy().scale_lattice(lattice_constant**3))
        meshes = Meshes.of(cell, load_protocol("paper"))
        assert meshes.q == (4, 4, 4)
        assert meshes.k_scf == (16, 16, 16)
        assert meshes.k_wannier == (4, 4, 4)
        assert meshes.fine == (FineMesh((48, 48, 48), (12, 12, 12)), FineMesh((64, 64, 64), (16, 16, 16)))


def test_the_smoke_protocol_gives_the_smallest_chain_of_aluminium() -> None:
    meshes = Meshes.of(primitive_for_espresso(AL), load_protocol("smoke"))
    assert (meshes.q, meshes.k_scf, meshes.k_wannier) == ((3, 3, 3), (12, 12, 12), (6, 6, 6))
    assert meshes.fine[-1] == FineMesh((18, 18, 18), (9, 9, 9))


def test_the_smoke_protocol_gives_magnesium_diboride_the_mesh_of_its_shape() -> None:
    meshes = Meshes.of(primitive_for_espresso(MGB2), load_protocol("smoke"))
    assert (meshes.q, meshes.k_wannier) == ((3, 3, 2), (6, 6, 4))


@pytest.mark.parametrize("name", protocol_names())
@pytest.mark.parametrize("crystal", CRYSTALS.values(), ids=CRYSTALS.keys())
def test_meshes_are_commensurate_dense_enough_and_ever_finer(crystal: Structure, name: str) -> None:
    protocol = load_protocol(name)
    cell = primitive_for_espresso(crystal)
    meshes = Meshes.of(cell, protocol)
    pairs = [(meshes.k_scf, meshes.q), (meshes.k_wannier, meshes.q), *((fine.k, fine.q) for fine in meshes.fine)]
    for k, q in pairs:
        assert all(n_k % n_q == 0 for n_k, n_q in zip(k, q, strict=True))
    lengths = np.array(cell.lattice.reciprocal_lattice.abc)
    assert (lengths / meshes.q <= protocol.q_spacing * (1 + 1e-5)).all()
    assert (lengths / meshes.k_scf <= protocol.k_spacing * (1 + 1e-5)).all()
    assert (lengths / meshes.fine[-1].q <= protocol.fine_q_spacings[-1] * (1 + 1e-5)).all()
    assert all(np.prod(finer.q) > np.prod(coarser.q) for coarser, finer in pairwise(meshes.fine))


@pytest.mark.parametrize("crystal", CRYSTALS.values(), ids=CRYSTALS.keys())
def test_symmetry_maps_a_mesh_onto_itself(crystal: Structure) -> None:
    cell = primitive_for_espresso(crystal)
    mesh = mesh_of_spacing(cell, 0.6)
    points = explicit_k_points(mesh)
    for rotation in symmetry_of(cell).rotations:
        on_mesh = points @ rotation * mesh  # k . (W x) = (k W) . x
        assert np.abs(on_mesh - np.rint(on_mesh)).max() < 1e-9


def test_a_mesh_that_would_break_the_symmetry_is_not_chosen() -> None:
    cell = primitive_for_espresso(OTHERS["body-centred tetragonal"])
    lengths = cell.lattice.reciprocal_lattice.abc
    assert max(lengths) / min(lengths) > 1.2  # by length alone the numbers would differ
    assert len(set(mesh_of_spacing(cell, 0.3))) == 1


def test_k_points_run_over_the_last_coordinate_first_and_lie_in_the_first_cell() -> None:
    points = explicit_k_points((2, 1, 3))
    expected = [[0, 0, 0], [0, 0, 1 / 3], [0, 0, 2 / 3], [0.5, 0, 0], [0.5, 0, 1 / 3], [0.5, 0, 2 / 3]]
    np.testing.assert_allclose(points, expected, atol=1e-15)
    many = explicit_k_points((6, 6, 4))
    assert len(np.unique(many.round(9), axis=0)) == 144
    assert many.min() == 0
    assert many.max() < 1


@pytest.mark.parametrize("crystal", CRYSTALS.values(), ids=CRYSTALS.keys())
def test_the_primitive_cell_is_the_same_from_every_cell_and_its_own(crystal: Structure) -> None:
    cell = primitive_for_espresso(crystal)
    again = primitive_for_espresso(cell)
    np.testing.assert_allclose(again.lattice.matrix, cell.lattice.matrix, atol=1e-6)
    supercell = crystal.copy()
    supercell.make_supercell((2, 1, 1))
    assert len(primitive_for_espresso(supercell)) == len(cell)
    np.testing.assert_allclose(
        sorted(primitive_for_espresso(supercell).lattice.abc), sorted(cell.lattice.abc), atol=1e-6
    )


@pytest.mark.parametrize("crystal", CRYSTALS.values(), ids=CRYSTALS.keys())
def test_the_primitive_cell_is_exact_enough_for_pw_x(crystal: Structure) -> None:
    rough = crystal.copy().perturb(1e-3, seed=1)  # as a relaxation leaves it
    cell = primitive_for_espresso(rough)
    symmetry = symmetry_of(cell)
    assert len(symmetry.rotations) == len(symmetry_of(primitive_for_espresso(crystal)).rotations)
    metric = cell.lattice.matrix @ cell.lattice.matrix.T
    for rotation, translation in zip(symmetry.rotations, symmetry.translations, strict=True):
        np.testing.assert_allclose(rotation.T @ metric @ rotation, metric, atol=1e-6 * metric.max())  # pw.x: 1e-6
        moved = cell.frac_coords @ rotation.T + translation
        differences = moved[:, None] - cell.frac_coords[None]
        differences -= np.rint(differences)
        assert np.abs(differences).max(axis=2).min(axis=1).max() < 1e-5  # pw.x: accep = 1e-5


PW_INPUT = """
&control calculation = 'scf', outdir = './out/', pseudo_dir = '{folder}', disk_io = 'none' /
&system ibrav = 0, nat = {n_atoms}, ntyp = {n_kinds}, ecutwfc = 4, occupations = 'smearing', degauss = 0.1 /
&electrons electron_maxstep = 1 /
ATOMIC_SPECIES
{kinds}
CELL_PARAMETERS angstrom
{cell}
ATOMIC_POSITIONS crystal
{positions}
K_POINTS gamma
"""
SOFT_FILES = ("Al.pz-vbc.UPF", "B.pz-vbc.UPF", "Mg.pz-n-vbc.UPF")
DEBIAN = Path("/usr/share/espresso/pseudo")


@pytest.mark.skipif(shutil.which("pw.x") is None or not DEBIAN.is_dir(), reason="pw.x of Debian is not installed")
@pytest.mark.parametrize("crystal", CRYSTALS.values(), ids=CRYSTALS.keys())
def test_pw_x_finds_all_symmetry_of_the_primitive_cell(crystal: Structure, tmp_path: Path) -> None:
    cell = primitive_for_espresso(crystal.copy().perturb(1e-3, seed=2))
    symbols = list(dict.fromkeys(site.specie.symbol for site in cell))  # soft stand-ins: one step costs half a second
    sites = [(symbols.index(site.specie.symbol), site.frac_coords) for site in cell]
    text = PW_INPUT.format(
        folder=DEBIAN,
        n_atoms=len(cell),
        n_kinds=len(symbols),
        kinds="\n".join(f"X{kind} 10.0 {SOFT_FILES[kind]}" for kind in range(len(symbols))),
        cell="\n".join(" ".join(f"{x:.12f}" for x in vector) for vector in cell.lattice.matrix),
        positions="\n".join(f"X{kind} " + " ".join(f"{x:.12f}" for x in position) for kind, position in sites),
    )
    (tmp_path / "pw.in").write_text(text)
    command = ["pw.x", "-in", "pw.in"]
    output = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    found = re.search(r"(\d+) Sym\. Ops\.", output)
    assert found is not None or "No symmetry found" in output
    assert (int(found[1]) if found else 1) == len(symmetry_of(cell).rotations)


def test_the_band_path_of_a_face_centred_crystal() -> None:
    path = band_path(primitive_for_espresso(AL), 0.05)
    assert list(path.labels.values()) == ["GAMMA", "X", "U", "K", "GAMMA", "L", "W", "X"]
    x = next(index for index, label in path.labels.items() if label == "X")
    np.testing.assert_allclose(path.points[x], [0.5, 0.0, 0.5], atol=1e-12)
    assert path.distances[x] == pytest.approx(2 * np.pi / 3.97)
    at = {label: index for index, label in path.labels.items()}
    assert path.distances[at["K"]] == path.distances[at["U"]]  # the path jumps
    assert 0.04 < np.median(np.diff(path.distances)) < 0.06
    assert len(path.points) == len(path.distances) == path.segments[-1][1]


@pytest.mark.parametrize("crystal", CRYSTALS.values(), ids=CRYSTALS.keys())
def test_distances_along_a_path_are_those_of_the_cell(crystal: Structure) -> None:
    cell = primitive_for_espresso(crystal)
    path = band_path(cell, 0.1)
    cartesian = path.points @ cell.lattice.reciprocal_lattice.matrix
    for start, end in path.segments:
        lengths = np.linalg.norm(np.diff(cartesian[start:end], axis=0), axis=1)
        np.testing.assert_allclose(lengths, np.diff(path.distances[start:end]), rtol=1e-4, atol=1e-6)
        assert start in path.labels
        assert end - 1 in path.labels


def test_a_band_path_of_a_supercell_is_refused() -> None:
    with pytest.raises(StructureError, match="is not primitive"):
        band_path(AL, 0.05)
