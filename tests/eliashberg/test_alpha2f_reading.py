"""Files of every format, whole, foreign and damaged."""

from pathlib import Path

import numpy as np
import pytest
import spectra

from invdesflow.eliashberg.reading import read_alpha2f, read_spectra
from invdesflow.eliashberg.spectrum import Alpha2F
from invdesflow.eliashberg.units import MEV_PER_UNIT
from invdesflow.errors import SpectrumError

DATA = Path(__file__).parent / "data"
EPW_RUNS = [Path(__file__).parents[1] / "data/epw" / run / "outputs" for run in ("al_isotropic", "al_anisotropic")]
EPW = EPW_RUNS[0]


def epw_a2f(spectrum: Alpha2F, smearings: int = 10) -> str:
    """The .a2f of epw.x: several smearings, here one spectrum times 1, 2, ..., and their cumulative lambda."""
    scaled = [spectrum.scaled(factor) for factor in range(1, smearings + 1)]
    columns = np.column_stack([s.values for s in scaled] + [s.cumulative_lambda for s in scaled])
    rows = [
        "".join(f"{number:12.7f}" for number in (energy, *row))
        for energy, row in zip(spectrum.energies_mev, columns, strict=True)
    ]
    lambdas = "".join(f"{s.lambda_:12.7f}" for s in scaled)
    widths = "".join(f"{0.5 + 0.05 * index:12.7f}" for index in range(smearings))
    return "\n".join(
        [
            f" w[meV] a2f and integrated 2*a2f/w for {smearings:4d} smearing values",
            *rows,
            " Integrated el-ph coupling",
            f"  #         {lambdas}",
            " Phonon smearing (meV)",
            f"  #         {widths}",
            "Electron smearing (eV)   0.1000000",
            "Fermi window (eV)   0.6000000",
            f"Summed el-ph coupling {scaled[0].lambda_:12.7f}",
        ]
    )


def epw_a2f_proj(spectrum: Alpha2F, modes: int = 3) -> str:
    rows = [
        "".join(f"{number:12.7f}" for number in (energy, value, *[value / modes] * modes))
        for energy, value in zip(spectrum.energies_mev, spectrum.values, strict=True)
    ]
    stated = f"lambda_int = {spectrum.lambda_:18.7f}   lambda_sum = {spectrum.lambda_:18.7f}"
    return "\n".join(["w[meV] a2f a2f_modeproj", *rows, stated])


def epw_a2f_iso(spectrum: Alpha2F) -> str:
    pairs = zip(spectrum.energies_mev, spectrum.values, strict=True)
    return "\n".join(["w[meV] a2f", *(f"{energy:12.7f}{value:12.7f}" for energy, value in pairs)])


def two_columns(spectrum: Alpha2F, unit: str = "meV", separator: str = " ") -> str:
    pairs = zip(spectrum.energies_mev / MEV_PER_UNIT[unit], spectrum.values, strict=True)
    return "\n".join(f"{energy:.10e}{separator}{value:.8e}" for energy, value in pairs)


def write(folder: Path, content: str, name: str = "spectrum.dat") -> Path:
    path = folder / name
    path.write_text(content)
    return path


@pytest.mark.parametrize("write_format", [epw_a2f, epw_a2f_proj, epw_a2f_iso])
def test_formats_of_epw(write_format, tmp_path):
    spectrum = spectra.magnesium_diboride()
    read = read_alpha2f(write(tmp_path, write_format(spectrum)))
    assert read.lambda_ == pytest.approx(spectrum.lambda_, rel=1e-4)
    assert read.omega_log_mev == pytest.approx(spectrum.omega_log_mev, rel=1e-4)
    assert read.omega_2_mev == pytest.approx(spectrum.omega_2_mev, rel=1e-4)


