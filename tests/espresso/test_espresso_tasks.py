import errno
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from aluminium import PSEUDOPOTENTIALS, needs_ph, needs_pw
from pymatgen.core import Lattice, Structure

from invdesflow.database import Database
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.errors import EspressoError, SpectrumError
from invdesflow.espresso.calculation import Calculation, pseudopotential_references
from invdesflow.espresso.documents import EspressoTaskDocument
from invdesflow.espresso.failure_notes import notes_failure
from invdesflow.espresso.input_files import read_namelists
from invdesflow.espresso.meshes import explicit_k_points, primitive_for_espresso
from invdesflow.espresso.outputs import PwOutput
from invdesflow.espresso.ph_jobs import PhMaker, QPointsMaker
from invdesflow.espresso.pseudopotentials import find_pseudopotentials
from invdesflow.espresso.pw_jobs import SAVE, PwNscfMaker, PwStaticMaker, read_pw
from invdesflow.espresso.spent import begin_account, lost_before, lost_so_far
from invdesflow.espresso.tasks import Task, Way, link_file, link_files, perform, run_root, task_path
from invdesflow.espresso.time_limit import limit_time
from invdesflow.settings import get_settings

INPUT = "what is asked"
SCRIPT = """#!/bin/sh
echo "     Program {name} v.6.7 starts"
echo ran >> "{log}"
ls > seen
cat {stem}.in > copy
touch large small
{more}
"""
DONE = 'echo "   JOB DONE."'
COMPLAINT = """tee CRASH <<'END'
 %%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%
     Error in routine  readfc (1):
     the file is not there
 %%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%
END
exit 1"""


def aluminium(a: float = 3.97) -> Structure:
    return primitive_for_espresso(Structure.from_spacegroup("Fm-3m", Lattice.cubic(a), ["Al"], [[0, 0, 0]]))


@pytest.fixture
def family(tmp_path: Path) -> Path:
    """A folder with the pseudopotential of aluminium, or one that looks like it."""
    folder = tmp_path / "family"
    folder.mkdir()
    shutil.copy(PSEUDOPOTENTIALS / "Al.pz-vbc.UPF", folder / "Al.upf")
    return folder


pytestmark = pytest.mark.skipif(
    not PSEUDOPOTENTIALS.is_dir(), reason="Quantum ESPRESSO's pseudopotentials are not installed"
)


@pytest.fixture
def calculation(family: Path) -> Calculation:
    return Calculation.of("smoke", str(family), overrides={"k_spacing": 0.6, "q_spacing": 1.6})


