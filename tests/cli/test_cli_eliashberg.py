"""`invdesflow eliashberg` on files that people have, and on what they type by mistake."""

import json
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from invdesflow.cli.main import app
from invdesflow.errors import ConfigurationError, InvDesFlowError, SpectrumError

ENERGIES = np.arange(1, 401) * 0.25
VALUES = 0.4 * np.exp(-0.5 * ((ENERGIES - 30) / 6) ** 2) + 0.9 * np.exp(-0.5 * ((ENERGIES - 65) / 5) ** 2)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "a2f.dat"
    np.savetxt(path, np.column_stack([ENERGIES, VALUES]))
    return path


@pytest.fixture
def epw_file(tmp_path):
    """A file like EPW's .a2f with two smearings, of which the second couples a tenth more."""
    cells = np.column_stack([VALUES, 1.1 * VALUES])
    cumulative = np.cumsum(2.0 * cells / ENERGIES[:, None] * 0.25, axis=0)
    rows = [" ".join(f"{x:.9f}" for x in (e, *a, *c)) for e, a, c in zip(ENERGIES, cells, cumulative, strict=True)]
    integrated = " ".join(f"{value:.7f}" for value in cumulative[-1])
    path = tmp_path / "crystal.a2f"
    path.write_text(
        "\n".join(
            [
                " w[meV] a2f and integrated 2*a2f/w for    2 smearing values",
                *rows,
                " Integrated el-ph coupling",
                f"  #   {integrated}",
                " Phonon smearing (meV)",
                "  #   0.5 0.55",
            ]
        )
    )
    return path


def run(*arguments):
    return CliRunner().invoke(app, ["eliashberg", *map(str, arguments)])


def rows(*arguments):
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def error_of(*arguments):
    """The error itself, as `main` prints it."""
    result = run(*arguments)
    assert isinstance(result.exception, InvDesFlowError), result.output
    assert "\n" not in str(result.exception)
    return result.exception


def test_every_method_for_every_mu_star(table):
    found = rows(table, "--units", "meV", "--mu-star", "0.10,0.13,0.16")
    assert [row["mu_star"] for row in found] == [0.10, 0.13, 0.16]
    first = found[0]
    assert first["lambda"] == pytest.approx(np.sum(2 * VALUES / ENERGIES) * 0.25, rel=1e-6)
    assert first["omega_log_mev"] < first["omega_2_mev"] < first["omega_max_mev"]
    for name in ("tc_mcmillan_k", "tc_allen_dynes_k", "tc_sisso_k", "tc_eliashberg_k"):
        values = [row[name] for row in found]
        assert values == sorted(values, reverse=True)
    assert first["tc_eliashberg_k"] == pytest.approx(first["tc_allen_dynes_k"], rel=0.1)
    assert 3.53 < first["ratio"] < 4.5


def test_table_for_people(table):
    result = run(table, "--units", "meV", "--mu-star", "0.1")
    assert result.exit_code == 0
    for word in ("omega_log", "McMillan", "Allen-Dynes", "SISSO", "Eliashberg", "2 gap / kTc"):
        assert word in result.stdout


def test_units(table, tmp_path):
    path = tmp_path / "thz.dat"
    np.savetxt(path, np.column_stack([ENERGIES / 4.135667696, VALUES]))
    (thz,), (mev,) = (rows(path, "--units", "thz", "--mu-star", 0.1), rows(table, "--units", "meV", "--mu-star", 0.1))
    assert thz["tc_eliashberg_k"] == pytest.approx(mev["tc_eliashberg_k"], rel=1e-6)


def test_smearings(epw_file):
    (first,), (second,) = (rows(epw_file, "--mu-star", "0.1", "--smearing", number) for number in (1, 2))
    assert second["lambda"] == pytest.approx(1.1 * first["lambda"], rel=1e-6)
    assert first["tc_smearings_k"]["lowest"] == pytest.approx(first["tc_eliashberg_k"])
    assert first["tc_smearings_k"]["highest"] == pytest.approx(second["tc_eliashberg_k"], rel=0.01)
    assert "over smearings" in run(epw_file).stdout


def test_mu_star_as_epw_takes_it(table):
    (rescaled,), (raw,) = (
        rows(table, "--units", "meV", "--mu-star", 0.1, *more) for more in ((), ("--as-epw", "--cutoff", 8))
    )
    assert raw["tc_eliashberg_k"] > 1.1 * rescaled["tc_eliashberg_k"]
    assert raw["tc_allen_dynes_k"] == rescaled["tc_allen_dynes_k"]


def test_where_nothing_superconducts(table):
    weak = table.with_name("weak.dat")
    np.savetxt(weak, np.column_stack([ENERGIES, 0.05 * VALUES]))
    result = run(weak, "--units", "meV", "--mu-star", "0.2", "--json")
    assert result.exit_code == 0
    (row,) = json.loads(result.stdout)
    assert row["tc_eliashberg_k"] is None
    assert row["tc_mcmillan_k"] == 0.0
    assert row["gap_mev"] is None
    assert "no critical temperature" in row["reason"]
    assert "no critical temperature" in run(weak, "--units", "meV", "--mu-star", "0.2").stderr


def test_figure(table, tmp_path):
    target = tmp_path / "out" / "figure.html"
    assert run(table, "--units", "meV", "--figure", target).exit_code == 0
    assert target.read_text().count("Allen-Dynes") >= 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--mu-star", "-0.1"], "negative"),
        (["--mu-star", "a tenth"], "not a list of numbers"),
        (["--mu-star", "0.1,,0.2"], "not a list of numbers"),
        (["--mu-star", ""], "not a list of numbers"),
        (["--mu-star", "nan"], "not finite"),
        (["--mu-star", "inf"], "not finite"),
        (["--mu-star", "0.6"], "no finite value"),
        (["--units", "furlong"], "no unit"),
        (["--smearing", "2"], "no smearing 2"),
        (["--cutoff", "0"], "not a positive number"),
        (["--cutoff", "-3"], "not a positive number"),
        (["--cutoff", "nan"], "not a positive number"),
        (["--cutoff", "0.01"], "cutoff"),
        (["--figure", "picture.gif"], "suffix"),
    ],
)
def test_misuse_of_options(arguments, problem, table):
    options = arguments if "--units" in arguments else ["--units", "meV", *arguments]
    error = error_of(table, *options)
    assert isinstance(error, (ConfigurationError, SpectrumError))
    assert problem in str(error)
    assert error.remedy


@pytest.mark.parametrize(
    "option", [["--smearing", "0"], ["--smearing", "x"], ["--cutoff", "x"], ["--nonsense"], ["two"]]
)
def test_what_typer_refuses(option, table):
    assert run(table, "--units", "meV", *option).exit_code == 2


def test_files_that_are_none(tmp_path, table):
    binary = tmp_path / "binary"
    binary.write_bytes(bytes(range(256)))
    assert "does not exist" in str(error_of(tmp_path / "none"))
    assert "folder" in str(error_of(tmp_path))
    assert "not a text file" in str(error_of(binary))
    assert "does not say the unit" in str(error_of(table))
    assert error_of(tmp_path / "none").exit_code == 10


def test_the_command_itself_ends_with_one_line(tmp_path):
    command = [sys.executable, "-m", "invdesflow.cli.main", "eliashberg", str(tmp_path / "none")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 10
    assert ended.stdout == ""
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1