@pytest.mark.parametrize("ending", ["a2f", "a2f_proj", "a2f_iso"])
def test_epw_as_it_wrote_it(ending):
    spectrum = read_alpha2f(EPW / f"crystal.{ending}")
    printed = (EPW / "epw.out").read_text()
    for label, value in (
        ("Electron-phonon coupling strength =", spectrum.lambda_),
        ("Estimated w_log in Allen-Dynes Tc =", spectrum.omega_log_mev),
    ):
        assert value == pytest.approx(float(printed.split(label)[1].split()[0]), rel=1e-5)


@pytest.mark.parametrize("folder", EPW_RUNS)
def test_the_three_files_of_a_run_of_epw_agree(folder):
    smeared, isotropic, by_branch = (read_spectra(folder / f"crystal.{end}") for end in ("a2f", "a2f_iso", "a2f_proj"))
    for other in (isotropic, by_branch):
        np.testing.assert_array_equal(other.spectrum().energies_mev, smeared.spectrum().energies_mev)
        np.testing.assert_allclose(other.spectrum().values, smeared.spectrum().values, atol=2e-7)
    np.testing.assert_allclose(smeared.smearings, 0.5 + 0.05 * np.arange(10))
    assert by_branch.branches.shape == (3, len(by_branch.spectrum().values))
    np.testing.assert_allclose(by_branch.branches.sum(axis=0), isotropic.spectrum().values, atol=3e-7)
    assert smeared.branches.shape == isotropic.branches.shape == (0, len(isotropic.spectrum().values))


def test_smearings_of_epw(tmp_path):
    spectrum = spectra.aluminium()
    content = read_spectra(write(tmp_path, epw_a2f(spectrum)))
    assert [s.lambda_ for s in content.spectra] == pytest.approx([spectrum.lambda_ * n for n in range(1, 11)], rel=1e-4)
    assert content.smearings[:2] == (0.5, 0.55)
    assert content.smearing_unit == "meV"
    assert len(content.smearings) == 10
    for wrong in (0, 11, -1):
        with pytest.raises(SpectrumError, match="smearing"):
            content.spectrum(wrong)


def test_matdyn_as_it_wrote_it():
    content = read_spectra(DATA / "a2F.dos3")
    assert content.format == "matdyn.x's a2F.dos"
    assert content.spectrum().lambda_ == pytest.approx(0.49043362255808115, rel=1e-5)  # last line of the file
    assert content.spectrum().omega_log_mev == pytest.approx(315.03 * MEV_PER_UNIT["K"], rel=0.02)  # sum over modes
    assert content.spectrum().omega_max_mev < 45.0


def test_matdyn_with_negative_linewidths():
    with pytest.raises(SpectrumError, match=r"negative \(-0.000151 at 9.606 meV\)"):
        read_spectra(DATA / "a2F.dos1")


def test_lambda_x_as_it_wrote_it():
    content = read_spectra(DATA / "alpha2F.dat")
    assert len(content.spectra) == len(content.smearings) == 10
    assert (content.smearings[0], content.smearing_unit) == (0.01, "Ry")
    assert content.spectrum(1).lambda_ == pytest.approx(0.66779, rel=2e-3)  # lambda.x's sum over modes
    assert content.spectrum(10).omega_log_mev == pytest.approx(342.847 * MEV_PER_UNIT["K"], rel=2e-3)


@pytest.mark.parametrize("unit", MEV_PER_UNIT)
@pytest.mark.parametrize("separator", [" ", "\t", ", "])
def test_two_columns_in_every_unit(unit, separator, tmp_path):
    spectrum = spectra.aluminium()
    text = "# omega, alpha2F\n\n" + two_columns(spectrum, unit, separator)
    read = read_alpha2f(write(tmp_path, text), units=unit)
    np.testing.assert_allclose(read.energies_mev, spectrum.energies_mev, rtol=1e-8)
    np.testing.assert_allclose(read.values, spectrum.values, atol=1e-8)


def test_units_against_known_conversions():
    assert MEV_PER_UNIT["THz"] == pytest.approx(4.135667696)
    assert MEV_PER_UNIT["cm-1"] == pytest.approx(1.0 / 8.06554)
    assert MEV_PER_UNIT["Ry"] == pytest.approx(13605.693)
    assert MEV_PER_UNIT["Ha"] == pytest.approx(27211.386)
    assert MEV_PER_UNIT["K"] == pytest.approx(1.0 / 11.6045, rel=1e-5)


