from pathlib import Path

import numpy as np
import pytest

from invdesflow.epw.parsers.linewidths import read_mode_couplings, read_mode_lambdas, read_mode_linewidths
from invdesflow.errors import EspressoError
from invdesflow.espresso.parsers.text import last_float

DATA = Path(__file__).parents[1] / "data" / "epw"
MESH, PATH = DATA / "al_linewidths/outputs", DATA / "al_linewidths_path/outputs"


@pytest.mark.parametrize("folder", [MESH, PATH])
def test_three_files_agree(folder: Path) -> None:
    couplings = read_mode_couplings(folder / "epw.out")
    widths = read_mode_linewidths(folder / "linewidth.phself.0.300K")
    np.testing.assert_allclose(read_mode_lambdas(folder / "lambda.phself.0.300K"), couplings.lambda_, atol=6e-6)
    np.testing.assert_allclose(widths.linewidth_mev, 2 * couplings.gamma_mev, atol=2e-6)
    np.testing.assert_allclose(widths.omega_mev, couplings.omega_mev, atol=1e-4)


def test_coupling_is_linewidth_over_frequency_squared() -> None:
    couplings = read_mode_couplings(PATH / "epw.out")
    optical = couplings.omega_mev > 1
    n_pi = np.pi * couplings.dos_per_ev_spin_cell
    expected = couplings.gamma_mev[optical] * 1e-3 / (n_pi * (couplings.omega_mev[optical] * 1e-3) ** 2)
    np.testing.assert_allclose(couplings.lambda_[optical], expected, rtol=1e-3)
    assert (couplings.lambda_[~optical] == 0).all()


def test_couplings_of_a_mesh_add_up_to_the_coupling_strength() -> None:
    couplings = read_mode_couplings(MESH / "epw.out")
    assert couplings.q_points.shape == (64, 3)
    printed = last_float((MESH / "crystal.a2f.01.0.300").read_text(), "Summed el-ph coupling")
    assert couplings.summed_lambda == pytest.approx(printed, rel=1e-4)


def test_points_are_those_of_the_path() -> None:
    given = np.loadtxt(DATA / "al_linewidths_path/inputs/path.dat", skiprows=1)
    couplings = read_mode_couplings(PATH / "epw.out")
    np.testing.assert_allclose(couplings.q_points, given[:, :3], atol=1e-5)
    np.testing.assert_allclose(couplings.weights, given[:, 3], atol=1e-5)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    for reader, name in (
        (read_mode_couplings, "epw.out"),
        (read_mode_lambdas, "lambda.phself.0.300K"),
        (read_mode_linewidths, "linewidth.phself.0.300K"),
    ):
        lines = (PATH / name).read_text().splitlines()
        path = tmp_path / name
        cut = next(number for number, line in enumerate(lines) if "lambda___" in line) + 2 if name == "epw.out" else 8
        for content in ("", "JOB DONE.\n", "\n".join([*lines[:cut], lines[cut][:20]])):
            path.write_text(content)
            with pytest.raises(EspressoError, match=f"{name} cannot be read as"):
                reader(path)
