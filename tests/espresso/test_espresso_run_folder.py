import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from invdesflow.errors import EspressoError
from invdesflow.espresso import guard
from invdesflow.espresso.run_folder import task_folder


class Answer(BaseModel):
    energy: float


def test_an_interrupted_folder_is_recognised_and_emptied(tmp_path):
    with task_folder(tmp_path, "scf-1") as folder:
        (folder.path / "out" / "crystal.save").mkdir(parents=True)
        (folder.path / "pw.out").write_text("half of it")
        (folder.path / "pseudo").symlink_to(tmp_path)
    with task_folder(tmp_path, "scf-1") as folder:
        assert not folder.finished
        folder.restart_clean()
        assert list(folder.path.iterdir()) == []
    assert tmp_path.is_dir()  # what a link leads to stays


def test_a_finished_folder_keeps_its_record(tmp_path):
    with task_folder(tmp_path, "scf-1") as folder:
        folder.mark_finished(Answer(energy=-4.18))
    with task_folder(tmp_path, "scf-1") as folder:
        assert folder.finished
        assert Answer.model_validate_json(folder.record).energy == -4.18
        folder.restart_clean()
        assert not folder.finished


def test_the_second_owner_hears_who_is_the_first(tmp_path):
    with task_folder(tmp_path, "scf-1"):
        with pytest.raises(EspressoError, match=f"Process {os.getpid()} on .* works in .*scf-1"):
            with task_folder(tmp_path, "scf-1"):
                pass
        code = f"""
from pathlib import Path
from invdesflow.espresso.run_folder import task_folder
with task_folder(Path({str(tmp_path)!r}), "scf-1"):
    pass
"""
        other = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
        assert f"Process {os.getpid()} on" in other.stderr
        with task_folder(tmp_path, "scf-2") as folder:
            assert folder.path == tmp_path / "scf-2"


def test_a_killed_owner_leaves_the_folder_to_the_next(tmp_path):
    code = f"""
import os, signal
from pathlib import Path
from invdesflow.espresso.run_folder import task_folder
with task_folder(Path({str(tmp_path)!r}), "scf-1"):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    with task_folder(tmp_path, "scf-1") as folder:
        assert not folder.finished


def guarded(folder: Path, *command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), *command], cwd=folder, stderr=subprocess.PIPE
    )


def test_nobody_works_where_a_program_still_runs(tmp_path, monkeypatch):
    monkeypatch.setattr("invdesflow.espresso.run_folder._SECONDS_FOR_A_GUARD", 0.2)
    folder = tmp_path / "scf-1"
    folder.mkdir()
    first = guarded(folder, "sh", "-c", "touch started; sleep 600")
    while not (folder / "started").exists():
        assert first.poll() is None
    assert guarded(folder, "true").wait() == guard.FOLDER_IN_USE
    with pytest.raises(EspressoError, match="still runs in"), task_folder(tmp_path, "scf-1"):
        pass
    first.terminate()
    assert first.wait() == 128 + 15
    with task_folder(tmp_path, "scf-1"):
        pass


def test_the_guard_ends_what_a_program_leaves_behind(tmp_path):
    leaves = "(setsid bash -c 'echo $$ > pid; sleep 600' &); until [ -s pid ]; do sleep 0.1; done; exit 3"
    assert guarded(tmp_path, "bash", "-c", leaves).wait() == 3
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_the_guard_passes_on_how_a_program_ended(tmp_path):
    assert guarded(tmp_path, "sh", "-c", "kill -9 $$").wait() == 137
    assert guarded(tmp_path, "no-such-program").wait() == guard.CANNOT_START
