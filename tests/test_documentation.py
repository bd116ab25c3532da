"""What the README and the tutorial tell a user to type is typed, in their order."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from invdesflow.campaigns.launching.launchpad import launchpad_of
from invdesflow.campaigns.rounds import get_campaign

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Setting up is what `make test` has just done; the rest of these blocks changes the user's environment, or takes hours.
SET_UP = ("make ", "pip install", "source ", "apt-get install", "invdesflow learn round")


def blocks(page: str) -> list[tuple[str, str]]:
    found = BLOCK.findall((ROOT / page).read_text())
    kept = []
    for language, text in found:
        lines = [line for line in text.splitlines() if not line.startswith("source ")]
        if not any(word in "\n".join(lines) for word in SET_UP):
            kept.append((language, "\n".join(lines)))
    return kept


def run(language: str, text: str, folder: Path) -> None:
    command = ["bash", "-euo", "pipefail", "-c", text] if language == "bash" else [sys.executable, "-c", text]
    environment = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert result.returncode == 0, f"{text}\n{result.stdout[-2000:]}\n{result.stderr[-2000:]}"


def test_pages_have_examples():
    assert len(blocks("docs/tutorial.md")) >= 6
    assert len(blocks("README.md")) >= 2


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_tutorial_and_readme(database, tmp_path):
    shutil.copytree(ROOT / "flows", tmp_path / "flows")
    for language, text in blocks("docs/tutorial.md"):
        run(language, text, tmp_path)
    rows = json.loads((tmp_path / "rejected.json").read_text())
    assert all(row["rejected"] and row["rejection_reason"] for row in rows)
    assert "plotly" in (tmp_path / "borides.html").read_text()
    assert len(list((tmp_path / "boride_structures").glob("*.cif"))) >= 6
    some_candidate = database.raw["candidates"].find_one({"status": "accepted"})["candidate_id"]
    for language, text in blocks("README.md"):
        run(language, text.replace("CANDIDATE", some_candidate), tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.usefixtures("slurm")
def test_cluster_page(database, tmp_path):
    """The page is typed into one shell, in an empty folder, on a Slurm of this machine."""
    shell = [
        text for language, text in BLOCK.findall((ROOT / "docs/how-to/cluster.md").read_text()) if language == "bash"
    ]
    run("bash", "\n".join(shell), tmp_path)
    launchpad = launchpad_of(database)
    limit = time.monotonic() + 500
    while launchpad.get_fw_ids({"state": {"$ne": "COMPLETED"}}) and time.monotonic() < limit:
        time.sleep(0.5)
    assert launchpad.get_fw_ids({"state": {"$ne": "COMPLETED"}}) == []
    assert get_campaign(database, "carbides").rounds[0].status == "completed"
    assert database.summary.count({"stage": "screened"}) >= 1
