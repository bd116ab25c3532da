from pathlib import Path

import numpy as np
import pytest

from invdesflow.errors import EspressoError
from invdesflow.espresso.parsers.dynamical_matrix import read_dynamical_matrix
from invdesflow.espresso.parsers.ph_output import PhOutput, read_ph_output
from invdesflow.espresso.parsers.timing import Timing, read_timing

DATA = Path(__file__).parents[1] / "data" / "ph"


def read(case: str) -> PhOutput:
    return read_ph_output(DATA / case / "outputs/ph.out")


@pytest.mark.parametrize(("number", "representations", "star"), [(1, 1, 1), (2, 2, 8), (3, 2, 6), (4, 3, 12)])
def test_run_of_one_q_point(number: int, representations: int, star: int) -> None:
    output = read(f"al_q{number}")
    (point,) = output.q_points
    matrix = read_dynamical_matrix(DATA / f"al_q{number}/outputs/crystal.dyn{number}")
    assert output.converged
    assert (output.n_q_points, point.n_representations, point.n_converged) == (4, representations, representations)
    assert point.star_size == star == len(matrix.q_points)
    np.testing.assert_allclose(point.frequencies_cm1, matrix.frequencies_cm1, atol=1e-6)
    np.testing.assert_allclose(point.q_point, matrix.q_points[0], atol=1e-7)
    assert output.last_residual < 1e-14
    assert output.timing.wall_s > 0
    assert (output.version, output.error, output.bands_recovered) == ("6.7MaX", None, False)


def test_run_without_mesh_has_no_number_of_q_points() -> None:
    output = read("silicon_gamma")
    assert (output.converged, output.n_q_points) == (True, None)
    assert output.q_points[-1].frequencies_cm1.shape == (6,)


def test_imaginary_modes_are_negative() -> None:
    (point,) = read("al_simple_cubic").q_points
    matrix = read_dynamical_matrix(DATA / "al_simple_cubic/outputs/crystal.dyn")
    np.testing.assert_allclose(point.frequencies_cm1, [-156.905117, 308.007405, 308.007405])
    np.testing.assert_allclose(matrix.frequencies_cm1, point.frequencies_cm1)


def test_cycle_that_did_not_converge() -> None:
    output = read("not_converged")
    assert (output.finished, output.converged, output.not_converged, output.out_of_time) == (True, False, True, False)
    assert output.q_points[0].frequencies_cm1 is None
    assert output.last_residual == pytest.approx(0.03)


def test_run_out_of_time() -> None:
    output = read("max_seconds")
    assert (output.finished, output.converged, output.not_converged, output.out_of_time) == (True, False, False, True)


def test_error_of_the_program_is_told() -> None:
    output = read("without_scf")
    assert (output.finished, output.converged, output.q_points) == (False, False, [])
    assert output.error.startswith("check_tempdir: temporary directory ./out/_ph0/ cannot be")


def test_killed_run_did_not_converge(tmp_path: Path) -> None:
    whole = (DATA / "al_q2/outputs/ph.out").read_text()
    path = tmp_path / "ph.out"
    path.write_text(whole[: whole.index("Representation #   2")])
    output = read_ph_output(path)
    assert (output.finished, output.converged, output.q_points[0].n_converged) == (False, False, 1)


@pytest.mark.parametrize("content", ["", "     Program PWSCF v.6.7MaX starts"])
def test_foreign_file_is_named(content: str, tmp_path: Path) -> None:
    path = tmp_path / "ph.out"
    path.write_text(content)
    with pytest.raises(
        EspressoError, match=r"ph\.out cannot be read as an output of ph\.x: (it is empty|ph\.x has not)"
    ):
        read_ph_output(path)


def test_clock_of_a_long_run() -> None:
    text = "     PWSCF        :   1d 1h 2m CPU   1d 2h 3m WALL\n     PWSCF        :   1h 1m 2.50s CPU      4.00s WALL"
    assert read_timing(text, "PWSCF") == Timing(3662.5, 4.0)
    assert read_timing(text.splitlines()[0], "PWSCF") == Timing(90120.0, 93780.0)
    assert read_timing(text, "EPW") is None
