"""Builder that retrains a model when enough is new since it was made."""

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from jobflow import Flow, run_locally

from invdesflow.database.builders import DatabaseBuilder
from invdesflow.learning.retraining import RetrainingRule, RetrainingSettings
from invdesflow.learning.retraining_claims import Claims
from invdesflow.learning.retraining_documents import RetrainingDocument
from invdesflow.learning.retraining_jobs import RetrainMaker, situation
from invdesflow.learning.training_set_documents import Kind

__all__ = ["WAITING", "RetrainingBuilder", "Started"]

WAITING = "waiting for a worker"
"""What is said of a retraining that nobody has taken up yet."""


@dataclass(frozen=True)
class Started:
    """What a run of the builder did with one kind."""

    kind: Kind
    new_rows: int
    retraining_id: str | None
    remark: str
    failed: bool = False


class RetrainingBuilder(DatabaseBuilder):
    """Retrain each kind of model when enough is new since it was made; each set is learned from once.

    A run freezes the training set, counts what the promoted model has not seen, and if the rule is met claims the
    retraining, which is one document for kind, set and parent, and starts a `RetrainMaker`. So two schedulers at once
    end in one retraining, and one that failed is not tried again before something is new.

    Parameters
    ----------
    stores
        Path of the store file; by default that of the settings. Only this path is serialised, never a credential.
    kinds
        Kinds of model.
    rule
        When enough is new, as the fields of `RetrainingRule`.
    settings
        How to train, as the fields of `RetrainingSettings`.
    """

    queues: ClassVar[bool] = False
    """Whether `launch` only queues the flow for a worker, so that this process may end before it is run."""

    def __init__(
        self,
        stores: str | None = None,
        kinds: Sequence[Kind] = ("tc",),
        rule: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(stores, chunk_size=1)
        self.kinds = tuple(kinds)
        self.rule = dict(rule or {})
        self.settings = dict(settings or {})
        self.started: list[Started] = []
        self._rule = RetrainingRule(**self.rule)
        self._settings = RetrainingSettings(**self.settings)

    def get_items(self) -> Iterator[Kind]:
        """Yield the kinds."""
        self.total = len(self.kinds)
        yield from self.kinds

    def process_item(self, item: Kind) -> Kind:
        """Pass on: what there is to do needs the database, and is done where it is written."""
        return item

    def update_targets(self, items: list[Kind]) -> None:
        """Start the retrainings that are due; what stops one kind leaves the others alone."""
        for kind in items:
            try:
                self.started.append(self._start(kind))
            except Exception as error:  # noqa: BLE001 - a full disk of one kind is no reason to leave out the next
                self.logger.warning("no retraining of %s: %s", kind, error)
                self.started.append(Started(kind, 0, None, str(error) or type(error).__name__, failed=True))

    def launch(self, flow: Flow, metadata: Mapping[str, Any]) -> None:
        """Run a flow, here and now; a builder that submits it elsewhere overrides this.

        Parameters
        ----------
        flow
            The retraining.
        metadata
            Kind and ``retraining_id``.
        """
        os.environ["INVDESFLOW_STORES"] = str(self.database.path.resolve())
        directory = self.database.settings.data_dir / "runs" / str(metadata["retraining_id"])
        directory.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning, module="jobflow")  # jobflow's own use of monty
            run_locally(
                flow,
                store=self.database.job_store(),
                log=False,
                create_folders=True,
                root_dir=directory,
                ensure_success=True,
                raise_immediately=True,
            )

    def _start(self, kind: Kind) -> Started:
        now = situation(self.database, kind)
        if not self._rule.is_met(len(now.new), len(now.old), now.age_days):
            return Started(kind, len(now.new), None, "not enough is new")
        claims = Claims(self.database)
        asked = now.asked(self._settings).model_copy(update={"queued": self.queues})
        if not claims.submit(asked):
            return Started(kind, len(now.new), asked.retraining_id, _told(claims.find(asked.retraining_id)))
        maker = RetrainMaker(settings=self._settings, strict=True)
        job = maker.make(kind, training_set_id=asked.training_set_id, retraining_id=asked.retraining_id)
        flow = Flow([job], name=f"retrain {kind}")
        try:
            self.launch(flow, {"kind": kind, "retraining_id": asked.retraining_id})
        except BaseException as error:
            claims.withdraw(asked, f"it could not be started: {error}")
            raise
        return Started(kind, len(now.new), asked.retraining_id, _told(claims.find(asked.retraining_id)))


def _told(there: RetrainingDocument | None) -> str:
    """Say where a retraining stands that was asked for."""
    if there is None or there.status == "submitted":
        return WAITING
    if there.status == "running":
        return f"being run by {there.owner}"
    if there.status == "failed":
        return f"failed: {there.reason} Tried again by hand only: invdesflow retrain {there.kind}"
    return f"{there.model_id}: {there.reason or 'promoted'}"
