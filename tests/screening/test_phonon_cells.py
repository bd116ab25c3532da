"""Supercells and wave vectors against lattice theory and phonopy's own mesh."""

import numpy as np
import pytest
from ase.build import bulk
from phonopy import Phonopy
from phonopy.harmonic.dynmat_to_fc import get_commensurate_points
from phonopy.structure.atoms import PhonopyAtoms
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from invdesflow.screening.phonon_cells import PhononCell, irreducible_wave_vectors

CRYSTALS = {
    "fcc": Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.05), ["Al"], [[0, 0, 0]]),
    "bct": Structure.from_spacegroup("I4/mmm", Lattice.tetragonal(3.0, 11.0), ["Cu"], [[0, 0, 0]]),
    "bco": Structure.from_spacegroup("Immm", Lattice.orthorhombic(3.0, 4.1, 6.2), ["Cu"], [[0, 0, 0]]),
    "hexagonal": Structure.from_spacegroup("P6/mmm", Lattice.hexagonal(3.1, 3.5), ["Mg"], [[0, 0, 0]]),
    "rhombohedral": Structure.from_spacegroup("R-3m", Lattice.hexagonal(3.0, 15.0), ["Bi"], [[0, 0, 0.2]]),
    "monoclinic": Structure.from_spacegroup("C2/m", Lattice.monoclinic(7.0, 3.0, 5.0, 105), ["Se"], [[0.1, 0, 0.3]]),
    "triclinic": Structure(Lattice.from_parameters(3, 4, 5, 70, 80, 95), ["S", "O"], [[0, 0, 0], [0.3, 0.4, 0.45]]),
}


def prepare(structure: Structure, min_length: float):
    cell = PhononCell.of(AseAtomsAdaptor.get_atoms(structure, msonable=False), 0.01)
    matrix = cell.supercell_matrix(min_length)
    unit = PhonopyAtoms(
        numbers=cell.primitive.numbers,
        scaled_positions=cell.primitive.get_scaled_positions(),
        cell=cell.primitive.cell[:],
    )
    return cell, matrix, Phonopy(unit, supercell_matrix=matrix, primitive_matrix=np.eye(3))


@pytest.mark.parametrize("name", CRYSTALS)
@pytest.mark.parametrize("min_length", [6.0, 9.0])
def test_images_are_far_enough_apart_and_the_symmetry_is_kept(name, min_length):
    structure = CRYSTALS[name]
    _, matrix, phonon = prepare(structure, min_length)
    shortest = min(Lattice(phonon.supercell.cell).get_niggli_reduced_lattice().abc)
    assert shortest >= min_length - 1e-5
    assert len(phonon.supercell) == len(phonon.primitive) * round(abs(np.linalg.det(matrix)))
    assert len(phonon.symmetry.pointgroup_operations) == len(phonon.primitive_symmetry.pointgroup_operations)


def test_the_smaller_supercell_is_taken():
    aluminium = AseAtomsAdaptor.get_atoms(CRYSTALS["fcc"], msonable=False)
    cell = PhononCell.of(aluminium, 0.01)
    assert (
        round(abs(np.linalg.det(cell.supercell_matrix(8.0)))) == 32
    )  # twice the cube, not four times the rhombohedron
    assert round(abs(np.linalg.det(cell.supercell_matrix(9.0)))) == 64


@pytest.mark.parametrize("name", CRYSTALS)
def test_stars_cover_all_exact_wave_vectors_once(name):
    _, matrix, phonon = prepare(CRYSTALS[name], 7.0)
    operations = phonon.primitive_symmetry.reciprocal_operations
    chosen = irreducible_wave_vectors(matrix, operations)
    everything = {tuple(q) for q in np.rint(get_commensurate_points(matrix) * 1e6).astype(int) % 10**6}
    stars = [{tuple(np.rint((w @ q) % 1 * 1e6).astype(int) % 10**6) for w in operations} for q in chosen]
    assert set().union(*stars) == everything
    assert sum(map(len, stars)) == len(everything)
    assert not chosen[0].any()


def test_phonopy_reduces_a_mesh_to_as_many_wave_vectors():
    _, matrix, phonon = prepare(AseAtomsAdaptor.get_structure(bulk("Cu", "fcc", 3.6)), 8.0)
    n = round(abs(np.linalg.det(matrix)) ** (1 / 3))
    phonon.force_constants = np.zeros((n**3, n**3, 3, 3))
    mesh = phonon.run_mesh([n, n, n], is_gamma_center=True)
    assert len(irreducible_wave_vectors(matrix, phonon.primitive_symmetry.reciprocal_operations)) == len(mesh.qpoints)


def test_the_path_starts_and_ends_at_its_labels():
    cell, _, _ = prepare(CRYSTALS["fcc"], 6.0)
    path = cell.path(5)
    assert len(path) == len(cell.segments) == 6
    for segment, (start, end) in zip(path, cell.segments, strict=True):
        assert np.allclose(segment[[0, -1]], [start, end])
        assert len(segment) == 5
