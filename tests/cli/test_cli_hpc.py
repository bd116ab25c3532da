"""`invdesflow hpc`, as a user types it; Slurm itself is in tests/campaigns/test_slurm.py."""

import json
import os
import subprocess
import sys

import pytest


@pytest.fixture
def init(database, tmp_path):
    environment = os.environ | {"PATH": str(tmp_path / "no_scheduler")}

    def run(*arguments):
        command = [sys.executable, "-m", "invdesflow.cli.main", "hpc", "init", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return run


def test_a_folder_is_written_shown_and_found_wanting_without_a_scheduler(init, tmp_path):
    first = init("--scheduler", "slurm")
    assert first.returncode == 2, first.stderr
    assert "#SBATCH --ntasks=1" in first.stdout
    assert "no sbatch, squeue, scancel here" in first.stdout
    assert first.stderr.splitlines()[-1].startswith("error: The cluster's files cannot be used yet.")
    again = init("--profile", "cluster/profile.yaml")
    assert "--force" in again.stderr.splitlines()[-1]
    rows = json.loads(init("--profile", "cluster/profile.yaml", "--force", "--json").stdout)
    assert {row["subject"] for row in rows if row["verdict"] == "missing"} == {"scheduler", "database and nodes"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Which scheduler?"),
        (["--profile", "nowhere.yaml"], "cannot be read"),
        (["--profile", "pbs.yaml", "--scheduler", "slurm"], "is of pbs, not of slurm"),
    ],
)
def test_what_cannot_be_used_is_one_line(arguments, said, init, tmp_path):
    (tmp_path / "pbs.yaml").write_text("scheduler: pbs\npartition: workq\n")
    result = init(*arguments)
    assert result.returncode == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "cluster").exists()
