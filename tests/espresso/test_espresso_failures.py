import json
import shutil
from pathlib import Path

import pytest

from invdesflow.espresso.failure_table import FAILURES, failure_kind
from invdesflow.espresso.failures import CRASH_FILE, diagnose

DATA = Path(__file__).parents[1] / "data"
RECORDED_FAILURES = {
    "epw/above_tc_not_converged": "gap_vanished",
    "epw/above_tc_rc1": "gap_vanished",
    "epw/frozen_window_too_wide": "frozen_window_too_large",  # with return code 0
    "epw/missing_dvscf": "phonon_files_missing",
    "epw/missing_fila2f": "file_not_as_expected",  # it said nothing but its return code
    "epw/ranks_not_npool": "ranks_not_pools",
    "epw/nscf_without_symmetry": "symmetries_not_read",
    "ph/max_seconds": "out_of_time",  # with JOB DONE
    "ph/not_converged": "linear_response_not_converged",  # with JOB DONE
    "ph/without_scf": "earlier_files_missing",
    "pw/max_seconds": "out_of_time",  # with JOB DONE
    "pw/missing_pseudo": "pseudopotential_missing",
    "pw/not_converged": "scf_not_converged",  # with JOB DONE
}


def recorded_runs() -> list[str]:
    return sorted(str(path.parent.relative_to(DATA)) for path in DATA.glob("*/*/run.json"))


@pytest.mark.parametrize("case", recorded_runs())
def test_recorded_runs_are_told_apart(case, tmp_path):
    for part in ("inputs", "outputs"):
        shutil.copytree(DATA / case / part, tmp_path, dirs_exist_ok=True)
    run = json.loads((DATA / case / "run.json").read_text())
    failure = diagnose(run["program"], tmp_path, run["returncode"], run["input"], run["output"])
    assert (failure and failure.name) == RECORDED_FAILURES.get(case)
    if failure is not None:
        assert failure.code == failure_kind(failure.name).code
        assert failure.detail


