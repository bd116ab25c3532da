from pathlib import Path

import numpy as np
import pytest

from invdesflow.errors import EspressoError
from invdesflow.espresso.parsers.dynamical_matrix import DynamicalMatrix, read_dynamical_matrix, read_q_points

DATA = Path(__file__).parents[1] / "data" / "ph"
AL = [f"al_q{number}/outputs/crystal.dyn{number}" for number in (1, 2, 3, 4)]


def frequencies_cm1(star: DynamicalMatrix, number: int) -> np.ndarray:
    """Diagonalise a matrix in SI units."""
    rydberg_j, bohr, amu, light = 2.1798723611035e-18, 5.29177210903e-11, 1.66053906660e-27, 29979245800.0
    n = 3 * len(star.masses_amu)
    masses = np.repeat(star.masses_amu, 3) * amu
    matrix = star.matrices[number].reshape(n, n) * rydberg_j / bohr**2 / np.sqrt(np.outer(masses, masses))
    squares = np.linalg.eigvalsh((matrix + matrix.conj().T) / 2)
    return np.sign(squares) * np.sqrt(np.abs(squares)) / (2 * np.pi * light)


@pytest.mark.parametrize("name", [*AL, "silicon_gamma/outputs/crystal.dyn", "al_simple_cubic/outputs/crystal.dyn"])
def test_printed_frequencies_are_those_of_the_matrices(name: str) -> None:
    star = read_dynamical_matrix(DATA / name)
    for number in range(len(star.q_points)):
        np.testing.assert_allclose(frequencies_cm1(star, number), star.frequencies_cm1, atol=0.02)


def test_stars_fill_the_mesh() -> None:
    listed = read_q_points(DATA / "al_q1/outputs/crystal.dyn0")
    stars = [read_dynamical_matrix(DATA / name) for name in AL]
    assert listed.mesh == (3, 3, 3)
    np.testing.assert_allclose(listed.q_points, [star.q_points[0] for star in stars], atol=1e-8)
    points = np.concatenate([star.q_points_crystal for star in stars]) * 3
    np.testing.assert_allclose(points, np.rint(points), atol=1e-6)
    assert len({tuple(point) for point in np.rint(points).astype(int) % 3}) == 27


def test_cell_atoms_and_masses_are_those_of_the_run() -> None:
    star = read_dynamical_matrix(DATA / "silicon_gamma/outputs/crystal.dyn")
    assert star.symbols == ["Si", "Si"]
    np.testing.assert_allclose(star.masses_amu, 28.0855, rtol=1e-6)
    np.testing.assert_allclose(star.lattice, 2.7155 * (1 - np.eye(3)), atol=1e-6)
    np.testing.assert_allclose(star.positions[1] @ np.linalg.inv(star.lattice), [0.25, 0.25, 0.26], atol=1e-6)


def test_displacements_are_orthonormal_for_equal_masses() -> None:
    star = read_dynamical_matrix(DATA / "silicon_gamma/outputs/crystal.dyn")
    modes = star.displacements.reshape(6, 6)
    np.testing.assert_allclose(modes.conj() @ modes.T, np.eye(6), atol=1e-4)


def test_response_to_fields_is_there_for_the_insulator_only() -> None:
    star = read_dynamical_matrix(DATA / "silicon_gamma/outputs/crystal.dyn")
    np.testing.assert_allclose(star.dielectric_tensor, star.dielectric_tensor.T, atol=1e-6)
    assert star.born_charges.shape == (2, 3, 3)
    assert star.dielectric_tensor[0, 0] == 24.129660440782
    metal = read_dynamical_matrix(DATA / AL[0])
    assert (metal.dielectric_tensor, metal.born_charges) == (None, None)


def test_cell_as_a_bravais_index_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "crystal.dyn2"
    path.write_text((DATA / AL[1]).read_text().replace("  1    1   0   5.3032941", "  1    1   2   7.5000000"))
    with pytest.raises(EspressoError, match="ibrav = 2"):
        read_dynamical_matrix(path)


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 0.9])
def test_cut_file_is_named(fraction: float, tmp_path: Path) -> None:
    whole = (DATA / AL[1]).read_text()
    path = tmp_path / "crystal.dyn2"
    path.write_text(whole[: int(fraction * len(whole))])
    with pytest.raises(EspressoError, match=r"crystal\.dyn2 cannot be read as a dynamical matrix of ph\.x"):
        read_dynamical_matrix(path)


def test_cut_list_of_q_points_is_named(tmp_path: Path) -> None:
    path = tmp_path / "crystal.dyn0"
    path.write_text("\n".join((DATA / "al_q1/outputs/crystal.dyn0").read_text().splitlines()[:4]))
    with pytest.raises(EspressoError, match=r"crystal\.dyn0 .*2 q-points instead of 4"):
        read_q_points(path)
    path.write_text((DATA / AL[0]).read_text())
    with pytest.raises(EspressoError, match=r"crystal\.dyn0"):
        read_q_points(path)
