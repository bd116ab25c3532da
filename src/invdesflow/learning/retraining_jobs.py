"""The job that retrains the promoted model of a kind."""

import errno
import hashlib
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from jobflow import job
from pydantic import BaseModel, ConfigDict, Field

from invdesflow.database import Database
from invdesflow.database.documents import utc_now
from invdesflow.database.provenance import current_provenance
from invdesflow.errors import InvDesFlowError, LearningError, ModelError, TrainingError
from invdesflow.learning.models import model_registry
from invdesflow.learning.retraining import (
    Lesson,
    Retrained,
    Retrainer,
    RetrainingSettings,
    compare,
    require_retrainable,
    retrainer,
    verdict,
)
from invdesflow.learning.retraining_claims import Claims, this_owner
from invdesflow.learning.retraining_documents import Comparison, RetrainingDocument, retraining_id
from invdesflow.learning.rounds import revealed_sources
from invdesflow.learning.training_set_builder import current_training_set, shipped_sources
from invdesflow.learning.training_set_documents import Kind, TrainingSetDocument
from invdesflow.learning.training_set_rows import MU_STAR
from invdesflow.learning.training_sets import TrainingRow, TrainingSet
from invdesflow.makers import SettingsMaker
from invdesflow.model_files import digest_of, write_model
from invdesflow.registry.documents import ModelDocument
from invdesflow.registry.registry import Registry

__all__ = ["RetrainMaker", "RetrainingOutput", "retrain", "situation"]


_LEAST_FREE_BYTES = 1_000_000
"""A disk with less is full: the smallest checkpoint is larger."""


