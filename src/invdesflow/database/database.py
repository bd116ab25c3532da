"""`Database`: the one door to the collections, the job store and the blobs."""

import itertools
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, cast

from pymongo import IndexModel, MongoClient
from pymongo.errors import OperationFailure

from invdesflow.database.blobs import Blobs
from invdesflow.database.collection import Collection
from invdesflow.database.documents import Document
from invdesflow.database.failures import driver_errors
from invdesflow.database.models import COLLECTION_MODELS, document_model
from invdesflow.database.queries import CandidateFilter, CandidateFilterFields, sort_key
from invdesflow.database.server import LocalServer
from invdesflow.database.stores import StoreFile, load_store_file
from invdesflow.database.summary import SummaryDocument
from invdesflow.errors import ConfigurationError, DatabaseError
from invdesflow.settings import Settings, get_settings

if TYPE_CHECKING:
    from jobflow import JobStore
    from maggma.stores import MongoStore
    from pymongo.collection import Collection as RawCollection
    from pymongo.database import Database as RawDatabase

__all__ = ["Database"]

D = TypeVar("D", bound=Document)

# CannotCreateIndex, IndexOptionsConflict, IndexKeySpecsConflict, DuplicateKey
_INDEX_CONFLICTS = {67, 85, 86, 11000}


