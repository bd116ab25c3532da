"""`invdesflow plot`, and what `invdesflow show` says of the same calculations."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from typer.testing import CliRunner

from invdesflow.cli.main import app
from invdesflow.database.arrays import pack_arrays
from invdesflow.epw.documents import CriticalTemperature, ElectronPhononDocument
from invdesflow.epw.outputs import MeshStep
from invdesflow.errors import ConfigurationError, DatabaseError, InvDesFlowError
from invdesflow.espresso.documents import PseudopotentialReference
from invdesflow.generation.documents import (
    CandidateDocument,
    Generator,
    NoveltyResult,
    Origin,
    candidate_document,
)

BORIDE = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.5), ["Mg", "B"], [[0, 0, 0], [0.5] * 3])
ENERGIES_MEV = np.linspace(0.1, 40.0, 400)
LAMBDA = 0.7
UNFINISHED = {
    **dict.fromkeys(["lambda_", "omega_log_mev", "omega_2_mev", "mesh_convergence", "arrays"]),
    "critical_temperatures": [],
}
ALPHA2F = {"alpha2f_mev": ENERGIES_MEV, "alpha2f": LAMBDA * (ENERGIES_MEV / 40.0) ** 2}


@pytest.fixture
def candidate(database):
    origin = Origin(kind="substitution", parents=["sc-1"], generator=Generator(name="test"))
    document = candidate_document(BORIDE, origin, [], NoveltyResult(new_composition=True, new_structure=True))
    database.collection(CandidateDocument).upsert([document])
    return document


def calculation(database, candidate, elph_id="elph-aaaa000000000000", **changes):
    """Store a calculation with a spectral function and nothing else."""
    fields = {
        "elph_id": elph_id,
        "candidate_id": candidate.candidate_id,
        "reduced_formula": "MgB",
        "space_group_number": 225,
        "structure": BORIDE,
        "pressure_gpa": 0.0,
        "protocol": "smoke",
        "settings": {"anisotropic": False},
        "pseudopotentials": {"B": PseudopotentialReference(file="B.upf", sha256="0" * 64, functional="PBE")},
        "status": "completed",
        "reason": "",
        "lambda_": LAMBDA,
        "omega_log_mev": 24.3,
        "omega_2_mev": 28.3,
        "critical_temperatures": [CriticalTemperature(method="migdal_eliashberg", mu_star=0.1, tc_k=6.54)],
        "mesh_convergence": [
            MeshStep(
                task_id="q",
                k_mesh=(8, 8, 8),
                q_mesh=(4, 4, 4),
                lambda_=0.7,
                omega_log_mev=24.3,
                dos_per_ev=1.2,
                tc_k=6.54,
            )
        ],
        "arrays": database.blobs.put(pack_arrays(ALPHA2F)),
    }
    document = ElectronPhononDocument(**(fields | changes))
    database.collection(ElectronPhononDocument).upsert([document])
    return document


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(result.exception, InvDesFlowError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def test_page_lies_beside_the_reports(database, candidate):
    document = calculation(database, candidate)
    result = run("plot", document.elph_id[:9])
    page = database.settings.data_dir / "reports" / f"{document.elph_id}.html"
    assert str(page) in result.stderr
    assert result.stdout == ""
    assert "0.700" in page.read_text()


def test_figure_of_a_candidate(database, candidate, tmp_path):
    calculation(database, candidate)
    target = tmp_path / "new" / "spectrum.html"
    run("plot", candidate.candidate_id[:12], "--what", "alpha2f", "--output", target)
    assert "Plotly.newPlot" in target.read_text()
    run("plot", candidate.candidate_id, "--what", "tc")
    assert (database.settings.data_dir / "reports" / "elph-aaaa000000000000-tc.html").exists()


def test_what_is_not_there(database, candidate, tmp_path):
    with pytest.raises(ConfigurationError, match="No calculation and no candidate is called 'elph-x'"):
        run("plot", "elph-x")
    with pytest.raises(ConfigurationError, match="has no electron-phonon calculation") as raised:
        run("plot", candidate.candidate_id)
    assert f"invdesflow verify {candidate.candidate_id}" in raised.value.remedy
    document = calculation(database, candidate)
    with pytest.raises(ConfigurationError, match="nothing for the figure 'bands'") as raised:
        run("plot", document.elph_id, "--what", "bands")
    assert "alpha2f, tc, convergence" in raised.value.remedy
    for options in (["--output", tmp_path / "page.png"], ["--what", "tc", "--output", tmp_path / "figure.docx"]):
        with pytest.raises(ConfigurationError):
            run("plot", document.elph_id, *options)
    assert not list(tmp_path.glob("*.*"))


def test_one_of_several_must_be_named(database, candidate):
    calculation(database, candidate)
    calculation(database, candidate, "elph-aaab000000000000", protocol="fast")
    with pytest.raises(ConfigurationError, match="2 calculations") as raised:
        run("plot", candidate.candidate_id)
    assert "elph-aaaa000000000000 (smoke, completed), elph-aaab000000000000 (fast, completed)" in raised.value.remedy
    with pytest.raises(ConfigurationError, match="2 keys"):
        run("plot", "elph-aaa")
    run("plot", "elph-aaab")


def test_arrays_that_are_lost_or_damaged(database, candidate):
    calculation(database, candidate, arrays="0" * 64)
    with pytest.raises(DatabaseError, match="no blob"):
        run("plot", "elph-aaaa")
    calculation(database, candidate, arrays=database.blobs.put(b"something else"))
    with pytest.raises(DatabaseError, match="damaged"):
        run("plot", "elph-aaaa")


def test_unfinished_calculation_has_a_page(database, candidate):
    calculation(database, candidate, status="running", **UNFINISHED)
    run("plot", "elph-aaaa")
    assert "did not come to a T" in (database.settings.data_dir / "reports" / "elph-aaaa000000000000.html").read_text()


def test_errors_of_the_command_are_one_line(database):
    command = [Path(sys.executable).parent / "invdesflow", "plot", "elph-x"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("error: No calculation")
    assert result.stderr.count("\n") == 1


def test_unknown_figure(database):
    assert CliRunner().invoke(app, ["plot", "elph-x", "--what", "beauty"]).exit_code == 2


def test_show_lists_the_calculations(database, candidate):
    calculation(database, candidate)
    reason = "1 mode is imaginary."
    calculation(
        database,
        candidate,
        "elph-bbbb000000000000",
        status="dynamically_unstable",
        reason=reason,
        **UNFINISHED,
    )
    text = run("show", candidate.candidate_id).stdout
    rows = [line for line in text.splitlines() if "elph-" in line]
    assert all(word in rows[0] for word in ("smoke", "completed", "0.7", "24.3", "6.54"))
    assert "dynamically unstable" in rows[1]
    assert any("electron-phonon" in line and reason in line for line in text.splitlines())
    [found] = json.loads(run("show", candidate.candidate_id, "--json").stdout)
    assert [coupling["lambda_"] for coupling in found["couplings"]] == [LAMBDA, None]
