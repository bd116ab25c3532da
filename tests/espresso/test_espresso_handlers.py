import json
import shutil
from pathlib import Path

import pytest
from aluminium import energy_ry, needs_ph, needs_pw, ph_input, pw_input

from invdesflow.epw.handlers import epw_handlers
from invdesflow.espresso.attempts import Attempt, read_attempt, write_attempt
from invdesflow.espresso.failure_table import FAILURES
from invdesflow.espresso.failures import Failure
from invdesflow.espresso.handlers_ph import ph_handlers
from invdesflow.espresso.handlers_pw import pw_handlers
from invdesflow.espresso.input_files import read_namelists, split_cards
from invdesflow.espresso.running import run_program


@pytest.fixture(scope="module")
def scf(tmp_path_factory) -> Path:
    """A folder with the ground state."""
    folder = tmp_path_factory.mktemp("scf")
    (folder / "pw.in").write_text(pw_input())
    assert run_program("pw.x", folder).finished
    return folder


def run_pw(folder: Path, text: str, **more):
    folder.mkdir(exist_ok=True)
    (folder / "pw.in").write_text(text)
    return run_program("pw.x", folder, handlers=pw_handlers(), **more)


@pytest.mark.parametrize("handlers", [pw_handlers(), ph_handlers(), epw_handlers()])
def test_every_failure_has_one_handler(handlers):
    names = [name for handler in handlers for name in handler.failures]
    assert len(names) == len(set(names))
    assert set(names) <= {kind.name for kind in FAILURES}
    assert all(handler.max_num_corrections for handler in handlers)


@needs_pw
def test_mixing_cures_a_cycle_that_was_too_short(scf, tmp_path):
    record = run_pw(tmp_path, pw_input(electrons="electron_maxstep = 1"))
    assert record.finished
    assert record.attempts == 2
    (correction,) = record.corrections
    assert (correction.handler, correction.error) == ("MixingHandler", "scf_not_converged")
    assert correction.actions == ("mixing_beta: None -> 0.3", "electron_maxstep: 1 -> 200")
    assert float(energy_ry(tmp_path)) == pytest.approx(float(energy_ry(scf)), abs=1e-8)
    assert "electron_maxstep = 1" in (tmp_path / "pw.in.1").read_text()
    assert "convergence NOT achieved" in (tmp_path / "pw.out.1").read_text()


@needs_pw
def test_corrections_are_bounded(tmp_path):
    impossible = pw_input(points="1 1 1 0 0 0").replace("1.0d-12", "1.0d-300")
    record = run_pw(tmp_path, impossible, max_corrections=1)
    assert record.failure.name == "scf_not_converged"
    assert (record.attempts, len(record.corrections)) == (2, 1)


@needs_pw
@pytest.mark.slow
def test_without_cures_left_the_failure_remains(tmp_path):
    record = run_pw(tmp_path, pw_input(points="1 1 1 0 0 0").replace("1.0d-12", "1.0d-300"))
    assert record.failure.name == "scf_not_converged"
    assert [correction.handler for correction in record.corrections] == ["MixingHandler"] * 3
    assert record.attempts == 4


@needs_pw
@pytest.mark.slow
def test_a_run_out_of_time_goes_on_to_the_same_energy(tmp_path):
    dense = {"points": "12 12 12 1 1 1", "electrons": "diagonalization = 'cg'"}
    assert run_pw(tmp_path / "whole", pw_input(**dense)).finished
    record = run_pw(tmp_path / "parts", pw_input(control="max_seconds = 1", **dense), max_corrections=20)
    assert record.finished
    assert record.attempts > 1
    assert {correction.handler for correction in record.corrections} == {"TimeHandler"}
    assert float(energy_ry(tmp_path / "parts")) == pytest.approx(float(energy_ry(tmp_path / "whole")), abs=1e-8)


@needs_pw
def test_more_bands_where_the_highest_holds_electrons(scf, tmp_path):
    record = run_pw(tmp_path, pw_input(system="nbnd = 2"))
    assert record.finished
    assert {correction.handler for correction in record.corrections} == {"BandsHandler"}
    assert float(energy_ry(tmp_path)) == pytest.approx(float(energy_ry(scf)), abs=1e-6)