class RetrainingOutput(BaseModel):
    """What a retraining did to the model of a kind."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    before: str = Field(description="model_id that was asked before")
    after: str = Field(description="model_id that is asked now")
    trained: str | None = Field(None, description="model_id that was trained; none: nothing was trained")
    remark: str = Field("", description="why nothing was trained, or why what was trained is not asked")
    training_set_id: str | None = None
    retraining_id: str | None = None
    new_rows: int = Field(0, description="rows that may be learned from and that the parent had not seen")
    comparison: Comparison | None = None


@dataclass(frozen=True)
class Situation:
    """The model that is asked, and what there is to teach it."""

    parent: ModelDocument
    training_set: TrainingSet
    new: Sequence[TrainingRow]
    old: Sequence[TrainingRow]

    @property
    def age_days(self) -> float | None:
        """Age of the model; none if it ships."""
        return None if self.parent.shipped else (utc_now() - self.parent.created_at).total_seconds() / 86400.0

    @property
    def retraining_id(self) -> str:
        """Name of the retraining that follows from it."""
        document = self.training_set.document
        return retraining_id(document.kind, document.training_set_id, self.parent.digest)

    def asked(self, settings: RetrainingSettings) -> RetrainingDocument:
        """Ask for that retraining in the name of this process."""
        document = self.training_set.document
        return RetrainingDocument(
            retraining_id=self.retraining_id,
            kind=document.kind,
            training_set_id=document.training_set_id,
            parent_id=self.parent.model_id,
            parent_digest=self.parent.digest,
            status="submitted",
            owner=this_owner(),
            heartbeat=utc_now(),
            settings=settings.model_dump(),
        )


def situation(database: Database, kind: Kind, training_set_id: str | None = None) -> Situation:
    """Say where a kind of model stands.

    Parameters
    ----------
    database
        Where documents and models are.
    kind
        Kind of model.
    training_set_id
        A stored set; by default one is frozen from what the database holds now.

    Raises
    ------
    LearningError
        If there is nothing to learn from, what there is is contaminated, the training set of the model is not here, or
        the kind is not fine-tuned from a set.
    ModelError
        If there is no model of this kind.
    """
    require_retrainable(kind)
    parent = model_registry(database).promoted(kind)
    if training_set_id is None:
        training_set = current_training_set(database, kind)
    else:
        training_set = TrainingSet.load(database, training_set_id)
        if training_set.document.kind != kind:
            raise LearningError(f"{training_set_id} is a set for {training_set.document.kind}, not {kind}.")
        mu_star = training_set.document.mu_star
        if mu_star not in (None, MU_STAR):
            raise LearningError(
                f"{training_set_id} has its Tc at mu* = {mu_star}; the models learn it at {MU_STAR}.",
                "Build a set at that mu*: invdesflow retrain without --training-set does.",
            )
    taught_by = (parent.card.get("retraining") or {}).get("training_set_id")
    earlier = None if taught_by is None else database.collection(TrainingSetDocument).get(taught_by)
    if taught_by is not None and earlier is None:
        raise LearningError(
            f"What is new to {parent.model_id} is unknown: its training set {taught_by} is not in this database.",
            "Restore the database that it was trained in, or promote a model whose training set is here.",
        )
    unseen = training_set.unseen_by(earlier, shipped_sources(database), revealed_sources(database))
    taught = [(row, new) for row, new in zip(training_set.rows, unseen, strict=True) if not row.held_out]
    return Situation(parent, training_set, [row for row, new in taught if new], [row for row, new in taught if not new])


def retrain(
    database: Database,
    kind: Kind,
    settings: RetrainingSettings,
    *,
    training_set_id: str | None = None,
    promote: bool = True,
    again: bool = False,
    submitted: str | None = None,
    campaign: str | None = None,
    campaign_round: int | None = None,
) -> RetrainingOutput:
    """Fine-tune the promoted model of a kind, and promote what comes of it if it is better by more than noise.

    Training leaves checkpoints in the data folder: after a kill the same call goes on. The old model stays in charge
    until the new one is stored, measured and better.

    Parameters
    ----------
    database
        Where documents and models are.
    kind
        Kind of model.
    settings
        How.
    training_set_id
        A stored set; by default one is frozen from what the database holds now.
    promote
        Whether a better model is promoted.
    again
        Also if this retraining was completed before.
    submitted
        The ``retraining_id`` that was submitted; if another model is promoted by now, it is given up.
    campaign, campaign_round
        The round that asks for it, for the provenance.

    Raises
    ------
    LearningError
        If there is nothing to learn from, rows are contaminated, another process is at it, training diverged, a
        file cannot be written, or what was submitted is not asked for any more.
    ModelError
        If the parent cannot be read.
    """
    now = situation(database, kind, training_set_id)
    claims = Claims(database)
    if submitted is not None and submitted != now.retraining_id:
        claims.give_up(submitted, f"its parent is no longer asked, but {now.parent.model_id}")
        raise LearningError(
            f"The parent of {submitted} is no longer asked, but {now.parent.model_id}.",
            f"Retrain that: invdesflow retrain {kind}",
        )
    train = retrainer(kind)
    output = RetrainingOutput(
        kind=kind,
        before=now.parent.model_id,
        after=now.parent.model_id,
        training_set_id=now.training_set.document.training_set_id,
        new_rows=len(now.new),
    )
    if not now.new:
        return output.model_copy(update={"remark": f"there is nothing new since {now.parent.model_id}"})
    there = claims.find(now.retraining_id)
    if there is not None and there.status == "completed" and not again:
        remark = there.reason or f"{there.model_id} came of the same question before, and was rolled back"
        return _told(output, there).model_copy(update={"after": output.before, "remark": remark})
    asked = now.asked(settings).model_copy(update={"provenance": current_provenance(campaign, campaign_round)})
    with claims.held(asked, again=again) as held, _folder(database, _question(held, settings)) as folder:
        outcome = _outcome(database, now, train, _lesson(database, now, settings, folder), held)
        claims.confirm(held)
        outcome |= _promoted(model_registry(database), outcome, promote=promote)
        done = claims.finish(held, **outcome)
    return _told(output, done)


def _lesson(database: Database, now: Situation, settings: RetrainingSettings, folder: Path) -> Lesson:
    replay = settings.replayed(now.old, len(now.new))
    parent = model_registry(database).weights(now.parent)
    return Lesson(parent, now.new, replay, now.training_set.held_out, settings, folder)


@contextmanager
def _folder(database: Database, name: str) -> Iterator[Path]:
    """Lend a folder for checkpoints to one process; what goes wrong leaves it, so that the same retraining goes on."""
    folder = database.settings.data_dir / "retraining" / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise LearningError(f"Another process retrains in {folder}.", "Wait for it, or end it.") from None
    except OSError as error:
        raise _broken_off(error, folder) from error
    try:
        yield folder
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        lock.release()


def _told(output: RetrainingOutput, done: RetrainingDocument) -> RetrainingOutput:
    return output.model_copy(
        update={
            "after": done.model_id if done.promoted and done.model_id else output.after,
            "trained": done.model_id,
            "remark": done.reason,
            "retraining_id": done.retraining_id,
            "comparison": done.comparison,
        }
    )


def _outcome(
    database: Database, now: Situation, train: Retrainer, lesson: Lesson, held: RetrainingDocument
) -> dict[str, Any]:
    """Train, measure and store; return what the document of the retraining says but for the promotion."""
    started = time.monotonic()
    registry, settings, folder = model_registry(database), lesson.settings, lesson.folder
    question = _question(held, settings)
    try:
        retrained = train(lesson)
        comparison = compare(retrained.measured, settings, _earlier(registry, now.parent, question))
        reason = verdict(comparison, settings)
        model_id = f"{question}-{digest_of(retrained.arrays)[:8]}"
        path = folder / f"{model_id}.safetensors"
        write_model(path, dict(retrained.arrays), _card(model_id, now, retrained, comparison, reason))
        Claims(database).confirm(held)
        registry.add(path)
    except TrainingError as error:
        raise LearningError(f"The retraining failed: {error.problem}", error.remedy) from error
    except (OSError, MemoryError, RuntimeError) as error:  # torch says most things with a RuntimeError
        raise _broken_off(error, folder) from error
    return {
        "model_id": model_id,
        "reason": reason,
        "comparison": comparison.model_dump(),
        "new_rows": retrained.learned,
        "replayed_rows": retrained.replayed,
        "settings": settings.model_dump(),
        "seconds": round(time.monotonic() - started, 3),
    }


def _broken_off(error: Exception, folder: Path) -> LearningError:
    """Say why a retraining broke off; of a full disk torch says only where its own code noticed it."""
    full = isinstance(error, OSError) and error.errno == errno.ENOSPC
    if full or (folder.is_dir() and shutil.disk_usage(folder).free < _LEAST_FREE_BYTES):
        return LearningError(
            f"The retraining failed: there is no space left for {folder}.", "Make room; the same command continues."
        )
    problem = (str(error).splitlines() or [type(error).__name__])[0]
    return LearningError(f"The retraining failed: {problem}.", "The same command continues.")


def _promoted(registry: Registry, outcome: Mapping[str, Any], *, promote: bool) -> dict[str, Any]:
    """Promote what is better; say why it could not be, as when another model was promoted meanwhile."""
    reason = str(outcome["reason"])
    if not reason and not promote:
        reason = "it was not to be promoted"
    elif not reason:
        try:
            registry.promote(outcome["model_id"])
        except ModelError as error:
            registry.refuse(outcome["model_id"], error.problem)
            reason = error.problem
    return {"promoted": not reason, "reason": reason}


def _question(held: RetrainingDocument, settings: RetrainingSettings) -> str:
    """Name what is asked: kind, training set, parent and settings; the answer may differ in its last bits."""
    content = f"{held.retraining_id} {settings.model_dump_json()}"
    return f"{held.kind}-{hashlib.sha256(content.encode()).hexdigest()[:10]}"


def _earlier(registry: Registry, parent: ModelDocument, question: str) -> int:
    """Count the models that were measured against a parent before; the same question is none of them."""
    children = (model for model in registry.models(parent.kind) if model.compared_with == parent.digest)
    return sum(not child.model_id.startswith(question) for child in children)


def _card(
    model_id: str,
    now: Situation,
    retrained: Retrained,
    comparison: Comparison,
    reason: str,
) -> dict[str, Any]:
    document = now.training_set.document
    own = {
        "name": document.training_set_id,
        "licence": "that of its sources",
        "rows": retrained.learned + retrained.replayed,
        "formulas_digest": document.taught_formulas_digest,
    }
    card = {name: value for name, value in retrained.card.items() if name not in {"sha256", "cross_validation"}}
    return card | {
        "model_id": model_id,
        "parent": now.parent.digest,
        "training_sets": [*now.parent.training_sets, own],
        "held_out": {
            "rows": comparison.rows,
            "formulas_digest": comparison.formulas_digest,
            "metrics": dict(retrained.measured.metrics),
        },
        "comparison": {"with": now.parent.digest, "not_promoted": reason} | comparison.model_dump(),
        "retraining": {"retraining_id": now.retraining_id, "training_set_id": document.training_set_id},
    }


@dataclass
class RetrainMaker(SettingsMaker):
    """Retrain the promoted model of a kind on what has been calculated since.

    1. Freeze the training set, or take a stored one.
    2. Claim the retraining: there is one for each kind, training set and parent, and one process at a time runs it.
    3. Fine-tune on the new rows and replayed old ones, held close to the parent's weights.
    4. Measure parent and child on the same held-out rows, and store the child.
    5. Promote it if the paired bootstrap interval of the gain lies above zero.

    .. warning:: What goes wrong is a remark, not an exception, unless `strict`: the old model stays in charge and a
       campaign goes on. What diverged or was killed is tried again by the next call.

    Parameters
    ----------
    name
        Name of the job.
    settings
        How to train, and what counts as better.
    promote
        Whether a better model is promoted.
    strict
        Raise what went wrong.
    """

    name: str = "retrain"
    settings: RetrainingSettings = field(default_factory=RetrainingSettings)
    promote: bool = True
    strict: bool = False

    @job
    def make(
        self,
        kind: Kind,
        campaign: str | None = None,
        campaign_round: int | None = None,
        training_set_id: str | None = None,
        retraining_id: str | None = None,
    ) -> RetrainingOutput:
        """Retrain the model of one kind.

        Parameters
        ----------
        kind
            Kind of model: tc, classifier, formation-energy or generator.
        campaign, campaign_round
            The round that asks for it, for the provenance.
        training_set_id
            A stored training set; by default one is frozen now.
        retraining_id
            The retraining that was submitted, if one was.

        Raises
        ------
        InvDesFlowError
            If `strict`, and it failed.
        """
        with Database() as database:
            try:
                return retrain(
                    database,
                    kind,
                    self.settings,
                    training_set_id=training_set_id,
                    promote=self.promote,
                    submitted=retraining_id,
                    campaign=campaign,
                    campaign_round=campaign_round,
                )
            except InvDesFlowError as error:
                if self.strict:
                    raise
                asked = model_registry(database).promoted(kind).model_id
                return RetrainingOutput(kind=kind, before=asked, after=asked, remark=str(error))