@pytest.fixture
def workplace(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A database, and a folder for the run folders."""
    monkeypatch.setenv("INVDESFLOW_ESPRESSO_DIR", str(tmp_path / "runs"))
    get_settings.cache_clear()
    yield tmp_path
    get_settings.cache_clear()


class FakeProgram:
    """A shell script in the place of a program, so that a test says what it does."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, stem: str = "q2r") -> None:
        self.stem, self.path, self.log = stem, folder / f"bin/{stem}.x", folder / "log"
        self.path.parent.mkdir()
        self.does(DONE)
        monkeypatch.setenv("INVDESFLOW_ESPRESSO_BIN", str(self.path.parent))
        get_settings.cache_clear()

    def does(self, more: str) -> None:
        self.path.write_text(SCRIPT.format(name=self.stem.upper(), stem=self.stem, log=self.log, more=more))
        self.path.chmod(0o755)

    @property
    def runs(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0


@pytest.fixture
def program(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> FakeProgram:
    return FakeProgram(workplace, monkeypatch)


def task(calculation: Calculation, **changes: Any) -> Task:
    structure = aluminium()
    return replace(
        Task("a step", "q2r.x", INPUT, structure, calculation.pseudopotentials(structure), ("qe-parent",)), **changes
    )


def run(calculation: Calculation, way: Way = Way(), **changes: Any) -> EspressoTaskDocument:  # noqa: B008
    return perform(task(calculation, **changes), calculation, lambda path: {"read": (path / "copy").read_text()}, way)


@dataclass
class Part:
    """A job that is a part of a calculation."""

    calculation: Calculation

    @notes_failure
    def make(self, way: Way = Way()) -> EspressoTaskDocument:  # noqa: B008
        return run(self.calculation, way)


def stored(database: Database, task_id: str) -> EspressoTaskDocument:
    document = database.collection(EspressoTaskDocument).get(task_id)
    assert document is not None
    return document


def begun(database: Database, calculation: Calculation) -> Calculation:
    """Store an electron_phonon document as running, and return the calculation that is a part of it."""
    structure = aluminium()
    document = ElectronPhononDocument(
        elph_id="elph-1",
        candidate_id=None,
        reduced_formula="Al",
        space_group_number=225,
        structure=structure,
        pressure_gpa=0.0,
        protocol="smoke",
        settings=calculation.protocol.values(),
        pseudopotentials=pseudopotential_references(calculation.pseudopotentials(structure)),
        status="running",
        reason="",
    )
    database.collection(ElectronPhononDocument).upsert([document])
    return calculation.model_copy(update={"elph_id": "elph-1"})


def test_same_question_has_the_same_identifier_wherever_it_is_asked(
    calculation: Calculation, family: Path, tmp_path: Path
) -> None:
    moved = shutil.copytree(family, tmp_path / "moved")
    elsewhere = find_pseudopotentials(str(moved), ["Al"])
    assert task(calculation, pseudopotentials=elsewhere).task_id == task(calculation).task_id
    assert task(calculation, step="another name for it").task_id == task(calculation).task_id


def test_another_question_has_another_identifier(calculation: Calculation, family: Path) -> None:
    first = task(calculation)
    upf = family / "Al.upf"
    upf.write_text(upf.read_text().replace("\n", " \n", 1))
    others = [
        replace(first, input=INPUT + " "),
        replace(first, program="matdyn.x"),
        replace(first, parents=("qe-other",)),
        replace(first, parents=("qe-parent", "qe-other")),
        replace(first, parents=()),
        task(calculation),
    ]
    assert others[-1].pseudopotentials["Al"].sha256 != first.pseudopotentials["Al"].sha256
    assert len({one.task_id for one in [first, *others]}) == 7


def test_a_finished_task_is_not_run_again(calculation: Calculation, program: FakeProgram, database: Database) -> None:
    document = run(calculation)
    assert (document.status, document.results, document.attempts) == ("completed", {"read": INPUT}, 1)
    assert document.program_version == "6.7"
    assert document.folder == str(task_path(document.task_id))
    again = run(calculation, step="the same by another name")
    assert program.runs == 1
    assert again == stored(database, document.task_id)
    assert again.model_copy(update={"updated_at": document.updated_at}) == document


def test_pseudopotentials_lie_in_the_run_folder(calculation: Calculation, program: FakeProgram, family: Path) -> None:
    folder = Path(run(calculation).folder)
    assert (folder / "pseudo/Al.upf").read_bytes() == (family / "Al.upf").read_bytes()
    assert not (folder / "pseudo/Al.upf").is_symlink()


def test_a_task_whose_folder_is_gone_is_run_again(calculation: Calculation, program: FakeProgram) -> None:
    document = run(calculation)
    shutil.rmtree(document.folder)
    run(calculation)
    assert program.runs == 2


def test_a_task_that_another_database_asked_for_is_taken_from_its_folder(
    calculation: Calculation, program: FakeProgram, database: Database
) -> None:
    document = run(calculation)
    before = digests(Path(document.folder))
    database.raw["espresso_tasks"].delete_many({})
    assert run(calculation).results == document.results
    assert program.runs == 1
    assert digests(Path(document.folder)) == before
    assert stored(database, document.task_id).results == document.results
    database.raw["espresso_tasks"].delete_many({})
    (Path(document.folder) / "finished.json").write_text("{}")
    with pytest.raises(EspressoError, match="another version"):
        run(calculation)
    assert (Path(document.folder) / "copy").exists()


def test_what_an_interrupted_run_left_is_removed(calculation: Calculation, program: FakeProgram) -> None:
    document = run(calculation)
    folder = Path(document.folder)
    for mark in ("finished.json", "ran.json"):
        (folder / mark).unlink()
    (folder / "out/_ph0").mkdir(parents=True)
    (folder / "out/_ph0/half").touch()
    run(calculation)
    assert program.runs == 2
    assert not (folder / "out").exists()
    assert {"half", "copy", "out"}.isdisjoint((folder / "seen").read_text().split())


def test_a_task_that_was_interrupted_by_us_is_not_finished(
    calculation: Calculation, program: FakeProgram, database: Database
) -> None:
    def interrupt(_: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(calculation, Way(interrupt))
    assert program.runs == 0
    assert database.collection(EspressoTaskDocument).count() == 0
    assert run(calculation).status == "completed"


def test_a_failure_is_stored_noted_and_tried_again(
    calculation: Calculation, program: FakeProgram, database: Database
) -> None:
    program.does(COMPLAINT)
    part = begun(database, calculation)
    with pytest.raises(EspressoError) as caught:
        Part(part).make()
    assert "a step of Al failed" in caught.value.problem
    assert "the file is not there" in caught.value.remedy
    assert str(task_path(task(part).task_id)) in caught.value.remedy
    assert "\n" not in str(caught.value)
    document = stored(database, task(part).task_id)
    assert document.status == "failed"
    assert document.failure is not None
    assert document.failure.name in caught.value.problem
    assert document.results == {}
    coupling = database.collection(ElectronPhononDocument).get("elph-1")
    assert coupling is not None
    assert (coupling.status, coupling.reason) == ("failed", caught.value.problem)
    with pytest.raises(EspressoError):
        run(part)
    assert program.runs == 2
    program.does(DONE)
    assert run(part).status == "completed"
    assert stored(database, document.task_id).status == "completed"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (EspressoError("The file ends early.", "Look at it."), "The file ends early."),
        (SpectrumError("alpha2F is empty."), "alpha2F is empty."),
        (ValueError("no number"), "ValueError: no number"),
    ],
)
def test_files_that_cannot_be_read_are_a_failure_and_are_read_again(
    calculation: Calculation, program: FakeProgram, database: Database, error: Exception, said: str
) -> None:
    def read(_: Path) -> dict[str, Any]:
        raise error

    part = begun(database, calculation)
    for _ in range(2):
        with pytest.raises(EspressoError, match="files_not_read") as caught:
            perform(task(part), part, read, Way(superfluous=("large",)))
        assert said.rstrip(".") in caught.value.remedy
    document = stored(database, task(part).task_id)
    assert document.failure is not None
    assert (document.failure.name, document.failure.detail) == ("files_not_read", said)
    folder = Path(document.folder)
    assert (folder / "large").exists()
    done = run(part)
    assert (done.status, done.results, done.core_hours) == ("completed", {"read": INPUT}, document.core_hours)
    assert program.runs == 1
    assert run(part).results == done.results


def test_a_program_that_has_run_is_not_run_again_after_a_kill_before_its_files_were_read(
    calculation: Calculation, program: FakeProgram
) -> None:
    def stop(_: Path) -> dict[str, Any]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        perform(task(calculation), calculation, stop, Way())
    assert run(calculation).status == "completed"
    assert program.runs == 1


def test_runs_that_failed_or_were_stopped_are_counted(
    calculation: Calculation, program: FakeProgram, database: Database
) -> None:
    part = begun(database, calculation)
    program.does(f"sleep 0.5\n{COMPLAINT}")
    for failures in (1, 2):
        with pytest.raises(EspressoError):
            Part(part).make()
        document = stored(database, task(part).task_id)
        assert document.lost_core_hours >= (failures - 1) * 0.5 / 3600
        coupling = database.collection(ElectronPhononDocument).get("elph-1")
        assert coupling is not None
        assert coupling.task_ids == [document.task_id]
        assert coupling.core_hours == document.core_hours + document.lost_core_hours
        assert [step.used for step in coupling.cost] == [False]
    program.does(DONE)
    began = time.monotonic()
    done = run(part)
    assert done.lost_core_hours >= 2 * 0.5 / 3600
    assert done.core_hours * 3600 <= time.monotonic() - began, "what was lost is counted apart"
    assert run(part).lost_core_hours == done.lost_core_hours


def test_a_run_that_was_killed_counts_until_its_last_sign_of_life(tmp_path: Path) -> None:
    assert lost_so_far(tmp_path) == 0.0
    begin_account(tmp_path, ranks=4, lost_core_hours=1.5)
    started = (tmp_path / "account.json").stat().st_mtime
    for name, seconds in (("pw.out", 1800.0), ("copied.upf", -7200.0)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (started + seconds,) * 2)
    assert lost_so_far(tmp_path) == pytest.approx(1.5 + 4 * 0.5, rel=1e-3)
    assert lost_before(tmp_path) == 1.5


def test_what_keeps_a_program_from_starting_is_noted_too(
    calculation: Calculation, program: FakeProgram, database: Database
) -> None:
    program.path.unlink()
    with pytest.raises(EspressoError, match=r"no executable q2r\.x") as caught:
        Part(begun(database, calculation)).make()
    coupling = database.collection(ElectronPhononDocument).get("elph-1")
    assert coupling is not None
    assert (coupling.status, coupling.reason) == ("failed", caught.value.problem)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SpectrumError("alpha2F is empty."), "alpha2F is empty."),
        (ValueError("too many values\nto unpack"), "ValueError: too many values"),
        (OSError(errno.ENOSPC, "No space left on device"), "OSError: [Errno 28] No space left on device"),
    ],
)
def test_whatever_ends_a_job_is_noted(
    calculation: Calculation, program: FakeProgram, database: Database, error: Exception, reason: str
) -> None:
    def prepare(_: Path) -> None:
        raise error

    part = begun(database, calculation)
    with pytest.raises(type(error)):
        Part(part).make(Way(prepare))
    coupling = database.collection(ElectronPhononDocument).get("elph-1")
    assert coupling is not None
    assert (coupling.status, coupling.reason) == ("failed", reason)


