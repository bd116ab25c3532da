import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from invdesflow.espresso.parsers.ph_output import read_ph_output
from invdesflow.espresso.parsers.pw_xml import read_pw_xml
from invdesflow.espresso.programs import command_line, program_version
from invdesflow.espresso.running import run_program
from invdesflow.testing.mock_espresso import MockEspresso
from invdesflow.testing.recorded_runs import RecordedRun, play, record
from invdesflow.testing.replay import differences

pytest_plugins = ["invdesflow.testing.mock_espresso", "invdesflow.testing.mock_epw"]
DATA = Path(__file__).parents[1] / "data"
XML = "out/crystal.save/data-file-schema.xml"


def prepare(folder: Path, case: Path, change: tuple[str, str] = ("", "")) -> str:
    """Write the recorded input, with a change, and what pw.x needs; return the name of the input."""
    run = RecordedRun.of(case)
    (folder / "pseudo").mkdir(parents=True, exist_ok=True)
    (folder / "pseudo/Al.pz-vbc.UPF").touch()
    (folder / run.input).write_text((case / "inputs" / run.input).read_text().replace(*change))
    return run.input


def start(program: str, folder: Path, input_name: str) -> subprocess.CompletedProcess[str]:
    command = command_line(program, input_name)
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_recorded_run_is_played(mock_espresso: MockEspresso, tmp_path: Path) -> None:
    case = DATA / "pw/al_scf"
    mock_espresso.use(DATA / "pw/silicon", case)
    done = start("pw.x", tmp_path, prepare(tmp_path, case))
    assert (done.returncode, done.stdout, done.stderr) == (0, (case / "outputs/pw.out").read_text(), "")
    assert read_pw_xml(tmp_path / XML).converged
    assert (tmp_path / "out/crystal.save/charge-density.dat").stat().st_size > 0
    assert mock_espresso.played == ["al_scf"]


def test_input_in_another_hand_is_the_same(mock_espresso: MockEspresso, tmp_path: Path) -> None:
    mock_espresso.use(DATA / "pw/al_scf")
    name = prepare(tmp_path, DATA / "pw/al_scf")
    text = (tmp_path / name).read_text()
    for old, new in (
        ("'./out/'", "'/scratch/out/'"),
        ("15.0", "1.5d1"),
        ("&SYSTEM", "&system"),
        ("automatic", "{automatic}"),
    ):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / name).write_text(text.replace("  nat = 1\n", "").replace("  ntyp = 1\n", "  ntyp=1, nat=1\n"))
    assert start("pw.x", tmp_path, name).returncode == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("ecutwfc = 15.0", "ecutwfc = 16.0"), "system.ecutwfc is 16.0 and was 15.0"),
        (("  tstress = .true.\n", ""), "control.tstress is missing and was True"),
        (("12 12 12", "12 12 11"), "line '12 12 11 0 0 0' was '12 12 12 0 0 0'"),
        (("Al 0.0 0.0 0.0", "Al 0.0 0.0 0.0\n  Al 0.5 0.5 0.5"), "lines behind the namelists were"),
        (("Al.pz-vbc.UPF", "Al.upf"), "'Al 26.9815385 Al.upf' was 'Al 26.9815385 Al.pz-vbc.UPF'"),
    ],
)
def test_difference_fails_the_run_and_is_told(
    change: tuple[str, str], message: str, mock_espresso: MockEspresso, tmp_path: Path
) -> None:
    mock_espresso.use(DATA / "pw/silicon", DATA / "pw/al_scf")
    done = start("pw.x", tmp_path, prepare(tmp_path, DATA / "pw/al_scf", change))
    assert done.returncode == 1
    assert f"the input differs from that of al_scf: {message}" in done.stdout or message in done.stdout
    assert mock_espresso.played == []
    assert not (tmp_path / "out").exists()


def test_files_of_earlier_steps_have_to_be_there(mock_espresso: MockEspresso, tmp_path: Path) -> None:
    case = DATA / "ph/al_q2"
    mock_espresso.use(DATA / "pw/al_scf", case)
    name = prepare(tmp_path, case)
    done = start("ph.x", tmp_path, name)
    assert done.returncode == 1
    assert f"ph.x needs {XML}, out/crystal.save/charge-density.dat in {tmp_path}" in done.stdout
    start("pw.x", tmp_path, prepare(tmp_path, DATA / "pw/al_scf"))
    done = start("ph.x", tmp_path, name)
    (tmp_path / "ph.out").write_text(done.stdout)
    assert read_ph_output(tmp_path / "ph.out").converged
    assert (tmp_path / "out/_ph0/crystal.q_2/crystal.dvscf1").stat().st_size == 162000


def test_failed_runs_are_played_with_their_return_code(mock_espresso: MockEspresso, tmp_path: Path) -> None:
    mock_espresso.use(*(DATA / "pw" / name for name in ("al_scf", "not_converged", "missing_pseudo")))
    for case, returncode in (("not_converged", 2), ("missing_pseudo", 1), ("al_scf", 0)):
        folder = tmp_path / case
        assert start("pw.x", folder, prepare(folder, DATA / "pw" / case)).returncode == returncode
    assert (tmp_path / "missing_pseudo/CRASH").exists()
    assert mock_espresso.played == ["not_converged", "missing_pseudo", "al_scf"]


