import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from invdesflow.cli import main

PROGRAM = Path(sys.executable).parent / "invdesflow"


def invdesflow(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *arguments], capture_output=True, text=True, env=os.environ | environment, timeout=300, check=False
    )


def failed_in_one_line(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode != 0
    assert result.stdout == ""
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


def test_help_imports_nothing_heavy():
    heavy = ("torch", "pymatgen", "pymongo", "jobflow")
    code = f"import sys, invdesflow.cli.main; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_every_command_has_help():
    for command in (
        "discover",
        "query",
        "show",
        "export",
        "report",
        "submit",
        "db",
        "recipe",
        "models",
        "superconductors",
    ):
        result = invdesflow(command, "--help")
        assert result.returncode == 0
        assert "Usage" in result.stdout


def test_unknown_variable(settings_environment):
    assert "INVDESFLOW_TYPO" in failed_in_one_line(invdesflow("query", INVDESFLOW_TYPO="1"))


def test_a_full_disk_is_one_line(monkeypatch, capsys):
    def full():
        raise OSError(errno.ENOSPC, "No space left on device", "report.html")

    monkeypatch.setattr(main, "app", full)
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("error: report.html: No space left on device. ")


def test_missing_recipe(settings_environment):
    assert "none.yaml" in failed_in_one_line(invdesflow("discover", "none.yaml"))


def test_missing_server(settings_environment):
    stores = settings_environment / "stores" / "local.yaml"
    stores.write_text(stores.read_text().replace("server: local", "server: remote"))
    assert "No MongoDB server answers" in failed_in_one_line(invdesflow("query"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--elements", "Xx"], "no such element: Xx"),
        (["--spacegroup", "231"], "spacegroup"),
        (["--stage", "dreamt"], "stage"),
        (["--sort", "beauty"], "beauty"),
        (["--formula", "not a formula"], "formula"),
    ],
)
def test_bad_queries(database, options, message):
    assert message in failed_in_one_line(invdesflow("query", *options))


def test_json_is_an_array_and_nothing_else(database):
    for arguments in (
        ["query", "--json"],
        ["db", "status", "--json"],
        ["db", "indexes", "--json"],
        ["db", "validate", "--json"],
    ):
        result = invdesflow(*arguments)
        assert result.returncode == 0, result.stderr
        assert isinstance(json.loads(result.stdout), list)


def test_show_of_an_unknown_candidate(database):
    assert "No candidate is called 'cand-x'" in failed_in_one_line(invdesflow("show", "cand-x"))


def test_known_superconductors_carry_their_sources(database):
    rows = json.loads(invdesflow("superconductors", "show", "MgB2", "--json").stdout)
    measured = [value for row in rows for value in row["experiment"]]
    assert any(38 < value["tc_k"] < 40 and value["source"] for value in measured)


def test_a_reader_that_goes_away_is_no_error(database):
    shell = f"{PROGRAM} superconductors list --json | head -c 20"
    result = subprocess.run(["bash", "-c", f"set -o pipefail; {shell}"], capture_output=True, text=True, check=False)
    assert "Traceback" not in result.stderr
    assert "error" not in result.stderr


def test_the_page_of_commands_is_current(tmp_path):
    page = tmp_path / "commands.md"
    command = [sys.executable, "-m", "typer", "invdesflow.cli.main", "utils", "docs"]
    options = ["--name", "invdesflow", "--title", "Commands", "--output", str(page)]
    subprocess.run([*command, *options], check=True, capture_output=True)
    assert page.read_text() == (Path(__file__).parents[2] / "docs/reference/commands.md").read_text()
