"""Builder of the `training_sets` collection."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from invdesflow.database import Database
from invdesflow.database.builders import DatabaseBuilder
from invdesflow.database.documents import Document
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.errors import LearningError
from invdesflow.espresso.documents import EspressoTaskDocument
from invdesflow.learning.training_set_documents import KINDS, Kind
from invdesflow.learning.training_set_rows import MU_STAR, Sources, build_training_set
from invdesflow.learning.training_sets import TrainingSet
from invdesflow.superconductors.documents import SuperconductorDocument
from invdesflow.superconductors.references import ReferenceDocument

__all__ = ["TrainingSetBuilder", "current_training_set", "read_sources", "shipped_sources"]

_COUPLED: tuple[type[Document], ...] = (SuperconductorDocument, ElectronPhononDocument)
_MODELS: Mapping[Kind, tuple[type[Document], ...]] = {
    "tc": _COUPLED,
    "classifier": _COUPLED,
    "generator": _COUPLED,
    "formation-energy": (ReferenceDocument, EspressoTaskDocument),
    "potential": (EspressoTaskDocument,),
}
"""The collections that a kind of model learns from."""
_SHIPPED: tuple[tuple[type[Document], str, str], ...] = (
    (SuperconductorDocument, "dataset_ids", "^(alexandria|jarvis|catalogue):"),
    (ReferenceDocument, "dataset_id", "^materials-project:(mp|mvc)-"),
)
"""Where it stands that a document is of a data set that models which ship learned from, or of our own catalogue."""


def read_sources(database: Database, kind: Kind) -> Sources:
    """Read the documents that a kind of model learns from; none of it is a calculation that still runs."""
    criteria: dict[str, dict[str, Any]] = {
        "electron_phonon": {"status": {"$ne": "running"}},
        "espresso_tasks": {"program": "pw.x"},
    }
    found = {
        model.collection: list(database.collection(model).find(criteria.get(model.collection, {})))
        for model in _MODELS[kind]
    }
    return Sources(**found)  # type: ignore[arg-type]


def shipped_sources(database: Database) -> set[str]:
    """Return what is of the data sets that models which ship learned from, as ``COLLECTION:ID``.

    What somebody imported from files of their own is none of it, though it stands in the same collections.
    """
    return {
        f"{model.collection}:{row[model.key]}"
        for model, field, pattern in _SHIPPED
        for row in database.collection(model).values({field: {"$regex": pattern}}, [model.key])
    }


def current_training_set(database: Database, kind: Kind, mu_star: float = MU_STAR) -> TrainingSet:
    """Freeze what the database holds now and store it; a set that is stored already stays as it is.

    Raises
    ------
    LearningError
        If there is nothing to learn from, or a document is contaminated; then nothing is written.
    """
    training_set = build_training_set(kind, read_sources(database, kind), mu_star)
    training_set.save(database)
    return training_set


class TrainingSetBuilder(DatabaseBuilder):
    """Freeze a new training set of each kind whenever the documents behind it have changed.

    Unlike a summary a training set is never replaced: what a model was trained on stays. A set that cannot be built
    leaves the others alone, is told by `failures`, and is tried again by the next run.

    Parameters
    ----------
    stores
        Path of the store file; by default that of the settings. Only this path is serialised, never a credential.
    kinds
        Kinds of model.
    mu_star
        Coulomb pseudopotential of every Tc.
    """

    def __init__(self, stores: str | None = None, kinds: Sequence[Kind] = KINDS, mu_star: float = MU_STAR) -> None:
        super().__init__(stores, chunk_size=1)
        self.kinds = tuple(kinds)
        self.mu_star = mu_star
        self.failures: dict[str, str] = {}

    def get_items(self) -> Iterator[tuple[Kind, Sources]]:
        """Yield the documents for each kind."""
        self.total = len(self.kinds)
        for kind in self.kinds:
            yield kind, read_sources(self.database, kind)

    def process_item(self, item: tuple[Kind, Sources]) -> TrainingSet | tuple[str, str]:
        """Freeze one set; a failure is reported, not raised."""
        kind, sources = item
        try:
            return build_training_set(kind, sources, self.mu_star)
        except LearningError as error:
            self.logger.warning("no training set for %s: %s", kind, error)
            return kind, str(error)

    def update_targets(self, items: list[TrainingSet | tuple[str, str]]) -> None:
        """Store what was frozen."""
        for item in items:
            if isinstance(item, TrainingSet):
                self.written += item.save(self.database)
            else:
                self.failures[item[0]] = item[1]