def test_outcomes_of_one_input_come_in_their_order(mock_espresso: MockEspresso, tmp_path: Path) -> None:
    stopped = tmp_path / "stopped"
    (tmp_path / "run").mkdir()
    (tmp_path / "run/pw.in").write_text((DATA / "pw/al_scf/inputs/pw.in").read_text())
    (tmp_path / "run/pw.out").write_text("     Program PWSCF v.6.7MaX starts\n")
    record(tmp_path / "run", stopped, RecordedRun("pw.x", 255))
    mock_espresso.use(stopped, DATA / "pw/al_scf")
    name = prepare(tmp_path, DATA / "pw/al_scf")
    assert [start("pw.x", tmp_path, name).returncode for _ in range(3)] == [255, 0, 0]
    assert mock_espresso.played == ["stopped", "al_scf", "al_scf"]


def test_programs_are_run_as_the_real_ones(mock_espresso: MockEspresso, tmp_path: Path) -> None:
    mock_espresso.use(DATA / "pw/al_scf", DATA / "pw/not_converged")
    prepare(tmp_path / "good", DATA / "pw/al_scf")
    assert run_program("pw.x", tmp_path / "good").failure is None
    prepare(tmp_path / "bad", DATA / "pw/not_converged")
    assert run_program("pw.x", tmp_path / "bad").failure.name == "scf_not_converged"
    prepare(tmp_path / "other", DATA / "pw/al_scf", ("15.0", "17.0"))
    failure = run_program("pw.x", tmp_path / "other").failure
    assert "system.ecutwfc is 17.0 and was 15.0" in failure.detail
    assert program_version("pw.x") == "6.7"


def test_epw_is_only_there_where_it_is_asked_for(mock_espresso: MockEspresso) -> None:
    with pytest.raises(ValueError, match=r"epw\.x, which is not mocked here"):
        mock_espresso.use(DATA / "epw/al_isotropic")


def test_epw_reads_what_its_coarse_run_left(mock_epw: MockEspresso, tmp_path: Path) -> None:
    coarse, fine = DATA / "epw/al_wannier", DATA / "epw/al_isotropic"
    mock_epw.use(coarse, fine)
    name = prepare(tmp_path, fine)
    assert "epw.x needs crystal.fmt, epwdata.fmt" in start("epw.x", tmp_path, name).stdout
    (tmp_path / "save/crystal.phsave").mkdir(parents=True)
    for needed in ("save/crystal.dyn_q4", "save/crystal.dvscf_q4", "save/crystal.phsave/patterns.4.xml", XML):
        (tmp_path / needed).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / needed).touch()
    assert start("epw.x", tmp_path, prepare(tmp_path, coarse)).returncode == 0
    done = start("epw.x", tmp_path, prepare(tmp_path, fine))
    assert (done.returncode, mock_epw.played) == (0, ["al_wannier", "al_isotropic"])
    assert (tmp_path / "crystal.a2f").exists()


def test_recording_keeps_what_it_is_told_to(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / "out/x.save").mkdir(parents=True)
    for name, content in (
        ("pw.in", "&control\n/\n"),
        ("pw.out", "JOB DONE"),
        ("CRASH", "!"),
        ("out/x.save/a.xml", "<a/>"),
    ):
        (folder / name).write_text(content)
    (folder / "out/x.save/wfc1.dat").write_bytes(np.zeros(1000).tobytes())
    (folder / "out/x.wfc1").write_bytes(b"forgotten")
    case = tmp_path / "case"
    record(folder, case, RecordedRun("pw.x", 2), outputs=["out/x.save/*.xml"], too_large=["out/x.save/wfc*.dat"])
    assert json.loads((case / "run.json").read_text())["sizes"] == {"out/x.save/wfc1.dat": 8000}
    linked = tmp_path / "elsewhere"
    linked.write_text("another run's")
    (tmp_path / "again/out/x.save").mkdir(parents=True)
    (tmp_path / "again/out/x.save/a.xml").symlink_to(linked)
    assert play(case, tmp_path / "again") == "JOB DONE"
    assert linked.read_text() == "another run's"
    assert sorted(path.name for path in (tmp_path / "again").rglob("*") if path.is_file()) == [
        "CRASH",
        "a.xml",
        "wfc1.dat",
    ]


def test_place_in_a_list_matters() -> None:
    text = "title\n&inputepw\n  {}\n/\n"
    assert differences(text.format("proj(1) = 'Al:sp3'"), text.format("proj = 'Al:sp3'")) == []
    assert differences(text.format("proj(2) = 'Al:sp3'"), text.format("proj(1) = 'Al:sp3'")) != []
    assert differences(text.format("temps = 0.3 0.45"), text.format("temps(1) = 0.3\n temps(2) = 0.45")) == []
    assert differences(text.format("a = .true."), text.format("a = 1")) == ["inputepw.a is True and was 1"]


def test_every_recorded_run_is_complete_and_says_nothing_of_a_machine() -> None:
    cases = [path.parent for path in DATA.glob("*/*/run.json")]
    assert len(cases) > 25
    for case in cases:
        run = RecordedRun.of(case)
        assert (case / "inputs" / run.input).is_file()
        assert (case / "outputs" / run.output).is_file()
        assert differences(*[(case / "inputs" / run.input).read_text()] * 2) == []
        for path in case.rglob("*"):
            assert not path.is_file() or not {b"/tmp/", b"/home/", b"/root/", b"/work/"} & {
                word for word in (b"/tmp/", b"/home/", b"/root/", b"/work/") if word in path.read_bytes()
            }
