"""Verifying one crystal on this machine."""

import os
from collections.abc import Callable

from invdesflow.campaigns.builders import SummaryBuilder
from invdesflow.campaigns.parallel import run_parallel
from invdesflow.campaigns.subjects import Subject
from invdesflow.database import Database
from invdesflow.database.collection import Collection
from invdesflow.database.documents import utc_now
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.epw.flows import ElectronPhononMaker
from invdesflow.errors import CampaignError, InvDesFlowError
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.meshes import primitive_for_espresso
from invdesflow.intercalation.study_jobs import refresh_studies_of

__all__ = ["verify"]


def verify(
    database: Database,
    subject: Subject,
    calculation: Calculation,
    *,
    workers: int,
    again: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> ElectronPhononDocument:
    """Calculate the electron-phonon coupling of a crystal, or return what is known of it.

    Every step is kept as it ends, so that after Ctrl-C, a kill or a failure the same call goes on where it was.

    Parameters
    ----------
    database
        The database.
    subject
        The crystal.
    calculation
        Accuracy, pseudopotentials, pressure.
    workers
        Steps at a time.
    again
        Put the result together again although there is one. Steps whose files are there are not repeated.
    report
        Told what happens.

    Raises
    ------
    InvDesFlowError
        What a step raised.
    """
    elph_id = calculation.identifier("elph", primitive_for_espresso(subject.structure))
    collection = database.collection(ElectronPhononDocument)
    known = collection.get(elph_id)
    if known is None or known.status in ("running", "failed") or again:
        os.environ["INVDESFLOW_STORES"] = str(database.path.resolve())  # the jobs read the settings of their process
        flow = ElectronPhononMaker(calculation).make(subject.structure, subject.candidate_id)
        failed = run_parallel(flow, database.path.resolve(), workers, report)
        for job in failed:
            error = job.error if isinstance(job.error, InvDesFlowError) else _unexpected(job.name, job.error)
            _note(collection, elph_id, error)
            raise error
        known = collection.get(elph_id)
        _derive(database, subject)
    elif known.candidate_id is None and subject.candidate_id is not None:  # it was calculated from a file
        known = known.model_copy(update={"candidate_id": subject.candidate_id, "updated_at": utc_now()})
        collection.upsert([known])
        _derive(database, subject)
    if known is None:
        raise CampaignError(f"The calculation ended without its document {elph_id}.", "Repeat the command.")
    return known


def _derive(database: Database, subject: Subject) -> None:
    """Build again what is made of the result."""
    SummaryBuilder().run_here(database)
    if subject.candidate_id is not None:
        refresh_studies_of(database, [subject.candidate_id])


def _note(collection: Collection[ElectronPhononDocument], elph_id: str, error: InvDesFlowError) -> None:
    """Note a failure that no task could note itself."""
    document = collection.get(elph_id)
    if document is not None and document.status == "running":
        values = document.model_dump() | {"status": "failed", "reason": error.problem, "updated_at": utc_now()}
        collection.upsert([ElectronPhononDocument.model_validate(values)])


def _unexpected(name: str, error: BaseException) -> CampaignError:
    first_line = str(error).partition("\n")[0]
    return CampaignError(f"{name} broke off: {type(error).__name__}: {first_line}", "Repeat the command.")