def test_row_at_zero_energy_and_fortran_numbers(tmp_path):
    read = read_alpha2f(write(tmp_path, "0.0 0.0\n1.0D+0 1.0-105\n2.0 0.5\n3.0 0.25\n4. .125\n"), units="meV")
    assert read.energies_mev.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert read.values[0] == 1e-105


def truncated(text: str) -> str:
    return "\n".join(text.splitlines()[:300])


def test_comments_in_another_encoding(tmp_path):
    path = tmp_path / "latin"
    path.write_bytes("\ufeff# énergie, meV\n1 0.1\n".encode() + "# énergie\n2 0.5\n3 0\n".encode("latin-1"))
    assert read_alpha2f(path, units="meV").values.tolist() == [0.1, 0.5, 0.0]


AL = spectra.aluminium()
DAMAGED = {
    "empty": ("", "empty"),
    "blank": ("\n \n", "empty"),
    "prose": ("This is not\na spectrum.\n", "no table"),
    "a2f cut": (truncated(epw_a2f(AL)), "truncated"),
    "a2f cut in a row": (truncated(epw_a2f(AL))[:-30], "truncated"),
    "a2f_proj cut": (truncated(epw_a2f_proj(AL)), "truncated"),
    "a2f_iso cut": (truncated(epw_a2f_iso(AL)), "truncated"),
    "edited": (epw_a2f(AL).replace("   0.4200000", "   0.6200000"), "the file says"),
    "stars": (epw_a2f_iso(AL).replace("   0.0000000", "************", 1), "not a row"),
    "NaN": (epw_a2f_iso(AL).replace("   0.0900000   ", "   0.0900000NaN", 1).replace("NaN", " NaN "), "numbers|finite"),
    "NaN column": ("w[meV] a2f\n1.0 NaN\n2.0 NaN\n3.0 NaN\n", "not finite"),
    "infinity": ("w[meV] a2f\n1.0 0.1\n2.0 Infinity\n3.0 0\n", "not finite"),
    "decreasing": ("w[meV] a2f\n3 0\n2 1\n1 0\n", "increasing"),
    "negative": ("w[meV] a2f\n1 0.1\n2 -0.5\n3 0\n", "negative"),
    "imaginary phonons": ("w[meV] a2f\n-1 0.1\n1 0.1\n2 0.5\n3 0\n", "imaginary"),
    "does not vanish at zero": ("w[meV] a2f\n0 0.1\n1 0.1\n2 0.5\n3 0\n", "infinite"),
    "zero": ("w[meV] a2f\n1 0\n2 0\n3 0\n", "zero everywhere"),
    "no unit": (two_columns(AL), "unit"),
    "three columns": ("1 2 3\n2 3 4\n3 4 5\n", "3 columns"),
    "one column": ("1\n2\n3\n", "1 columns"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_files_are_refused_in_one_line(case, tmp_path):
    content, problem = DAMAGED[case]
    path = write(tmp_path, content)
    with pytest.raises(SpectrumError, match=problem) as caught:
        read_spectra(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy


def test_what_is_no_file(tmp_path):
    binary = tmp_path / "binary"
    binary.write_bytes(bytes(range(256)))
    for path, problem in ((tmp_path, "folder"), (tmp_path / "none", "does not exist"), (binary, "not a text file")):
        with pytest.raises(SpectrumError, match=problem):
            read_spectra(path)


def test_a_unit_for_a_file_that_says_its_own(tmp_path):
    with pytest.raises(SpectrumError, match="says its unit itself"):
        read_spectra(write(tmp_path, epw_a2f_iso(AL)), units="THz")


def test_the_transport_function_is_refused(tmp_path):
    with pytest.raises(SpectrumError, match="transport"):
        read_spectra(write(tmp_path, epw_a2f_iso(AL), "al.a2f_tr.01.300.000"))
