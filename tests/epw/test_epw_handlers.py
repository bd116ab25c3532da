import shutil
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from invdesflow.epw.handlers import epw_handlers, gap_handlers, remove_interpolation
from invdesflow.espresso.attempts import Attempt, write_attempt
from invdesflow.espresso.failures import Failure
from invdesflow.espresso.input_files import read_namelists
from invdesflow.settings import Settings

EPW_INPUT = """interpolation
&inputepw
  prefix = 'crystal'
  outdir = './out/'
  amass(1) = 26.98
  dis_win_max = 30
  dis_froz_max = 22
  proj(1) = 'Al:sp3'
  wdata(1) = 'dis_num_iter = 300'
  temps = 0.3 0.45 0.6 0.7
/
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "epw.in").write_text(EPW_INPUT)
    return tmp_path


def correct(folder: Path, handlers, name: str) -> list[str]:
    """Let the handlers act once on a failure, as custodian does."""
    write_attempt(
        folder,
        Attempt(
            number=1,
            program="epw.x",
            input_name="epw.in",
            output_name="epw.out",
            return_code=1,
            failure=Failure.of(name, ""),
            may_be_corrected=True,
            version="5.3.1",
            wall_time_s=1.0,
            cpu_time_s=1.0,
        ),
    )
    acting = [handler for handler in handlers if handler.check(str(folder))]
    if not acting:
        return []
    (handler,) = acting
    actions = handler.correct(str(folder))["actions"] or []
    handler.n_applied_corrections += 1
    return actions


def variables(folder: Path) -> dict:
    return read_namelists((folder / "epw.in").read_text())["inputepw"]


def test_the_outer_window_grows_and_everything_else_stays(folder):
    before = variables(folder)
    assert correct(folder, epw_handlers(), "window_too_small") == ["dis_win_max: 30 -> 35.0"]
    assert variables(folder) == before | {"dis_win_max": 35.0}


def test_a_window_that_is_not_given_has_no_cure(folder):
    (folder / "epw.in").write_text(EPW_INPUT.replace("  dis_win_max = 30\n", ""))
    assert correct(folder, epw_handlers(), "window_too_small") == []


def test_the_frozen_window_ends_below_the_first_band_too_many(folder):
    recorded = Path(__file__).parents[1] / "data/epw/frozen_window_too_wide/outputs/crystal.wout"
    shutil.copy(recorded, folder)
    # Four functions; the bands at that k-point: -0.07, 8.80, 19.26, 19.26, 21.91 ... eV.
    assert correct(folder, epw_handlers(), "frozen_window_too_large") == ["dis_froz_max: 22 -> 21.865"]
    above = EPW_INPUT.replace("dis_froz_max", "dis_froz_min = 0\n  dis_froz_max")
    (folder / "epw.in").write_text(above)
    assert correct(folder, epw_handlers(), "frozen_window_too_large") == ["dis_froz_max: 22 -> 21.865"]
    (folder / "epw.in").write_text(above.replace("dis_froz_min = 0", "dis_froz_min = 15"))
    assert correct(folder, epw_handlers(), "frozen_window_too_large") == ["dis_froz_max: 22 -> 22.905"]


def test_fewer_points_for_pade(folder):
    handlers = epw_handlers()
    assert correct(folder, handlers, "pade_not_finite") == ["npade: None -> 30"]
    assert correct(folder, handlers, "pade_not_finite") == ["npade: 30 -> 20"]
    assert correct(folder, handlers, "pade_not_finite") == []


def test_the_memory_limit_is_what_is_free(folder, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=10e9))
    monkeypatch.setattr("invdesflow.epw.handlers.get_settings", lambda: Settings(espresso_ranks=2))
    assert correct(folder, epw_handlers(), "memory_limit_too_low") == ["max_memlt: None -> 4.0"]
    (folder / "epw.in").write_text(EPW_INPUT.replace("dis_win_max = 30", "max_memlt = 1e6"))
    assert correct(folder, epw_handlers(), "memory_limit_too_low") == []


@pytest.mark.parametrize(
    ("given", "steps"),
    [("", ["nsiter: None -> 1000"]), ("nsiter = 500", ["nsiter: 500 -> 1000"]), ("nsiter = 3000", [])],
)
def test_steps_are_never_taken_away(folder, given, steps):
    (folder / "epw.in").write_text(EPW_INPUT.replace("\n/\n", f"\n  {given}\n/\n"))
    handlers = gap_handlers()
    expected = [*steps, "broyden_beta: None -> 0.3"]
    assert [correct(folder, handlers, "eliashberg_not_converged") for _ in expected] == [[one] for one in expected]
    assert correct(folder, handlers, "eliashberg_not_converged") == []


def test_the_input_of_a_gap_run_is_not_taken_for_stale(folder):
    (folder / "selecq.fmt").touch()
    assert correct(folder, gap_handlers(), "stale_restart_files") == []
    assert (folder / "selecq.fmt").exists()


@pytest.mark.parametrize(
    "name", ["meshes_not_commensurate", "gap_vanished", "wannierisation_failed", "ranks_not_pools"]
)
def test_what_has_no_cure_and_what_is_a_result(folder, name):
    assert correct(folder, epw_handlers(), name) == []
    assert (folder / "epw.in").read_text() == EPW_INPUT


def test_files_of_another_mesh_go(folder, tmp_path_factory):
    source = tmp_path_factory.mktemp("source")
    (source / "ephmat1").write_text("of an earlier step")
    (folder / "out").mkdir()
    (folder / "out" / "crystal.ephmat").symlink_to(source)
    for name in ("restart.fmt", "selecq.fmt", "crystal.ukk"):
        (folder / name).touch()
    assert correct(folder, epw_handlers(), "stale_restart_files") == [
        "restart.fmt: removed",
        "selecq.fmt: removed",
        "crystal.ephmat: removed",
    ]
    assert (source / "ephmat1").exists()
    assert (folder / "crystal.ukk").exists()
    assert remove_interpolation(folder, "epw.in") == []
    shutil.rmtree(source)
