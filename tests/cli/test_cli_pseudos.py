"""`invdesflow pseudos`, as a user types it."""

import json
import os
import subprocess
import sys

import pytest

UPF = """<UPF version="2.0.1">
<PP_HEADER element="{element}" pseudo_type="{kind}" relativistic="scalar" core_correction="F" functional="PBE"
 z_valence="3.0" mesh_size="2" number_of_wfc="0"/>
<PP_R> 0.1 0.2 </PP_R>
<PP_RHOATOM> 0.1 0.2 </PP_RHOATOM>
</UPF>
"""


@pytest.fixture
def invdesflow(tmp_path):
    environment = os.environ | {"INVDESFLOW_PSEUDO_DIR": str(tmp_path / "installed")}

    def run(*arguments):
        command = [sys.executable, "-m", "invdesflow.cli.main", "pseudos", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


def test_own_files_are_installed_listed_and_checked(invdesflow, tmp_path):
    for element in ("Al", "B"):
        (tmp_path / f"{element}.upf").write_text(UPF.format(element=element, kind="NC"))
    installed = invdesflow("install", "--from", str(tmp_path), "--name", "mine")
    assert installed.returncode == 0
    assert "mine is installed: 2 elements" in installed.stderr

    rows = {row["family"]: row for row in json.loads(invdesflow("list", "--json").stdout)}
    assert rows["mine"]["installed"]
    assert rows["mine"]["elements"] == ["Al", "B"]
    assert not rows["pseudodojo-pbe-standard"]["installed"]
    assert rows["pseudodojo-pbe-standard"]["licence"] == "CC BY 4.0"
    assert "mine" in invdesflow("list").stdout

    checked = invdesflow("check")
    assert (checked.returncode, checked.stderr) == (0, "2 pseudopotential files are as they should be.\n")
    (tmp_path / "installed" / "mine" / "B.upf").unlink()
    checked = invdesflow("check", "mine", "--json")
    assert checked.returncode == 9
    assert {row["file"]: row["problem"] for row in json.loads(checked.stdout)} == {
        "Al.upf": None,
        "B.upf": "is missing",
    }
    assert checked.stderr == "error: 1 of 2 pseudopotential files cannot be used.\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["install"], 2, "Say what to install"),
        (["install", "--name", "mine"], 2, "Where does the family mine come from?"),
        (["install", "pseudodojo-pbe-standard", "--name", "mine", "--from", "."], 2, "Say what to install"),
        (["install", "gbrv"], 9, "'gbrv' is no known family"),
        (["install", "--name", "mine", "--from", "/no/such/folder"], 9, "There is no /no/such/folder"),
        (["check"], 9, "No pseudopotentials are installed in"),
        (["check", "mine"], 9, "There is no pseudopotential family 'mine'"),
    ],
)
def test_misuse_is_one_line(invdesflow, arguments, code, said):
    answer = invdesflow(*arguments)
    assert answer.returncode == code
    assert answer.stderr.startswith(f"error: {said}")
    assert answer.stderr.count("\n") == 1
    assert answer.stdout == ""