def test_a_result_stays_when_a_step_is_repeated_and_fails(
    calculation: Calculation, program: FakeProgram, database: Database
) -> None:
    part = begun(database, calculation)
    collection = database.collection(ElectronPhononDocument)
    running = collection.get("elph-1")
    assert running is not None
    result = {"status": "completed", "lambda_": 0.4, "omega_log_mev": 20.0, "arrays": "0" * 64}
    collection.upsert([running.model_copy(update=result)])
    program.does(COMPLAINT)
    with pytest.raises(EspressoError):
        Part(part).make()
    kept = collection.get("elph-1")
    assert kept is not None
    assert (kept.status, kept.reason, kept.lambda_) == ("completed", "", 0.4)


@pytest.mark.parametrize(("transient", "said"), [(True, True), (False, False)])
def test_what_may_pass_is_told(calculation: Calculation, program: FakeProgram, *, transient: bool, said: bool) -> None:
    program.does("exit 137" if transient else COMPLAINT)
    with pytest.raises(EspressoError) as caught:
        run(calculation)
    assert caught.value.remedy.endswith("It may succeed when it is repeated.") == said


def test_a_failure_that_is_an_answer_is_kept_as_one(
    calculation: Calculation, program: FakeProgram, database: Database
) -> None:
    program.does(COMPLAINT)
    part = begun(database, calculation)
    with pytest.raises(EspressoError):
        run(part)
    failure = stored(database, task(part).task_id).failure
    assert failure is not None
    coupling = database.collection(ElectronPhononDocument)
    begun(database, calculation)
    way = Way(answers=frozenset({failure.name}), superfluous=("large",))
    answer = run(part, way)
    assert answer.status == "failed"
    assert answer.failure is not None
    assert answer.failure.name == failure.name
    assert not (Path(answer.folder) / "large").exists()
    assert run(part, way).failure == answer.failure
    assert program.runs == 2
    document = coupling.get("elph-1")
    assert document is not None
    assert document.status == "running"