def test_codes_and_names_are_unique():
    assert len({kind.code for kind in FAILURES}) == len({kind.name for kind in FAILURES}) == len(FAILURES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished run of epw.x."""
    (tmp_path / "epw.in").write_text("title\n&inputepw\n/\n")
    (tmp_path / "epw.out").write_text("     The functionality-dependent EPW.bib file was created with suggested\n")
    return tmp_path


def test_success_needs_evidence(folder):
    assert diagnose("epw.x", folder, 0) is None
    (folder / "epw.out").write_text("     JOB DONE\n")  # epw.x never says so
    assert diagnose("epw.x", folder, 0).name == "incomplete"
    (folder / "epw.out").unlink()
    assert diagnose("epw.x", folder, 0).name == "incomplete"


@pytest.mark.parametrize(
    ("words", "return_code", "name"),
    [
        ("forrtl: No space left on device", 0, "disk_full"),
        ("slurmstepd: error: Detected 1 oom-kill event(s) in StepId=1.0.", 137, "out_of_memory"),
        ("slurmstepd: error: *** STEP 1.0 ON n1 CANCELLED AT 2026-11-22 DUE TO TIME LIMIT ***", 143, "cancelled"),
        ("epw.x: error while loading shared libraries: libmkl.so: cannot open", 127, "program_not_started"),
        ("Program received signal SIGSEGV: Segmentation fault", 139, "crashed"),
        ("munmap_chunk(): invalid pointer", 134, "crashed"),
        ("", 137, "killed"),
        ("     Error in routine createkmap (1):\n     q-vec not commensurate", 1, "meshes_not_commensurate"),
        (
            "     Error in routine epw_setup (1):\n     coarse k-mesh needs to be strictly positive in 1st BZ",
            1,
            "meshes_not_commensurate",
        ),
        ("     Error in routine epw_readin (1):\n     El-ph and spin not implemented", 1, "spin_polarised"),
        ("     Error in routine mem_size_eliashberg (1):\n Size of required memory exceeds max_memlt", 1, None),
        ("     Error in routine eliashberg_init (1):\n     opening fila2f", 1, "spectrum_missing"),
        ("At line 88 of file wan2bloch.f90\nFortran runtime error: End of file", 2, "file_not_as_expected"),
        ("     Error in routine nobody_knows (1):\n     something", 1, "stopped_with_error"),
    ],
)
def test_words_and_return_codes(folder, words, return_code, name):
    (folder / "epw.err").write_text(f"{words}\n")
    assert diagnose("epw.x", folder, return_code).name == (name or "memory_limit_too_low")


def test_a_crash_at_the_symmetries_has_a_reason(folder):
    (folder / "epw.out").write_text("     Calculating kgmap\n     Symmetries of crystal:  48\n")
    assert diagnose("epw.x", folder, 134).name == "symmetries_not_read"
    (folder / "epw.out").write_text("     Calculating kgmap\n     irreducible q point #   1\n")
    assert diagnose("epw.x", folder, 139).name == "crashed"


def test_what_a_crash_file_says_is_told(folder):
    (folder / "epw.out").write_text("     Wannier90 is running\n")  # two ranks: the message got lost
    message = "     task #         0\n     from readpp : error #         2\n     file ./pseudo/Xx.UPF not found\n"
    (folder / CRASH_FILE).write_text(f"\n %%%%%%%%\n{message} %%%%%%%%\n")
    failure = diagnose("epw.x", folder, 1)
    assert failure.name == "pseudopotential_missing"
    assert "Xx.UPF not found" in failure.detail
    assert "%" not in failure.detail


@pytest.mark.parametrize(
    ("gap", "name"),
    [("1.031605E-59", "gap_vanished"), ("-9.780272-148", "gap_vanished"), ("1.5E-01", "eliashberg_not_converged")],
)
def test_no_convergence_is_a_result_only_without_a_gap(folder, gap, name):
    table = f"        iter      ethr          znormi      deltai [meV]\n   60   2.091095E+00   1.358370E+00  {gap}\n"
    with (folder / "epw.out").open("a") as output:
        output.write(f"{table}     Convergence was not reached in nsiter =     60\n")
    assert diagnose("epw.x", folder, 0).name == name


@pytest.mark.parametrize(("gap", "name"), [("1.031605E-59", "gap_vanished"), ("1.5E-01", None)])
def test_a_cycle_that_converged_to_nothing_is_above_tc(folder, gap, name):
    rows = [f"   {n}   {change}   1.358370E+00  {gap}\n" for n, change in ((8, "2.0E+00"), (9, "9.0E-05"))]
    converged = "     Convergence was reached in nsiter =      9\n"
    pade = "        pade    Re[znorm]   Re[delta] [meV]\n        118   1.358328E+00   1.163957E-01\n"
    with (folder / "epw.out").open("a") as output:
        output.write(f"        iter      ethr          znormi      deltai [meV]\n{''.join(rows)}{converged}{pade}")
    failure = diagnose("epw.x", folder, 0)
    assert (failure and failure.name) == name


def test_a_continuation_to_nothing_is_told_though_epw_calls_it_converged(folder):
    """Aluminium at 0.46 K, as epw.x 5.3.1 printed it; with `npade` 20 it gives 0.0615 meV."""
    rows = "         13   2.463644E-05   1.323472E+00   6.150288E-02\n     Convergence was reached in nsiter =     13\n"
    pade = "        pade    Re[znorm]   Re[delta] [meV]\n        380            NaN            NaN\n"
    with (folder / "epw.out").open("a") as output:
        output.write(f"{rows}{pade}     Convergence was reached for N =    380 Pade approximants\n")
    assert diagnose("epw.x", folder, 0).name == "pade_not_finite"


def test_a_list_of_q_points_is_what_was_asked_for(tmp_path):
    (tmp_path / "ph.out").write_text("     (   3 q-points):\n       N         xq(1)         xq(2)         xq(3)\n")
    (tmp_path / "ph.in").write_text("title\n&inputph\n  start_irr = 0\n  last_irr = 0\n/\n")
    assert diagnose("ph.x", tmp_path, 0) is None
    (tmp_path / "ph.in").write_text("title\n&inputph\n/\n")
    assert diagnose("ph.x", tmp_path, 0).name == "incomplete"