class Database:
    """The documents of one store file.

    Opening it starts the local server where the store file says ``server: local`` and, unless it is only read, creates
    every index that is missing, before anything is written.

    Parameters
    ----------
    stores
        Store file; by default that of the settings.
    settings
        Settings; by default those of this process.
    read_only
        Leave the indexes as they are, so that a user without the right to write can read.

    Raises
    ------
    ConfigurationError
        If the store file is wrong.
    DatabaseError
        If the server does not answer or refuses us, or an index cannot be made.

    Examples
    --------
    >>> from invdesflow import Database
    >>> for candidate in Database().candidates(elements=["B", "C"], tc_min=15):  # doctest: +SKIP
    ...     print(candidate.reduced_formula, candidate.tc_k)
    """

    def __init__(
        self, stores: Path | str | None = None, settings: Settings | None = None, *, read_only: bool = False
    ) -> None:
        self.settings = settings or get_settings()
        self.path = Path(stores or self.settings.stores)
        self.store_file: StoreFile = load_store_file(self.path, self.settings)
        self.address = self.store_file.address()
        if self.store_file.server == "local":
            self.local_server().start()
        self._client = self._connect()
        if not read_only:
            self.ensure_indexes()

    def _connect(self) -> "MongoClient[dict[str, Any]]":
        with driver_errors(self.address):
            try:
                client: MongoClient[dict[str, Any]] = MongoClient(**self.store_file.client_arguments(), tz_aware=True)
            except (OSError, TypeError, ValueError):  # the driver's words may hold the values
                raise ConfigurationError(
                    f"The connection settings of the database at {self.address} have a wrong value.",
                    f"Check mongoclient_kwargs in {self.path} and the INVDESFLOW_MONGODB_* settings.",
                ) from None
            client.admin.command("ping")
        return client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the server runs on."""
        self._client.close()

    @classmethod
    def server_of(cls, settings: Settings) -> LocalServer:
        """Return the local server that a store file asks for, without connecting.

        Raises
        ------
        ConfigurationError
            If the store file is wrong.
        DatabaseError
            If its server is not a local one.
        """
        store_file = load_store_file(settings.stores, settings)
        if store_file.server != "local":
            raise DatabaseError(
                f"{settings.stores} names the server {store_file.address()}, which InvDesFlow does not run.",
                "Start and stop it by its own means.",
            )
        return LocalServer(settings.data_dir / "database", store_file.docs_store.host, store_file.docs_store.port)

    def local_server(self) -> LocalServer:
        """Return the local server of this database (`server_of`)."""
        return self.server_of(self.settings.model_copy(update={"stores": self.path}))

    @property
    def raw(self) -> "RawDatabase[dict[str, Any]]":
        """The pymongo database."""
        return self._client[self.store_file.docs_store.database]

    def collection(self, model: type[D]) -> Collection[D]:
        """Return the collection of a document model."""
        return Collection(self.raw[model.collection], model, self.address)

    def named_collection(self, name: str) -> Collection[Document]:
        """Return a collection by its name.

        Raises
        ------
        DatabaseError
            If there is no such collection.
        """
        if name not in COLLECTION_MODELS:
            raise DatabaseError(f"There is no collection {name!r}.", f"Use one of {', '.join(COLLECTION_MODELS)}.")
        return self.collection(document_model(name))

    @cached_property
    def summary(self) -> Collection[SummaryDocument]:
        """The flat documents that people query."""
        return self.collection(SummaryDocument)

    @cached_property
    def blobs(self) -> Blobs:
        """What is too large for a document."""
        return Blobs(self.raw, self.store_file.additional_stores["data"].collection_name, self.address)

    def candidates(
        self, *, sort: str = "tc", limit: int = 0, **filters: Unpack[CandidateFilterFields]
    ) -> Iterator[SummaryDocument]:
        """Stream candidates, one typed document each.

        Parameters
        ----------
        sort
            ``tc``, ``ehull``, ``formation_energy``, ``volume`` or ``updated``. By ``tc``, those of the smallest mu*
            come first: what is predicted at different mu* cannot be ranked against each other.
        limit
            At most so many; 0 is all.
        **filters
            Fields of `invdesflow.database.queries.CandidateFilter`.

        Raises
        ------
        ConfigurationError
            If a filter is unknown or has a wrong value.
        """
        criteria = CandidateFilter.checked(**filters).to_mongo()
        order = sort_key(sort)
        field, direction = order[0]
        unknown_last = [criteria]
        if direction > 0 and field not in criteria:
            # MongoDB sorts what is missing before every number; unknown is not the best.
            unknown_last = [criteria | {field: {"$ne": None}}, criteria | {field: None}]
        found = itertools.chain.from_iterable(
            self.summary.find(part, sort=order, limit=limit, time_limit_s=self.settings.query_time_limit_s)
            for part in unknown_last
        )
        yield from itertools.islice(found, limit or None)

    def ensure_indexes(self) -> dict[str, list[str]]:
        """Create every index of the store file that is missing.

        Returns
        -------
        dict
            Collection -> names of the indexes created now.

        Raises
        ------
        DatabaseError
            If an index cannot be created, for example because documents violate a unique key.
        """
        created: dict[str, list[str]] = {}
        wanted = {
            name: [spec.unique_index(), *spec.secondary_indexes()] for name, spec in self.store_file.collections.items()
        }
        # The output of a job is stored once, also where a job that was taken for lost ends twice at the same time.
        wanted[self.store_file.docs_store.collection_name] = [IndexModel([("uuid", 1), ("index", -1)], unique=True)]
        for name, indexes in wanted.items():
            collection = self.raw[name]
            with driver_errors(self.address):
                present = {
                    (tuple(index["key"]), bool(index.get("unique")))
                    for index in collection.index_information().values()
                }
                missing = [
                    index
                    for index in indexes
                    if (tuple(index.document["key"].items()), bool(index.document.get("unique"))) not in present
                ]
                if missing:
                    created[name] = self._create_indexes(collection, missing)
        return created

    def _create_indexes(self, collection: "RawCollection[dict[str, Any]]", indexes: list[IndexModel]) -> list[str]:
        try:
            return collection.create_indexes(indexes)
        except OperationFailure as error:
            if error.code not in _INDEX_CONFLICTS:
                raise
            raise DatabaseError(
                f"An index of the collection {collection.name} cannot be created: {str(error).splitlines()[0][:200]}",
                "Look for documents with the same key (invdesflow db validate) or drop the conflicting index.",
            ) from None

    def job_store(self) -> "JobStore":
        """Return jobflow's store for the outputs of jobs; connect it before use."""
        from invdesflow.database.job_store import CheckedJobStore

        return CheckedJobStore.from_dict_spec(self.store_file.job_store_spec())

    def maggma_store(self, name: str) -> "MongoStore":
        """Return a maggma store of one collection, for builders. It holds the credentials: do not serialise it."""
        from maggma.stores import MongoStore

        spec = self.store_file.docs_store.model_dump(exclude={"type"}, exclude_none=True)
        spec |= {"collection_name": name, "key": self.store_file.collections[name].key}
        return cast("MongoStore", MongoStore(**spec, last_updated_field="updated_at"))
