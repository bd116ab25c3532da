"""What is read of a run that solved the Eliashberg equations."""

import shutil
from pathlib import Path

import pytest

from invdesflow.epw.gap_jobs import _read_gap
from invdesflow.epw.parsers.gap_functions import read_gap_distribution
from invdesflow.errors import EspressoError

RUN = Path(__file__).parents[1] / "data/epw/al_anisotropic/outputs"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The files of a run at one temperature, with the pictures that epw.x adds where several bands cross."""
    output = (RUN / "epw.out").read_text()
    second = output.index("temp(  2)")
    (tmp_path / "epw.out").write_text(output[:second])
    for name in (
        "crystal.imag_aniso_gap0_002.00",
        "crystal.imag_aniso_gap_FS_002.00",
        "crystal.pade_aniso_gap0_002.00",
    ):
        shutil.copy(RUN / name, tmp_path)
    for band in (1, 2):
        for axis in ("imag", "pade"):
            (tmp_path / f"crystal.{axis}_aniso_gap0_002.00_{band}.cube").write_text("cube file\n")
    return tmp_path


def test_the_gap_is_that_of_the_distribution_not_of_its_pictures(run: Path) -> None:
    found = _read_gap(run)
    assert found["distribution_file"] == "crystal.pade_aniso_gap0_002.00"
    assert 0.0 < found["gap_min_mev"] < found["gap_mean_mev"] < found["gap_max_mev"]


def test_a_run_without_a_distribution_is_refused(run: Path) -> None:
    (run / "crystal.pade_aniso_gap0_002.00").unlink()
    with pytest.raises(EspressoError, match="holds 0 distributions"):
        _read_gap(run)


def test_anisotropic_gaps_are_on_the_real_axis_as_isotropic_ones_are(run: Path) -> None:
    on_imaginary_axis = read_gap_distribution(run / "crystal.imag_aniso_gap0_002.00")
    assert on_imaginary_axis.mean_mev == pytest.approx(4.601, abs=1e-3)
    assert _read_gap(run)["gap_mean_mev"] == pytest.approx(4.672, abs=1e-3)


def test_more_than_one_temperature_is_refused() -> None:
    with pytest.raises(EspressoError, match="2 temperatures instead of one"):
        _read_gap(RUN)