RELAXATION = """&control
  calculation = 'vc-relax'
  prefix = 'crystal'
  outdir = './out/'
  pseudo_dir = '/usr/share/espresso/pseudo'
  nstep = {steps}
/
&system
  ibrav = 0
  nat = 1
  ntyp = 1
  ecutwfc = 15
  occupations = 'smearing'
  smearing = 'mv'
  degauss = 0.02
/
&electrons
  conv_thr = 1.0d-10
/
&ions
/
&cell
  press_conv_thr = 0.1
/
ATOMIC_SPECIES
Al 26.98 Al.pz-vbc.UPF
ATOMIC_POSITIONS crystal
Al 0 0 0
K_POINTS automatic
4 4 4 0 0 0
CELL_PARAMETERS angstrom
0.0 1.9 1.9
1.9 0.0 1.9
1.9 1.9 0.0
"""


@needs_pw
def test_a_relaxation_out_of_steps_starts_again_where_it_stopped(tmp_path):
    record = run_pw(tmp_path, RELAXATION.format(steps=2), max_corrections=3)
    correction = record.corrections[0]
    assert (correction.handler, correction.error) == ("RelaxationHandler", "ions_not_converged")
    before, after = (split_cards((tmp_path / name).read_text()) for name in ("pw.in.1", "pw.in"))
    assert float(after["CELL_PARAMETERS"].split()[-2]) > 1.92
    assert after["K_POINTS"] == before["K_POINTS"]
    assert record.finished


def test_the_last_cycle_of_a_relaxation_does_not_restart(tmp_path):
    """pw.x would end with a wrong charge: the last cycle has a basis of its own."""
    (tmp_path / "pw.in").write_text(RELAXATION.format(steps=50).replace("nstep", "max_seconds = 100\n  nstep"))
    cell = "CELL_PARAMETERS (angstrom)\n0.00 1.95 1.95\n1.95 0.00 1.95\n1.95 1.95 0.00\n"
    structure = f"{cell}\nATOMIC_POSITIONS (crystal)\nAl 0.0 0.0 0.0\n\n"
    (tmp_path / "pw.out").write_text(
        f"{structure}     Final scf calculation at the relaxed structure.\n iteration #  1\n"
    )
    assert correct(tmp_path, pw_handlers(), attempt("pw.x", "out_of_time")) == [
        "CELL_PARAMETERS: as in the last step",
        "ATOMIC_POSITIONS: as in the last step",
        "max_seconds: 100 -> 200",
    ]
    assert split_cards((tmp_path / "pw.in").read_text())["CELL_PARAMETERS"] == cell.strip()


def attempt(program, name, **more) -> Attempt:
    return Attempt(
        number=1,
        program=program,
        input_name=f"{program[:-2]}.in",
        output_name=f"{program[:-2]}.out",
        return_code=1,
        failure=Failure.of(name, ""),
        may_be_corrected=True,
        version="6.7",
        wall_time_s=1.0,
        cpu_time_s=None,
        **more,
    )


def correct(folder: Path, handlers, failed: Attempt) -> list[str]:
    """Let the handlers act once on a failure, as custodian does."""
    write_attempt(folder, failed)
    assert read_attempt(folder) == failed
    acting = [handler for handler in handlers if handler.check(str(folder))]
    if not acting:
        return []
    (handler,) = acting
    answer = handler.correct(str(folder))
    handler.n_applied_corrections += 1
    assert answer["errors"] == [failed.failure.name]
    return answer["actions"] or []


def test_the_diagonalisation_changes_and_what_was_stopped_starts_again(tmp_path):
    (tmp_path / "pw.in").write_text(pw_input(control="restart_mode = 'restart'"))
    failed, handlers = attempt("pw.x", "diagonalisation_failed"), pw_handlers()
    assert correct(tmp_path, handlers, failed) == ["restart_mode: restart -> None", "diagonalization: None -> cg"]
    assert correct(tmp_path, handlers, failed) == ["diagonalization: cg -> paro"]
    assert correct(tmp_path, handlers, failed) == []
    text = (tmp_path / "pw.in").read_text()
    assert read_namelists(text)["electrons"]["diagonalization"] == "paro"
    assert split_cards(text) == split_cards(pw_input())


