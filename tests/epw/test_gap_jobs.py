"""What is read of a run that solved the Eliashberg equations."""

import shutil
from pathlib import Path

import pytest

from invdesflow.epw.gap_jobs import _read_gap
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
        (tmp_path / f"crystal.imag_aniso_gap0_002.00_{band}.cube").write_text("cube file\n")
    return tmp_path


def test_the_gap_is_that_of_the_distribution_not_of_its_pictures(run: Path) -> None:
    found = _read_gap(run)
    assert found["distribution_file"] == "crystal.imag_aniso_gap0_002.00"
    assert 0.0 < found["gap_min_mev"] < found["gap_mean_mev"] < found["gap_max_mev"]


def test_a_run_without_a_distribution_is_refused(run: Path) -> None:
    (run / "crystal.imag_aniso_gap0_002.00").unlink()
    with pytest.raises(EspressoError, match="holds 0 distributions"):
        _read_gap(run)