def test_what_is_superfluous_is_removed_after_a_success_only(
    calculation: Calculation, program: FakeProgram, workplace: Path
) -> None:
    kept = workplace / "of another run"
    kept.mkdir()
    (kept / "wfc1").write_text("needed there")

    def prepare(path: Path) -> None:
        (path / "out").mkdir()
        (path / "out/folder").mkdir()
        (path / "out/folder/wfc1").symlink_to(kept / "wfc1")
        (path / "out/link").symlink_to(kept)

    way = Way(prepare, superfluous=("large", "out/*", "nothing*"))
    program.does(COMPLAINT)
    with pytest.raises(EspressoError):
        run(calculation, way)
    folder = task_path(task(calculation).task_id)
    assert (folder / "large").exists()
    program.does(DONE)
    run(calculation, way)
    assert not (folder / "large").exists()
    assert (folder / "small").exists()
    assert list((folder / "out").iterdir()) == []
    assert (kept / "wfc1").read_text() == "needed there"


def test_links_survive_a_move_of_all_run_folders(workplace: Path) -> None:
    source, target = task_path("qe-1"), task_path("qe-2")
    (source / "out").mkdir(parents=True)
    for name in ("wfc1.dat", "wfc2.dat", "charge-density.dat"):
        (source / "out" / name).write_text(name)
    link_files(source / "out", target / "out/crystal.save", ["wfc*", "charge*"])
    link_file(source / "out/wfc1.dat", target / "save/under another name")
    moved = run_root().rename(workplace / "moved")
    names = sorted(path.name for path in (moved / "qe-2/out/crystal.save").iterdir())
    assert names == ["charge-density.dat", "wfc1.dat", "wfc2.dat"]
    assert (moved / "qe-2/out/crystal.save/wfc2.dat").read_text() == "wfc2.dat"
    assert (moved / "qe-2/save/under another name").read_text() == "wfc1.dat"


