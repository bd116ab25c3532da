from pathlib import Path

import numpy as np
import pytest

from invdesflow.epw.parsers.alpha2f import integrate_lambda, read_alpha2f, read_alpha2f_iso, read_alpha2f_proj
from invdesflow.errors import EspressoError

DATA = Path(__file__).parents[1] / "data" / "epw"
CASES = ["al_isotropic", "al_anisotropic"]


@pytest.mark.parametrize("case", CASES)
def test_integral_of_every_smearing_is_the_printed_coupling(case: str) -> None:
    spectra = read_alpha2f(DATA / case / "outputs/crystal.a2f")
    np.testing.assert_allclose(integrate_lambda(spectra.omega_mev, spectra.alpha2f), spectra.lambda_, atol=1e-3)
    np.testing.assert_allclose(
        np.trapezoid(2 * spectra.alpha2f / spectra.omega_mev, spectra.omega_mev), spectra.lambda_, rtol=1e-3
    )
    np.testing.assert_allclose(spectra.cumulative_lambda[:, -1], spectra.lambda_)
    assert spectra.lambda_[0] == pytest.approx(spectra.summed_lambda, rel=5e-3)
    np.testing.assert_allclose(spectra.smearings_mev, 0.5 + 0.05 * np.arange(10))


@pytest.mark.parametrize("case", CASES)
def test_three_files_agree(case: str) -> None:
    folder = DATA / case / "outputs"
    smeared = read_alpha2f(folder / "crystal.a2f")
    isotropic, modes = read_alpha2f_iso(folder / "crystal.a2f_iso"), read_alpha2f_proj(folder / "crystal.a2f_proj")
    np.testing.assert_array_equal(isotropic.omega_mev, smeared.omega_mev)
    np.testing.assert_allclose(isotropic.alpha2f, smeared.alpha2f[0], atol=1e-7)
    np.testing.assert_allclose(modes.mode_alpha2f.sum(axis=0), isotropic.alpha2f, atol=3e-7)
    assert (modes.lambda_, modes.summed_lambda) == (smeared.lambda_[0], smeared.summed_lambda)
    assert modes.mode_alpha2f.shape[0] == 3


def test_what_the_run_was_asked_for_stands_at_the_end() -> None:
    spectra = read_alpha2f(DATA / "al_anisotropic/outputs/crystal.a2f")
    assert (spectra.electron_smearing_ev, spectra.fermi_window_ev, len(spectra.omega_mev)) == (0.1, 0.6, 100)


@pytest.mark.parametrize(
    ("reader", "name"),
    [(read_alpha2f, "crystal.a2f"), (read_alpha2f_iso, "crystal.a2f_iso"), (read_alpha2f_proj, "crystal.a2f_proj")],
)
@pytest.mark.parametrize("cut", ["empty", "within a line", "foreign"])
def test_damaged_file_is_named(reader, name: str, cut: str, tmp_path: Path) -> None:
    whole = (DATA / "al_isotropic/outputs" / name).read_text()
    path = tmp_path / name
    path.write_text(
        {"empty": "", "within a line": whole[: len(whole) // 2 // 25 * 25 - 7], "foreign": "JOB DONE.\n1 2\n"}[cut]
    )
    with pytest.raises(EspressoError, match=rf"{name} cannot be read as"):
        reader(path)


@pytest.mark.parametrize(("reader", "name"), [(read_alpha2f, "crystal.a2f"), (read_alpha2f_proj, "crystal.a2f_proj")])
def test_file_without_its_end_is_named(reader, name: str, tmp_path: Path) -> None:
    lines = (DATA / "al_isotropic/outputs" / name).read_text().splitlines()
    path = tmp_path / name
    path.write_text("\n".join(lines[:150]) + "\n")
    with pytest.raises(EspressoError, match="its end is missing"):
        reader(path)
