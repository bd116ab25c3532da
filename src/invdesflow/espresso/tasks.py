"""One run of a program: asked for once, run in a folder of its own, kept as a document."""

import logging
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from custodian.custodian import ErrorHandler
from pydantic import ValidationError
from pymatgen.core import Structure

from invdesflow.database import Database
from invdesflow.database.collection import Collection
from invdesflow.database.documents import content_hash
from invdesflow.database.provenance import current_provenance
from invdesflow.errors import EspressoError, InvDesFlowError
from invdesflow.espresso.calculation import Calculation, pseudopotential_references
from invdesflow.espresso.costs import count_task
from invdesflow.espresso.documents import EspressoTaskDocument
from invdesflow.espresso.failures import Failure, default_input
from invdesflow.espresso.handlers_pw import TimeHandler
from invdesflow.espresso.input_files import patch_input
from invdesflow.espresso.programs import Program, ranks_of
from invdesflow.espresso.pseudopotentials import Pseudopotential
from invdesflow.espresso.run_folder import RunFolder, task_folder
from invdesflow.espresso.running import RunRecord, run_program
from invdesflow.espresso.spent import begin_account, lost_before, lost_so_far
from invdesflow.espresso.time_limit import stopped_cleanly
from invdesflow.settings import Settings, get_settings

__all__ = [
    "Prepare",
    "Read",
    "Task",
    "Way",
    "leave_empty",
    "link_file",
    "link_files",
    "perform",
    "run_root",
    "task_path",
]

_IDENTIFIER = re.compile(r"\w[\w.-]*")
_log = logging.getLogger(__name__)

Prepare = Callable[[Path], None]
Read = Callable[[Path], dict[str, Any]]


def leave_empty(_: Path) -> None:
    """Put nothing into a run folder."""


@dataclass(frozen=True)
class Task:
    """What is to be run.

    Attributes
    ----------
    step
        What it is for, in a few words.
    program
        Which program.
    input
        Text of its input, which says nothing of this machine.
    structure
        The crystal.
    pseudopotentials
        By element.
    parents
        Identifiers of the tasks whose files it reads.
    """

    step: str
    program: Program
    input: str
    structure: Structure
    pseudopotentials: Mapping[str, Pseudopotential]
    parents: tuple[str, ...] = ()

    @property
    def task_id(self) -> str:
        """Identifier: a hash of all that the answer depends on."""
        return content_hash(
            "qe",
            {
                "program": self.program,
                "input": self.input,
                "pseudopotentials": {element: upf.sha256 for element, upf in self.pseudopotentials.items()},
                "parents": list(self.parents),
            },
        )


@dataclass(frozen=True)
class Way:
    """How a task is run; nothing of it changes the question.

    Attributes
    ----------
    prepare
        Puts the files of earlier tasks into the run folder.
    handlers
        What may correct the input after a failure, in order of priority.
    superfluous
        Patterns of files that nothing needs after a success; they are removed.
    answers
        Names of failures that are answers to the question, such as that there is no gap.
    """

    prepare: Prepare = leave_empty
    handlers: Sequence[ErrorHandler] = ()
    superfluous: tuple[str, ...] = ()
    answers: frozenset[str] = frozenset()


def run_root(settings: Settings | None = None) -> Path:
    """Return the folder of the run folders."""
    settings = settings or get_settings()
    return settings.espresso_dir or settings.data_dir / "espresso"


def task_path(task_id: str) -> Path:
    """Return the run folder of a task.

    Raises
    ------
    EspressoError
        If the identifier, which may come from the database, is no name of a folder and would lead elsewhere.
    """
    if not _IDENTIFIER.fullmatch(task_id):
        raise EspressoError(f"{task_id!r} is no identifier of a task.", "Find out who wrote it into the database.")
    return run_root() / task_id


def link_files(source: Path, target: Path, names: Iterable[str]) -> None:
    """Make files of another run visible in a folder without copying them.

    Parameters
    ----------
    source, target
        Folders; `target` is made.
    names
        Patterns of names in `source`.

    Raises
    ------
    EspressoError
        If nothing fits one of the names.
    """
    for name in names:
        found = sorted(source.glob(name))
        if not found:
            raise _gone(source / name)
        for path in found:
            link_file(path, target / path.name)