def test_a_cell_that_outgrew_its_tables_gets_larger_ones(tmp_path):
    (tmp_path / "pw.in").write_text(RELAXATION.format(steps=50))
    (tmp_path / "pw.out").write_text("no step was made\n")
    actions = correct(tmp_path, pw_handlers(), attempt("pw.x", "cell_changed_too_much"))
    assert actions == ["cell_factor: None -> 3.0"]


def test_bands_start_again_with_more_time(tmp_path):
    (tmp_path / "pw.in").write_text(pw_input(calculation="nscf", control="max_seconds = 100"))
    assert correct(tmp_path, pw_handlers(), attempt("pw.x", "out_of_time")) == ["max_seconds: 100 -> 200"]


def test_phonons_out_of_time_start_from_scratch(tmp_path):
    (tmp_path / "ph.in").write_text(ph_input("max_seconds = 100"))
    (tmp_path / "out" / "_ph0").mkdir(parents=True)
    (tmp_path / "ph.out").write_text("     Representation #   1 mode #   1\n     Maximum CPU time exceeded\n")
    actions = correct(tmp_path, ph_handlers(), attempt("ph.x", "out_of_time"))
    assert actions == ["max_seconds: 100 -> 200", "_ph0: removed"]
    assert not (tmp_path / "out" / "_ph0").exists()
    text = (tmp_path / "ph.in").read_text()
    assert text.startswith("phonons of aluminium\n")
    assert text.endswith("1.0 0.0 0.0\n")


def test_phonons_stopped_in_the_bands_start_from_scratch(tmp_path):
    recorded = Path(__file__).parents[1] / "data/ph/max_seconds"
    shutil.copytree(recorded / "inputs", tmp_path, dirs_exist_ok=True)
    shutil.copy(recorded / "outputs/ph.out", tmp_path)
    assert json.loads((recorded / "run.json").read_text())["returncode"] == 1
    before = read_namelists((tmp_path / "ph.in").read_text())["inputph"]["max_seconds"]
    correct(tmp_path, ph_handlers(), attempt("ph.x", "out_of_time"))
    after = read_namelists((tmp_path / "ph.in").read_text())["inputph"]
    assert after["max_seconds"] == pytest.approx(2 * before)
    assert "recover" not in after


def frequencies_cm1(folder: Path) -> list[float]:
    lines = (folder / "crystal.dyn").read_text().splitlines()
    return [float(line.split()[-2]) for line in lines if line.lstrip().startswith("freq")]


def run_ph(scf: Path, folder: Path, variables: str, q: str):
    shutil.copytree(scf, folder)
    (folder / "ph.in").write_text(ph_input(variables, q))
    record = run_program("ph.x", folder, handlers=ph_handlers(), max_corrections=10)
    assert record.finished
    return record


@needs_ph
def test_a_response_that_was_cut_short_is_cured(scf, tmp_path):
    run_ph(scf, tmp_path / "whole", "", "1.0 0.0 0.0")
    record = run_ph(scf, tmp_path / "short", "niter_ph = 1", "1.0 0.0 0.0")
    (correction,) = record.corrections
    assert correction.handler == "PhMixingHandler"
    assert "niter_ph: 1 -> 100" in correction.actions
    whole = frequencies_cm1(tmp_path / "whole")
    assert len(whole) == 3
    assert frequencies_cm1(tmp_path / "short") == pytest.approx(whole, abs=0.1)


@needs_ph
@pytest.mark.slow
def test_phonons_out_of_time_end_in_the_same_frequencies(scf, tmp_path):
    q = "0.3 0.1 0.2"  # without symmetry: many k-points, so that both stages take longer than the time
    run_ph(scf, tmp_path / "whole", "", q)
    record = run_ph(scf, tmp_path / "parts", "max_seconds = 0.3", q)
    assert record.attempts > 1
    assert {correction.handler for correction in record.corrections} == {"PhTimeHandler"}
    assert frequencies_cm1(tmp_path / "parts") == pytest.approx(frequencies_cm1(tmp_path / "whole"), abs=0.01)