@pytest.mark.parametrize(
    "take",
    [
        lambda source, target: link_file(source / "crystal.dvscf1", target / "dvscf"),
        lambda source, target: link_files(source, target, ["wfc*"]),
        lambda source, target: link_files(source / "nowhere", target, ["*"]),
    ],
    ids=["file", "pattern", "folder"],
)
def test_a_file_that_is_gone_is_told_with_its_step(take: Callable[[Path, Path], None], workplace: Path) -> None:
    source = task_path("qe-1") / "out"
    source.mkdir(parents=True)
    with pytest.raises(EspressoError, match="is gone, and the next step needs it") as caught:
        take(source, task_path("qe-2"))
    assert str(task_path("qe-1")) in caught.value.remedy


def test_phonons_without_their_matrix_are_no_answer(
    calculation: Calculation, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = FakeProgram(workplace, monkeypatch, "ph")
    static = PwOutput(
        task_id="qe-static",
        structure=aluminium(),
        energy_ev=-57.0,
        fermi_energy_ev=8.0,
        pressure_gpa=0.0,
        n_electrons=3.0,
        n_bands=6,
        gap_ev=0.0,
        absolute_magnetisation=None,
    )
    save = task_path(static.task_id) / SAVE
    save.mkdir(parents=True)
    for name in ("charge-density.dat", "wfc1.dat", "Al.upf", "data-file-schema.xml", "../crystal.xml"):
        (save / name).touch()
    for _ in range(2):
        with pytest.raises(EspressoError, match=r"phonons.* of Al failed \(files_not_read\)"):
            PhMaker.make.original(PhMaker(calculation), static, 2)
    assert program.runs == 1


def density_of(calculation: Calculation) -> PwOutput:
    output = PwStaticMaker.make.original(PwStaticMaker(calculation), aluminium())
    assert isinstance(output, PwOutput)
    return output


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@needs_pw
def test_pw_finds_density_and_bands_without_touching_the_density(workplace: Path, calculation: Calculation) -> None:
    static = density_of(calculation)
    assert static.gap_ev == 0.0
    assert static.n_electrons == 3.0
    before = digests(task_path(static.task_id))
    maker = PwNscfMaker(calculation)
    points = [[0.0, 0.0, 0.0], [0.5, 0.0, 0.5], [0.1, 0.2, 0.3]]
    nscf = PwNscfMaker.make.original(maker, static, points, 7)
    assert nscf.n_bands == 7
    assert read_pw(nscf.task_id).eigenvalues_ev.shape == (3, 7)  # not reduced by symmetry
    assert digests(task_path(static.task_id)) == before
    assert density_of(calculation).task_id == static.task_id


@needs_pw
def test_a_list_of_k_points_stays_whole_in_a_crystal_of_less_symmetry_than_its_lattice(
    workplace: Path, calculation: Calculation
) -> None:
    layers = [[1 / 3, 2 / 3, 0.27], [2 / 3, 1 / 3, 0.73]]  # P-3m1; 0.25 would be hcp
    crystal = primitive_for_espresso(Structure(Lattice.hexagonal(2.86, 4.67), ["Al", "Al"], layers))
    cheap = calculation.protocol.model_copy(update={"k_spacing": 1.3, "ecutwfc_ry": 8.0, "ecutrho_ry": 32.0})
    coarse = calculation.model_copy(update={"protocol": cheap})
    static = PwStaticMaker.make.original(PwStaticMaker(coarse), crystal)
    points = explicit_k_points((3, 3, 3))
    nscf = PwNscfMaker.make.original(PwNscfMaker(coarse), static, points.tolist(), 8)
    assert read_pw(nscf.task_id).k_points == pytest.approx(points, abs=1e-6)


@needs_pw
def test_pw_that_fails_says_why(workplace: Path, calculation: Calculation, database: Database) -> None:
    cutoff = calculation.model_copy(
        update={"protocol": calculation.protocol.model_copy(update={"conv_thr": 1e-40, "max_corrections": 0})}
    )
    with pytest.raises(EspressoError, match="scf of Al failed"):
        density_of(cutoff)
    [document] = database.collection(EspressoTaskDocument).find()
    assert document.failure is not None
    assert document.failure.name == "scf_not_converged"


@pytest.mark.slow
@needs_pw
@needs_ph
def test_ph_leaves_the_files_of_the_density_as_they_are(workplace: Path, calculation: Calculation) -> None:
    static = density_of(calculation)
    folder = task_path(static.task_id)
    before, changed = digests(folder), {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    listed = QPointsMaker.make.original(QPointsMaker(calculation), static)
    assert listed.q_points[0] == [0.0, 0.0, 0.0]
    assert len(listed.q_points) == 3  # 2x2x2 of an fcc crystal: Gamma, L, X
    for number in (1, 2):
        phonons = PhMaker.make.original(PhMaker(calculation), static, number)
        assert len(phonons.frequencies_cm1) == 3
        assert digests(folder) == before
        own = task_path(phonons.task_id)
        assert (own / f"dyn{number}").is_file()
        inner = "" if number == 1 else f"crystal.q_{number}/"
        assert (own / f"out/_ph0/{inner}crystal.dvscf1").stat().st_size > 0
        assert not (own / SAVE).exists()
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == changed
    assert not [path for path in run_root().rglob("*") if path.is_symlink() and not path.exists()]


STOPS = """echo "     iteration #  1     ecut=    15.00 Ry"
echo "     Maximum CPU time exceeded"
mkdir -p out && echo kept >> out/state
exit 255"""


@pytest.fixture
def pw_program(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> FakeProgram:
    program = FakeProgram(workplace, monkeypatch, "pw")
    program.does(STOPS)
    return program


def end_in(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the job in which programs run end in a while."""
    monkeypatch.setenv("INVDESFLOW_ESPRESSO_END_TIME", str(int(time.time() + seconds)))
    get_settings.cache_clear()


def stopped(calculation: Calculation, database: Database) -> EspressoTaskDocument:
    """Run pw.x until the time of its job is up, and return what is stored."""
    with pytest.raises(EspressoError, match="out_of_time"):
        density_of(calculation)
    [document] = database.collection(EspressoTaskDocument).find()
    return document


def test_a_run_whose_time_is_up_waits_for_the_next_job_and_goes_on_there(
    pw_program: FakeProgram, calculation: Calculation, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_in(1000.0, monkeypatch)
    first = stopped(calculation, database)
    assert pw_program.runs == 1  # another attempt in this job would be killed by its end
    assert 900 < read_namelists(first.final_input)["control"]["max_seconds"] <= 1000
    assert "max_seconds" not in first.input
    end_in(5000.0, monkeypatch)
    second = stopped(calculation, database)
    control = read_namelists(second.final_input)["control"]
    assert (first.task_id, pw_program.runs, second.attempts) == (second.task_id, 2, 2)
    assert control["restart_mode"] == "restart"
    assert 4900 < control["max_seconds"] <= 5000
    folder = Path(second.folder)
    assert (folder / "out/state").read_text() == "kept\nkept\n"
    assert {"pw.out.1", "pw.in.1", "pw.in.2"} <= {path.name for path in folder.iterdir()}
    assert second.lost_core_hours >= first.core_hours
    monkeypatch.delenv("INVDESFLOW_ESPRESSO_END_TIME")
    get_settings.cache_clear()
    pw_program.does(COMPLAINT)
    with pytest.raises(EspressoError):
        density_of(calculation)
    [third] = database.collection(EspressoTaskDocument).find()
    assert third.attempts == 3
    assert "max_seconds" not in read_namelists(third.final_input)["control"]


@pytest.mark.parametrize("why", ["no iteration began", "it was killed later"])
def test_a_run_that_cannot_go_on_begins_again(
    pw_program: FakeProgram, calculation: Calculation, database: Database, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    end_in(1000.0, monkeypatch)
    folder = Path(stopped(calculation, database).folder)
    if why == "no iteration began":
        (folder / "pw.out").write_text("     Maximum CPU time exceeded\n")
    else:
        (folder / "pw.out").rename(folder / "pw.out.1")
    assert stopped(calculation, database).attempts == 1
    assert (folder / "out/state").read_text() == "kept\n"


def test_phonons_and_couplings_are_limited_as_far_as_their_programs_can_be(tmp_path: Path) -> None:
    for program, text in (("ph.x", "title\n&inputph\n/\n0 0 0\n"), ("epw.x", "title\n&inputepw\n/\n")):
        (tmp_path / "in").write_text(text)
        limit_time(program, tmp_path / "in", int(time.time()) + 100)
        assert ("max_seconds" in (tmp_path / "in").read_text()) == (program == "ph.x")


@pytest.mark.slow
@needs_pw
def test_one_job_after_the_other_ends_in_the_energy_of_an_undisturbed_run(
    workplace: Path, calculation: Calculation, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of times that grow slowly, one lies between the first iteration and the last."""
    dense = calculation.model_copy(update={"protocol": calculation.protocol.model_copy(update={"k_spacing": 0.12})})
    for attempt in range(20):
        end_in(1.4**attempt, monkeypatch)
        with suppress(EspressoError):
            static = density_of(dense)
            break
    document = stored(database, static.task_id)
    assert document.attempts > 1
    shutil.rmtree(document.folder)
    monkeypatch.delenv("INVDESFLOW_ESPRESSO_END_TIME")
    get_settings.cache_clear()
    assert density_of(dense).energy_ev == pytest.approx(static.energy_ev, abs=1e-6)