def link_file(source: Path, target: Path) -> None:
    """Make one file of another run visible under a name of its own.

    The link is relative, so that all run folders may be moved together.

    Raises
    ------
    EspressoError
        If the file is gone.
    """
    if not source.exists():
        raise _gone(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(os.path.relpath(source, target.parent))


def _gone(path: Path) -> EspressoError:
    return EspressoError(
        f"{path} is gone, and the next step needs it.",
        f"Remove the folder {task_path(path.relative_to(run_root()).parts[0])}; its step is then run again.",
    )


def perform(task: Task, calculation: Calculation, read: Read, way: Way) -> EspressoTaskDocument:
    """Run a task, or return its document if it has been run and its files are there.

    What has run well is never run again because its files could not be read: they are read again.

    Parameters
    ----------
    task
        What is to be run.
    calculation
        What it is a part of.
    read
        Reads scalars from the run folder after a success; what it raises makes the task a failure, and the files stay.
    way
        How it is run.

    Raises
    ------
    EspressoError
        If it failed, and that is no answer; the document with the failure is stored first. If it could not be run.
    """
    with Database() as database, task_folder(run_root(), task.task_id) as folder:
        collection = database.collection(EspressoTaskDocument)
        if folder.finished:
            document = _finished(collection, task.task_id, folder)
            count_task(database, calculation.elph_id, task.task_id)
            return document
        record = _run_before(folder) if folder.has_run else _run(task, calculation, way, folder)
        document = _document(task, record, read, folder.path)
        collection.upsert([document])
        count_task(database, calculation.elph_id, task.task_id)
        if document.failure is not None and document.failure.name not in way.answers:
            raise EspressoError(*_told(task, document.failure, folder.path))
        for pattern in way.superfluous:
            _remove(folder.path.glob(pattern))
        folder.mark_finished(document)
        return document


def _finished(collection: Collection[EspressoTaskDocument], task_id: str, folder: RunFolder) -> EspressoTaskDocument:
    """Return the document of a task whose files are there; from the folder if another database asked for it."""
    stored = collection.get(task_id)
    if stored is not None:
        return stored
    try:
        document = EspressoTaskDocument.model_validate_json(folder.record)
    except ValidationError:
        raise _foreign(folder) from None
    collection.upsert([document])
    return document


def _run_before(folder: RunFolder) -> RunRecord:
    """Return how a program ran whose files have not been read yet."""
    try:
        return RunRecord.model_validate_json(folder.run_record)
    except ValidationError:
        raise _foreign(folder) from None


def _foreign(folder: RunFolder) -> EspressoError:
    return EspressoError(
        f"{folder.path} was written by another version of InvDesFlow.", "Remove it; its step is then run again."
    )


def _told(task: Task, failure: Failure, path: Path) -> tuple[str, str]:
    """Say how a task failed, and where to look."""
    said = failure.detail.strip().splitlines() or ["nothing"]
    problem = f"{task.step} of {task.structure.composition.reduced_formula} failed ({failure.name}): {failure.message}"
    if failure.name == "files_not_read":
        return problem, f"{said[-1].strip().rstrip('.')}. Look at {path}; remove it to have the step run again."
    return (
        problem,
        f"{task.program} said: {said[-1].strip().rstrip('.')}. See {path}."
        + (" It may succeed when it is repeated." if failure.transient else ""),
    )


def _run(task: Task, calculation: Calculation, way: Way, folder: RunFolder) -> RunRecord:
    """Run the program of a task in its folder, which is emptied first unless the run can go on from a clean stop."""
    path, ranks = folder.path, ranks_of(task.program, get_settings())
    lost = lost_so_far(path)
    stopped = stopped_cleanly(path)
    if stopped is None:
        folder.restart_clean()
        _prepare(task, way, path)
    else:
        TimeHandler().act(path, stopped)
        patch_input(path / stopped.input_name, {"control": {"max_seconds": None}})  # that was the time of another job
    begin_account(path, ranks, lost)
    record = run_program(
        task.program,
        path,
        handlers=way.handlers,
        max_corrections=calculation.protocol.max_corrections,
        earlier_attempts=0 if stopped is None else stopped.number,
    )
    if record.finished:
        folder.mark_run(record)
    return record


def _prepare(task: Task, way: Way, path: Path) -> None:
    (path / default_input(task.program)).write_text(task.input)
    (path / "pseudo").mkdir()
    for upf in task.pseudopotentials.values():
        shutil.copy(upf.path, path / "pseudo")
    way.prepare(path)


def _document(task: Task, record: RunRecord, read: Read, path: Path) -> EspressoTaskDocument:
    results, failure = _results(record, read, path)
    return EspressoTaskDocument(
        task_id=task.task_id,
        step=task.step,
        program=task.program,
        program_version=record.version,
        reduced_formula=task.structure.composition.reduced_formula,
        structure=task.structure,
        pseudopotentials=pseudopotential_references(task.pseudopotentials),
        parents=list(task.parents),
        input=task.input,
        final_input=(path / default_input(task.program)).read_text(),
        status="completed" if failure is None else "failed",
        failure=failure,
        corrections=list(record.corrections),
        attempts=record.attempts,
        results=results,
        folder=str(path),
        wall_time_s=record.wall_time_s,
        core_hours=record.core_hours,
        lost_core_hours=lost_before(path),
        provenance=current_provenance(None, None),
    )


def _results(record: RunRecord, read: Read, path: Path) -> tuple[dict[str, Any], Failure | None]:
    if record.failure is not None:
        return {}, record.failure
    try:
        return read(path), None
    except Exception as error:  # noqa: BLE001 - whatever our reader stumbles over, the run is kept
        _log.debug("%s cannot be read", path, exc_info=True)
        said = error.problem if isinstance(error, InvDesFlowError) else f"{type(error).__name__}: {error}"
        return {}, Failure.of("files_not_read", said)


def _remove(paths: Iterable[Path]) -> None:
    for path in list(paths):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
