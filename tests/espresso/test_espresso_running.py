import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from aluminium import energy_ry, needs_pw, pw_input

from invdesflow.errors import ConfigurationError, EspressoError
from invdesflow.espresso.processes import stop_programs
from invdesflow.espresso.run_folder import task_folder
from invdesflow.espresso.running import RunRecord, run_program
from invdesflow.settings import Settings

needs_mpirun = pytest.mark.skipif(shutil.which("mpirun") is None, reason="mpirun is not installed")
LONG = pw_input(points="60 60 60 0 0 0")


def write_input(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pw.in").write_text(text)
    return folder


def wait_for_program(folder: Path) -> psutil.Process:
    """Wait until pw.x works in a folder."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        for process in psutil.process_iter(["name"]):
            try:
                if process.info["name"] == "pw.x" and Path(process.cwd()) == folder and (folder / "out").exists():
                    return process
            except psutil.Error:
                continue
        time.sleep(0.05)
    raise TimeoutError(folder)


@needs_pw
def test_success_is_recorded(tmp_path):
    record = run_program("pw.x", write_input(tmp_path, pw_input()))
    assert record.finished
    assert record.failure is None
    assert (record.return_code, record.attempts, record.corrections, record.ranks) == (0, 1, (), 1)
    assert record.version is not None
    assert record.cpu_time_s is not None
    assert record.core_hours == pytest.approx(record.wall_time_s / 3600)
    assert RunRecord.model_validate_json(record.model_dump_json()) == record


@needs_pw
@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        (pw_input().replace("Al.pz-vbc.UPF", "Al.absent.UPF"), "pseudopotential_missing", "Al.absent.UPF"),
        (pw_input(system="ecutwcf = 15"), "input_refused", "bad line in namelist"),
        (pw_input(electrons="electron_maxstep = 1"), "scf_not_converged", "convergence NOT achieved after"),
        (pw_input(system="nbnd = 2"), "highest_band_occupied", ""),
        (pw_input(calculation="nscf"), "earlier_files_missing", ""),
    ],
)
def test_failures_of_pw_have_names(tmp_path, text, name, words):
    record = run_program("pw.x", write_input(tmp_path, text))
    assert record.failure is not None
    assert record.failure.name == name
    assert words in record.failure.detail


@needs_pw
def test_an_input_without_k_points_is_refused_before_it_runs(tmp_path):
    text = pw_input().split("K_POINTS")[0]
    with pytest.raises(EspressoError, match="has no K_POINTS"):
        run_program("pw.x", write_input(tmp_path, text))
    assert not (tmp_path / "pw.out").exists()


def test_a_missing_input_and_a_missing_program_are_named(tmp_path):
    with pytest.raises(EspressoError, match=r"no executable"):
        run_program("pw.x", write_input(tmp_path, pw_input()), settings=Settings(espresso_bin=tmp_path))


@needs_pw
def test_a_missing_input_is_named(tmp_path):
    with pytest.raises(EspressoError, match="cannot be read"):
        run_program("pw.x", tmp_path)


def test_ranks_without_launcher_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="espresso_launcher"):
        run_program("pw.x", write_input(tmp_path, pw_input()), settings=Settings(espresso_ranks=2))


@needs_pw
def test_a_program_that_is_killed_says_so(tmp_path):
    write_input(tmp_path, LONG)
    with ThreadPoolExecutor() as threads:
        running = threads.submit(run_program, "pw.x", tmp_path)
        wait_for_program(tmp_path).kill()
        record = running.result()
    assert record.return_code == 137
    assert record.failure is not None
    assert (record.failure.name, record.failure.transient) == ("killed", True)


@needs_pw
def test_threads_can_be_stopped(tmp_path):
    write_input(tmp_path, LONG)
    with ThreadPoolExecutor() as threads:
        running = threads.submit(run_program, "pw.x", tmp_path)
        wait_for_program(tmp_path)
        stop_programs()
        assert running.result().failure.name == "killed"


@needs_pw
def test_threads_run_in_their_own_folders(tmp_path):
    here = Path.cwd()
    cutoffs = (10, 12, 14, 16)
    folders = [write_input(tmp_path / str(cutoff), pw_input().replace("= 15", f"= {cutoff}")) for cutoff in cutoffs]
    with ThreadPoolExecutor(2) as threads:
        records = list(threads.map(lambda folder: run_program("pw.x", folder), folders))
    assert all(record.finished for record in records)
    energies = [float(energy_ry(folder)) for folder in folders]
    assert energies == sorted(energies, reverse=True)  # variational in the cutoff
    assert Path.cwd() == here


PARENT = """
    import sys
    from pathlib import Path
    from invdesflow.espresso.run_folder import task_folder
    from invdesflow.espresso.running import run_program

    with task_folder(Path(sys.argv[1]), "task") as folder:
        run_program("pw.x", folder.path)
"""
RANKS = {"espresso_ranks": 2, "espresso_launcher": "mpirun --oversubscribe -np {ranks}"}


@pytest.fixture
def ranks_for_root(monkeypatch):
    """Let mpirun start as root, as in a container."""
    for name in ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"):
        monkeypatch.setenv(name, "1")


@needs_pw
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_program_outlives_its_parent(tmp_path, number):
    assert_nothing_outlives(tmp_path, number)


@needs_pw
@needs_mpirun
@pytest.mark.usefixtures("ranks_for_root")
def test_no_rank_outlives_its_parent(tmp_path, monkeypatch):
    for name, value in RANKS.items():
        monkeypatch.setenv(f"INVDESFLOW_{name.upper()}", str(value))
    assert_nothing_outlives(tmp_path, signal.SIGKILL)


def assert_nothing_outlives(tmp_path: Path, number: signal.Signals) -> None:
    folder = write_input(tmp_path / "task", LONG)
    script = tmp_path / "parent.py"
    script.write_text(textwrap.dedent(PARENT))
    parent = subprocess.Popen([sys.executable, script, tmp_path], stderr=subprocess.DEVNULL)
    program = wait_for_program(folder)
    parent.send_signal(number)
    parent.wait()
    program.wait(timeout=120)
    with task_folder(tmp_path, "task"):  # waits for the guard, which waits for everything that it started
        for process in psutil.process_iter(["cwd"]):
            assert process.info["cwd"] != str(folder)


@needs_pw
@needs_mpirun
@pytest.mark.usefixtures("ranks_for_root")
def test_two_ranks(tmp_path):
    settings = Settings(espresso_pools=2, **RANKS)
    record = run_program("pw.x", write_input(tmp_path / "two", pw_input()), settings=settings)
    assert record.finished
    assert record.ranks == 2
    assert record.core_hours == pytest.approx(2 * record.wall_time_s / 3600)
    run_program("pw.x", write_input(tmp_path / "one", pw_input()))
    assert float(energy_ry(tmp_path / "two")) == pytest.approx(float(energy_ry(tmp_path / "one")), abs=1e-7)
    wrong = pw_input().replace("Al.pz-vbc.UPF", "Al.absent.UPF")
    failed = run_program("pw.x", write_input(tmp_path / "wrong", wrong), settings=settings)
    assert failed.failure.name == "pseudopotential_missing"


@needs_pw
@needs_mpirun
@pytest.mark.skipif(os.geteuid() != 0, reason="only root is refused by mpirun")
def test_a_launcher_that_refuses_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("OMPI_ALLOW_RUN_AS_ROOT", raising=False)
    settings = Settings(espresso_ranks=2, espresso_launcher="mpirun -np {ranks}")
    record = run_program("pw.x", write_input(tmp_path, pw_input()), settings=settings)
    assert record.failure.name == "launcher_refused"


@needs_pw
def test_a_launcher_that_is_not_there_is_named(tmp_path):
    record = run_program(
        "pw.x", write_input(tmp_path, pw_input()), settings=Settings(espresso_launcher="no-such-launcher -n {ranks}")
    )
    assert record.failure.name == "program_not_started"
    assert "no-such-launcher: No such file or directory" in record.failure.detail


@needs_pw
def test_a_full_disk_is_noticed(tmp_path):
    """pw.x itself ends with return code 0 and JOB DONE there."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", small], check=False)
    if mounted.returncode != 0:
        pytest.skip("only root may make a small disk")
    try:
        record = run_program("pw.x", write_input(small, pw_input()))
    finally:
        subprocess.run(["umount", small], check=True)
    assert record.failure.name == "disk_full"
