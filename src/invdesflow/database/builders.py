"""What every builder of ours promises, whoever runs it: ``mrun``, a job, or a schedule."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from maggma.core import Builder
from maggma.utils import grouper

from invdesflow.database.collection import write_behind
from invdesflow.database.database import Database
from invdesflow.database.documents import Document

__all__ = ["BuildFailure", "DatabaseBuilder", "DocumentBuilder"]

D = TypeVar("D", bound=Document)


@dataclass(frozen=True)
class BuildFailure:
    """A target that could not be built; its last good document stays, and the next run tries again."""

    key: str
    reason: str


class DatabaseBuilder(Builder):
    """A builder that finds its database by itself.

    Parameters
    ----------
    stores
        Path of the store file; by default that of the settings. Only this path is serialised, never a credential.
    chunk_size
        Items that are processed and written together.
    """

    def __init__(self, stores: str | None = None, chunk_size: int = 200) -> None:
        super().__init__(sources=[], targets=[], chunk_size=chunk_size)
        self.stores = stores
        self.written = 0
        self._database: Database | None = None

    @property
    def database(self) -> Database:
        """The database, opened on first use."""
        if self._database is None:
            self._database = Database(self.stores)
        return self._database

    def connect(self) -> None:
        """Open the database."""
        _ = self.database

    def finalize(self) -> None:
        """Close the connection."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def run_here(self, database: Database) -> None:
        """Build in this process on an open database, which stays open."""
        self._database = database
        for chunk in grouper(self.get_items(), self.chunk_size):
            self.update_targets([self.process_item(item) for item in chunk])


class DocumentBuilder(DatabaseBuilder, Generic[D]):
    """Keep a derived collection current.

    A target document carries ``sources_digest``, the state of everything it was built from. A run compares the digests
    of now with the stored ones and rebuilds what differs, so that

    - building twice is building once, and only what changed is touched;
    - an updated or a new member of a group rebuilds the group;
    - a build that fails leaves the last good document and is tried again;
    - clocks do not matter, a kill at any moment loses nothing, and concurrent runs end in the same collection.

    Parameters
    ----------
    stores
        Path of the store file; by default that of the settings. Only this path is serialised, never a credential.
    chunk_size
        Targets that are built and written together.
    """

    target: ClassVar[type[Document]]

    def __init__(self, stores: str | None = None, chunk_size: int = 200) -> None:
        super().__init__(stores, chunk_size)
        self.failures: list[BuildFailure] = []

    @abstractmethod
    def current_digests(self) -> dict[str, str]:
        """Return, for every target key, the digest of its sources as they are now."""

    @abstractmethod
    def gather(self, digests: dict[str, str]) -> Iterable[Any]:
        """Yield plain picklable items with all that is needed to build these targets."""

    @abstractmethod
    def build(self, item: Any) -> Sequence[D]:
        """Build the documents of one item; pure, no database."""

    @abstractmethod
    def keys(self, item: Any) -> Sequence[str]:
        """Return the target keys of one item, to report a failure."""

    def get_items(self) -> Iterator[Any]:
        """Yield what has to be rebuilt."""
        collection = self.database.collection(self.target)
        key = self.target.key
        stored = {row[key]: row.get("sources_digest") for row in collection.values({}, [key, "sources_digest"])}
        stale = {name: digest for name, digest in self.current_digests().items() if stored.get(name) != digest}
        self.total = len(stale)
        for chunk in grouper(sorted(stale), self.chunk_size):
            yield from self.gather({name: stale[name] for name in chunk})

    def process_item(self, item: Any) -> Sequence[D] | list[BuildFailure]:
        """Build one item; a failure is reported, not raised, so that the others are built."""
        try:
            return self.build(item)
        except Exception as error:
            self.logger.exception("cannot build %s", ", ".join(self.keys(item)))
            reason = f"{type(error).__name__}: {error}"
            return [BuildFailure(key, reason) for key in self.keys(item)]

    def update_targets(self, items: list[Sequence[D] | list[BuildFailure]]) -> None:
        """Write what was built."""
        results = [result for item in items for result in item]
        self.failures += [result for result in results if isinstance(result, BuildFailure)]
        counts = self.database.collection(self.target).upsert(
            result for result in results if not isinstance(result, BuildFailure)
        )
        self.written += counts.inserted + counts.updated

    def run_here(self, database: Database) -> None:
        """Build in this process on an open database, which stays open; the next chunk is built while one is written."""
        self._database = database
        chunks = ([self.process_item(item) for item in chunk] for chunk in grouper(self.get_items(), self.chunk_size))
        for _ in write_behind(chunks, self.update_targets):
            pass
