from pathlib import Path

import pytest

from invdesflow.errors import EspressoError
from invdesflow.espresso.parsers.pw_output import PwOutput, read_pw_output
from invdesflow.espresso.parsers.pw_xml import read_pw_xml

DATA = Path(__file__).parents[1] / "data" / "pw"


def read(case: str) -> PwOutput:
    return read_pw_output(DATA / case / "outputs/pw.out")


def test_relaxation_of_the_cell_ends_with_a_new_basis() -> None:
    output = read("al_vc_relax")
    result = read_pw_xml(DATA / "al_vc_relax/outputs/out/crystal.save/data-file-schema.xml")
    assert (output.finished, output.converged, output.ionic_converged) == (True, True, True)
    assert output.final_volume_a3 == pytest.approx(result.structure.volume, abs=1e-4)
    assert output.pressures_gpa[-2] == pytest.approx(0.002, abs=1e-3)  # where it stopped
    assert output.pressures_gpa[-1] == pytest.approx(result.pressure_gpa, abs=1e-3)  # what that is worth
    assert output.pressures_gpa[-1] > 0.1
    assert output.final_enthalpy_ev > result.energy_ev


def test_cycle_and_times() -> None:
    output = read("al_scf")
    assert (output.converged, output.n_k_points, output.n_iterations, output.error) == (True, 72, 7, None)
    assert (output.ionic_converged, output.final_volume_a3, output.out_of_time) == (None, None, False)
    assert output.scf_accuracy_ev < 1e-11
    assert output.timing.wall_s == pytest.approx(1.16)


def test_bands_at_a_fixed_density_have_no_cycle() -> None:
    output = read("al_nscf")
    assert (output.finished, output.converged, output.n_iterations, output.n_k_points) == (True, None, 0, 216)


@pytest.mark.parametrize(("case", "out_of_time"), [("not_converged", False), ("max_seconds", True)])
def test_unfinished_cycle_is_signed_all_the_same(case: str, out_of_time: bool) -> None:
    output = read(case)
    assert (output.finished, output.converged, output.out_of_time) == (True, False, out_of_time)


def test_input_without_k_points_runs_at_gamma() -> None:
    output = read("no_k_points")
    assert (output.finished, output.converged, output.n_k_points) == (True, True, 1)


def test_error_of_the_program_is_told() -> None:
    output = read("missing_pseudo")
    assert (output.finished, output.converged) == (False, None)
    assert output.error.startswith("readpp: file ")
    assert output.error.endswith("Al.absent.UPF not found")


def test_relaxation_cut_within_has_no_final_cell(tmp_path: Path) -> None:
    whole = (DATA / "al_vc_relax/outputs/pw.out").read_text()
    path = tmp_path / "pw.out"
    path.write_text(whole[: whole.index("bfgs converged in")])
    output = read_pw_output(path)
    assert (output.finished, output.ionic_converged, output.final_volume_a3) == (False, None, None)


@pytest.mark.parametrize("content", ["", "     Program PHONON v.6.7MaX starts"])
def test_foreign_file_is_named(content: str, tmp_path: Path) -> None:
    path = tmp_path / "pw.out"
    path.write_text(content)
    with pytest.raises(EspressoError, match=r"pw\.out cannot be read as an output of pw\.x"):
        read_pw_output(path)
