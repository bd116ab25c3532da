from pathlib import Path

import numpy as np
import pytest

from invdesflow.errors import EspressoError
from invdesflow.espresso.parsers.dynamical_matrix import read_dynamical_matrix
from invdesflow.espresso.parsers.matdyn import (
    read_frequencies,
    read_frequencies_along_path,
    read_modes,
    read_phonon_dos,
)

DATA = Path(__file__).parents[1] / "data"
BANDS = DATA / "matdyn/al_bands/outputs"
DOS = DATA / "matdyn/al_dos/outputs"


def test_both_files_of_a_path_agree() -> None:
    bands, path = read_frequencies(BANDS / "matdyn.freq"), read_frequencies_along_path(BANDS / "matdyn.freq.gp")
    assert bands.values.shape == (13, 3)
    np.testing.assert_array_equal(bands.values, path.frequencies_cm1)
    lengths = np.linalg.norm(np.diff(bands.points, axis=0), axis=1)
    np.testing.assert_allclose(np.diff(path.distances), lengths, atol=2e-6)


def test_acoustic_modes_vanish_at_gamma_and_ph_frequencies_come_back() -> None:
    bands = read_frequencies(BANDS / "matdyn.freq")
    np.testing.assert_allclose(bands.values[0], 0, atol=1e-3)
    star = read_dynamical_matrix(DATA / "ph/al_q3/outputs/crystal.dyn3")  # 2/3 of the way to X
    assert np.linalg.norm(bands.points[4]) == pytest.approx(np.linalg.norm(star.q_points[0]), abs=1e-6)
    np.testing.assert_allclose(bands.values[4], star.frequencies_cm1, rtol=1e-3)


def test_point_with_a_weight_is_understood(tmp_path: Path) -> None:
    lines = (BANDS / "matdyn.freq").read_text().splitlines()
    path = tmp_path / "matdyn.freq"
    path.write_text("\n".join(line + ("  0.07692" if number % 2 else "") for number, line in enumerate(lines)))
    np.testing.assert_array_equal(read_frequencies(path).points, read_frequencies(BANDS / "matdyn.freq").points)


def test_modes_are_orthonormal_and_belong_to_the_frequencies() -> None:
    modes, bands = read_modes(BANDS / "matdyn.modes"), read_frequencies(BANDS / "matdyn.freq")
    assert modes.vectors.shape == (13, 3, 1, 3)
    np.testing.assert_allclose(modes.frequencies_cm1, bands.values, atol=1e-4)
    np.testing.assert_allclose(modes.q_points, bands.points, atol=1e-4)
    vectors = modes.vectors.reshape(13, 3, 3)
    products = np.einsum("qmi,qni->qmn", vectors.conj(), vectors)
    np.testing.assert_allclose(products, np.broadcast_to(np.eye(3), (13, 3, 3)), atol=1e-5)
    longitudinal = vectors[6, 2] @ modes.q_points[6] / np.linalg.norm(modes.q_points[6])
    assert abs(longitudinal) == pytest.approx(1, abs=1e-5)


def test_eigenvectors_of_one_atom_are_its_displacements() -> None:
    modes, eigen = read_modes(BANDS / "matdyn.modes"), read_modes(BANDS / "matdyn.eig")
    np.testing.assert_allclose(modes.vectors, eigen.vectors, atol=2e-6)


def test_atoms_add_up_to_the_total_density_and_that_to_the_modes() -> None:
    dos = read_phonon_dos(DOS / "matdyn.dos")
    assert dos.by_atom.shape[0] == 1
    np.testing.assert_allclose(dos.by_atom.sum(axis=0), dos.total, rtol=1e-4, atol=1e-9)
    assert np.trapezoid(dos.total, dos.frequencies_cm1) == pytest.approx(3, rel=0.01)


@pytest.mark.parametrize(
    ("reader", "path"),
    [
        (read_frequencies, BANDS / "matdyn.freq"),
        (read_frequencies_along_path, BANDS / "matdyn.freq.gp"),
        (read_modes, BANDS / "matdyn.modes"),
        (read_phonon_dos, DOS / "matdyn.dos"),
    ],
)
def test_damaged_file_is_named(reader, path: Path, tmp_path: Path) -> None:
    lines = path.read_text().splitlines()
    damaged = tmp_path / path.name
    for content in ("", "JOB DONE.\n", "\n".join([*lines[:7], lines[7][:12]])):
        damaged.write_text(content)
        with pytest.raises(EspressoError, match=f"{path.name} cannot be read as"):
            reader(damaged)
